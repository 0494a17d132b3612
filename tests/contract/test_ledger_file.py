"""The ledger's file as SQLite has it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hf_watch.ledger.file import LedgerFile

if TYPE_CHECKING:
    from pathlib import Path

FULL = 2  # sqlite.org/pragma.html#pragma_synchronous


def test_what_is_written_outlives_a_loss_of_power(tmp_path: Path) -> None:
    for _ in range(2):  # a new file, and one that is there
        with closing(LedgerFile(tmp_path / "ledger.sqlite3").connect()) as opened:
            assert opened.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert opened.execute("PRAGMA synchronous").fetchone() == (FULL,)
