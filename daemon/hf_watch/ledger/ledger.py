"""The ledger as its writers hold it: one connection, and the tables on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from hf_watch.ledger.batches import Batches
from hf_watch.ledger.comparison import Comparison
from hf_watch.ledger.connection import Connection
from hf_watch.ledger.deletes import Deletes
from hf_watch.ledger.file import LOCK_TIMEOUT_S, LedgerFile
from hf_watch.ledger.files import Files
from hf_watch.ledger.quarantine import Quarantine
from hf_watch.ledger.roots import Roots
from hf_watch.ledger.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FREE_SHARE = 4  # more than a quarter of the file unused: some of it is given back
FREED_PAGES = 4_096  # at a time, 16 MB: a tenth of a second


class Ledger:
    """One connection, used by one thread at a time. A table's method is a transaction.

    Each raises LedgerError when it cannot be done, CorruptLedgerError when the file holds no ledger any more: then
    nothing of it was done, and `reopen` comes before the next one.
    """

    def __init__(
        self,
        file: Path,
        *,
        read_only: bool = False,
        wall_clock: Callable[[], float] = time.time,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        connection_of: Callable[[LedgerFile, bool], Connection] = Connection,
    ) -> None:
        self._connection = connection_of(LedgerFile(file, lock_timeout_s), read_only)
        self.roots = Roots(self._connection)
        self.files = Files(self._connection)
        self.batches = Batches(self._connection, wall_clock)
        self.deletes = Deletes(self._connection)
        self.quarantine = Quarantine(self._connection, wall_clock)
        self.waits = Waits(self._connection, wall_clock)
        self.comparison = Comparison(self._connection)

    def open(self) -> Self:
        """Open or create the file; LedgerError, or ConfigError when a newer hf-watch wrote it."""
        self._connection.open()
        return self

    def open_once(self) -> None:
        """Open it unless that was done."""
        self._connection.open_once()

    def reopen(self) -> None:
        """Begin anew after an error, with a new file where the old one was corrupt or is gone."""
        self._connection.reopen()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def give_back_space(self) -> None:
        """Shrink the file by a bounded step when much of it is unused, as it is after a large tree went."""
        (free,), (pages,) = self._connection.row("PRAGMA freelist_count"), self._connection.row("PRAGMA page_count")
        if free * FREE_SHARE > pages:
            self._connection.script(f"PRAGMA incremental_vacuum({FREED_PAGES})")  # execute frees one page
