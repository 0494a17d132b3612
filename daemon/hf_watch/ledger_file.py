"""The ledger's SQLite file: its schema, how it is opened, and what becomes of one that holds no ledger any more."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import ConfigError, CorruptLedgerError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = structlog.get_logger()

SCHEMA_VERSION = 4
LOCK_TIMEOUT_S = 30.0  # another worker's transaction is short; longer means that something is wrong
WAL_BYTES = 4 << 20  # what is left of the log after a large transaction
COMPANIONS = ("", "-wal", "-shm")  # the files that SQLite keeps beside one in WAL mode
CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

SCHEMA = """
CREATE TABLE destination (
  id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, repo_type TEXT NOT NULL, repo_id TEXT NOT NULL,
  revision TEXT NOT NULL, head TEXT, UNIQUE (endpoint, repo_type, repo_id, revision)
) STRICT;
CREATE TABLE root (
  id INTEGER PRIMARY KEY, destination_id INTEGER NOT NULL REFERENCES destination, source BLOB NOT NULL,
  prefix TEXT NOT NULL, UNIQUE (destination_id, source, prefix)
) STRICT;
CREATE TABLE incarnation (
  generation INTEGER PRIMARY KEY, root_id INTEGER NOT NULL REFERENCES root, device INTEGER NOT NULL,
  inode INTEGER NOT NULL, UNIQUE (root_id, device, inode)
) STRICT;
CREATE TABLE file (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, repo_path TEXT NOT NULL,
  inode INTEGER, size_bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
  sha256 BLOB, git_sha1 BLOB, generation INTEGER NOT NULL, is_mapped INTEGER NOT NULL DEFAULT 0,
  batch INTEGER, PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_mapped ON file (repo_path) WHERE is_mapped;
CREATE TABLE candidate (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, sha256 BLOB NOT NULL, git_sha1 BLOB,
  repo_path TEXT, PRIMARY KEY (root_id, dir, name, sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL,
  inode INTEGER, size_bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
  reason TEXT NOT NULL, at_s REAL NOT NULL, repo_path TEXT,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_claim ON quarantine (repo_path) WHERE repo_path IS NOT NULL;
CREATE TABLE batch (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  destination_id INTEGER NOT NULL REFERENCES destination, at_s REAL NOT NULL, commit_id TEXT,
  files INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_at ON batch (at_s);
CREATE TABLE missing (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE part (
  root_id INTEGER NOT NULL, batch INTEGER NOT NULL, files INTEGER NOT NULL, PRIMARY KEY (root_id, batch)
) STRICT, WITHOUT ROWID;
"""

TO_2 = """
ALTER TABLE file ADD COLUMN is_mapped INTEGER NOT NULL DEFAULT 0;
CREATE INDEX file_mapped ON file (repo_path) WHERE is_mapped;
ALTER TABLE candidate ADD COLUMN repo_path TEXT;
ALTER TABLE quarantine ADD COLUMN repo_path TEXT;
CREATE INDEX quarantine_claim ON quarantine (repo_path) WHERE repo_path IS NOT NULL;
"""

TO_3 = """
CREATE TABLE missing (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
"""

# A batch's number is never given twice: rows of `file` keep it when the batch is long forgotten.
TO_4 = """
ALTER TABLE batch RENAME TO batch_of_3;
DROP INDEX batch_at;
CREATE TABLE batch (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  destination_id INTEGER NOT NULL REFERENCES destination, at_s REAL NOT NULL, commit_id TEXT,
  files INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
INSERT INTO batch (id, destination_id, at_s, commit_id, files, bytes)
  SELECT id, destination_id, at_s, commit_id, files, bytes FROM batch_of_3 ORDER BY rowid;
DROP TABLE batch_of_3;
CREATE INDEX batch_at ON batch (at_s);
CREATE TABLE part (
  root_id INTEGER NOT NULL, batch INTEGER NOT NULL, files INTEGER NOT NULL, PRIMARY KEY (root_id, batch)
) STRICT, WITHOUT ROWID;
ALTER TABLE file ADD COLUMN batch INTEGER;
"""

MIGRATIONS: tuple[str, ...] = (TO_2, TO_3, TO_4)  # the n-th brings a ledger of version n + 1 to version n + 2


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
