"""The local Hub's one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hf_watch.errors import ConfigError

from .records import SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Database:
    """One connection behind a lock, safe from any thread. ConfigError when the file is another version's."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._lock = threading.RLock()
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Survives a killed process; a machine that loses power loses what was being tried out.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._check_version(file)
        self._connection.executescript(SCHEMA)

    def _check_version(self, file: Path) -> None:
        """What was tried out once is not carried over; ConfigError for another version's directory."""
        ((version,),) = self.rows("PRAGMA user_version")
        ((tables,),) = self.rows("SELECT count(*) FROM sqlite_master")
        if tables and version != SCHEMA_VERSION:
            self._connection.close()
            raise ConfigError(f"{file.parent} holds a local Hub of another version: remove it, or choose another")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing; a block within another one is part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()
