"""The ledger's SQLite file: how it is opened, and what becomes of one that holds no ledger any more."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import ConfigError, CorruptLedgerError, LedgerError
from hf_watch.ledger.schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = structlog.get_logger()

LOCK_TIMEOUT_S = 30.0  # another worker's transaction is short; longer means that something is wrong
WAL_BYTES = 4 << 20  # what is left of the log after a large transaction
COMPANIONS = ("", "-wal", "-shm")  # the files that SQLite keeps beside one in WAL mode
CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_replacing = threading.Lock()  # one process holds the state directory; its workers have a connection each


@contextmanager
def door(file: Path) -> Iterator[None]:
    """SQLite's errors inside come out as ours: LedgerError, CorruptLedgerError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)  # none for mistakes of the module itself
        known = CorruptLedgerError if code is not None and code & 0xFF in CORRUPT else LedgerError
        raise known(f"{file}: {error}") from error


class LedgerFile:
    """Where a ledger is kept. Safe from any thread."""

    def __init__(self, path: Path, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self.path = path
        self._lock_timeout_s = lock_timeout_s

    def connect(self) -> sqlite3.Connection:
        """Open or create it; one that is corrupt is set aside first.

        Raises LedgerError, and ConfigError when a newer hf-watch wrote it.
        """
        with _replacing:
            try:
                return self._connected()
            except CorruptLedgerError as error:
                self._set_aside(str(error))
            return self._connected()

    def read(self) -> sqlite3.Connection:
        """Open it for somebody who only reads; an empty one where there is none, for a reader makes no files."""
        uri = f"{self.path.absolute().as_uri()}?mode=rw"  # a reader of a WAL needs its index writable
        return self._prepared(uri if self.path.exists() else "file::memory:", durable=False)

    def inode(self) -> int | None:
        """Which file stands there; None when there is none."""
        try:
            return os.stat(self.path).st_ino  # noqa: PTH116  asked at each transaction
        except OSError:
            return None

    def set_aside(self, inode: int | None, reason: str) -> None:
        """Rename the file with this inode, unless another one stands in its place by now."""
        with _replacing:
            if inode is not None and self.inode() == inode:
                self._set_aside(reason)

    def _set_aside(self, reason: str) -> None:
        kept = self.path.with_name(f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
        try:
            for companion in COMPANIONS:
                file = self.path.with_name(self.path.name + companion)
                if file.exists():
                    file.rename(kept.with_name(kept.name + companion))
        except OSError as error:
            raise LedgerError(f"{self.path}: it is corrupt, and cannot be set aside ({error.strerror})") from error
        log.error("ledger.set_aside", path=str(kept), reason=reason)

    def _connected(self) -> sqlite3.Connection:
        return self._prepared(f"{self.path.absolute().as_uri()}?mode=rwc", durable=True)

    def _prepared(self, uri: str, *, durable: bool) -> sqlite3.Connection:
        with door(self.path):
            connection = sqlite3.connect(
                uri, uri=True, timeout=self._lock_timeout_s, isolation_level=None,
                check_same_thread=False,  # composed on one thread, used by another
            )  # fmt: skip
            try:
                if durable:
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; before its first page
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
                connection.execute("PRAGMA synchronous = FULL")  # an intent must survive power loss before it leaves
                connection.execute("PRAGMA cache_size = -4096")  # KiB; a worker each has one
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        with closing(connection.execute("PRAGMA user_version")) as found:
            (version,) = found.fetchone()
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"{self.path}: written by a newer hf-watch (schema {version}, this one knows {SCHEMA_VERSION});"
                " upgrade hf-watch, or use another --state-dir"
            )
        if version == SCHEMA_VERSION:
            return
        steps = (SCHEMA,) if version == 0 else MIGRATIONS[version - 1 :]
        script = "".join(steps)
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
