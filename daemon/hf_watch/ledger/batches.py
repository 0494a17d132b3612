"""The commits: intended, answered, found again or dropped, and how many files of which root each one put."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hf_watch.ledger import files

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from hf_watch.ledger.connection import Connection
    from hf_watch.ledger.rows import Intended, Root

KEPT_COMMITS = 10_000  # what `history` can show; older ones go


class Batches:
    """The tables `batch` and `part`."""

    def __init__(self, connection: Connection, wall_clock: Callable[[], float]) -> None:
        self._connection = connection
        self._wall_clock = wall_clock

    def intend(self, batch_id: str, destination_id: int, intended: Sequence[Intended], size_bytes: int) -> None:
        """Put the paths of a batch in doubt, durably, before it is committed."""
        with self._connection.transaction() as db:
            (number,) = db.execute(
                "INSERT INTO batch (id, destination_id, at_s, files, bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET at_s = excluded.at_s, files = excluded.files, bytes = excluded.bytes RETURNING number",
                (batch_id, destination_id, self._wall_clock(), len(intended), size_bytes),
            ).fetchone()
            uploads = Counter(each.root.id for each in intended if each.digest is not None)
            parts = [(root_id, number, uploads[root_id]) for root_id in {each.root.id for each in intended}]
            db.executemany("INSERT OR REPLACE INTO part (root_id, batch, files) VALUES (?, ?, ?)", parts)
            files.intend(db, number, intended)

    def recorded(self, batch_id: str, commit: str | None) -> None:
        """A batch was answered: it is no open intent any more."""
        with self._connection.transaction() as db:
            if commit is None:
                db.execute("DELETE FROM batch WHERE id = ?", (batch_id,))
            else:
                db.execute("UPDATE batch SET commit_id = ? WHERE id = ?", (commit, batch_id))
            _forget_commits(db)

    def found(self, batch_id: str, commit: str) -> None:
        """A batch whose answer was lost was found on the Hub."""
        with self._connection.transaction() as db:
            db.execute("UPDATE batch SET commit_id = ? WHERE id = ?", (commit, batch_id))

    def made(self, commit: str) -> bool:
        """Whether a commit is one of ours."""
        (made,) = self._connection.row("SELECT EXISTS (SELECT 1 FROM batch WHERE commit_id = ?)", (commit,))
        return bool(made)

    def unanswered(self, root: Root) -> list[str]:
        """The batches of the destination that were intended and never answered, oldest first."""
        rows = self._connection.rows(
            "SELECT id FROM batch WHERE destination_id = ? AND commit_id IS NULL ORDER BY at_s", (root.destination_id,)
        )
        return [str(batch_id) for (batch_id,) in rows]

    def dropped(self, batch_id: str) -> None:
        """A batch was refused for good: it is no open intent any more. Its paths stay in doubt until settled again."""
        with self._connection.transaction() as db:
            db.execute("DELETE FROM batch WHERE id = ? AND commit_id IS NULL", (batch_id,))

    def commits_since(self, endpoint: str, since_s: float) -> list[float]:
        """The wall-clock times of the commits made on an endpoint, oldest first, for its hourly budget.

        A batch that was never answered counts: the Hub may have counted it.
        """
        rows = self._connection.rows(
            "SELECT at_s FROM batch JOIN destination ON destination.id = destination_id"
            " WHERE endpoint = ? AND at_s >= ? ORDER BY at_s",
            (endpoint, since_s),
        )
        return [float(at_s) for (at_s,) in rows]


def _forget_commits(db: sqlite3.Connection) -> None:
    """Keep the latest commits, and what they were made of."""
    (latest,) = db.execute("SELECT max(number) FROM batch").fetchone()
    if latest is not None:
        oldest = latest - KEPT_COMMITS
        db.execute("DELETE FROM batch WHERE commit_id IS NOT NULL AND number <= ?", (oldest,))
        db.execute("DELETE FROM part WHERE root_id IN (SELECT id FROM root) AND batch <= ?", (oldest,))
