"""A connection to the ledger's file: transactions that are done whole or not at all, and errors that are ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hf_watch.errors import CorruptLedgerError, LedgerError
from hf_watch.ledger.file import door

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from hf_watch.ledger.file import LedgerFile


class Connection:
    """Used by one thread at a time; each method raises LedgerError or CorruptLedgerError when nothing was done."""

    def __init__(self, file: LedgerFile, read_only: bool) -> None:
        self._file = file
        self._read_only = read_only
        self._is_corrupt = False
        self._inode: int | None = None
        self._opened: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or create the file; LedgerError, or ConfigError when a newer hf-watch wrote it."""
        self._opened = self._file.read() if self._read_only else self._file.connect()
        self._inode = self._file.inode()

    def open_once(self) -> None:
        """Open it unless that was done."""
        if self._opened is None:
            self.open()

    def reopen(self) -> None:
        """Begin anew after an error, with a new file where the old one was corrupt or is gone."""
        self.close()
        if self._is_corrupt:
            self._file.set_aside(self._inode, "it holds no ledger any more")
            self._is_corrupt = False
        self.open()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            raise LedgerError(f"{self._file.path}: it is not open")
        return self._opened

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is done inside is on disk afterwards, or nothing of it is."""
        if self._file.inode() != self._inode:
            raise LedgerError(f"{self._file.path}: it was removed, or another file stands in its place")
        with self._door():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._door():
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first row, or None."""
        with self._door():
            return self._db.execute(sql, values).fetchone()

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """The statement for each of the values, outside any transaction."""
        with self._door():
            self._db.executemany(sql, values)

    def script(self, sql: str) -> None:
        """Step through statements to their end, whatever rows they give."""
        with self._door():
            self._db.executescript(sql)

    @contextmanager
    def _door(self) -> Iterator[None]:
        try:
            with door(self._file.path):
                yield
        except CorruptLedgerError:
            self._is_corrupt = True
            raise
