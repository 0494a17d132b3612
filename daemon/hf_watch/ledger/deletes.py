"""The deletes that wait: files known to the Hub and missing here, and what was decided about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_watch.ledger.rows import DeleteState, joined, split

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from hf_watch.ledger.connection import Connection
    from hf_watch.ledger.rows import Root


class Deletes:
    """The table `missing`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(self, root: Root, paths: Iterable[str]) -> None:
        """Write down that these are missing; what is written down of them already stays."""
        with self._connection.transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO missing VALUES (?, ?, ?, ?)",
                [(root.id, *split(path), DeleteState.NOTED.value) for path in paths],
            )

    def settle(self, root: Root, old: DeleteState, new: DeleteState) -> None:
        """Decide about all deletes in one state."""
        with self._connection.transaction() as db:
            db.execute("UPDATE missing SET state = ? WHERE root_id = ? AND state = ?", (new.value, root.id, old.value))

    def drop(self, root: Root, paths: Iterable[str]) -> None:
        """These are not missing any more."""
        with self._connection.transaction() as db:
            drop(db, [(root.id, *split(path)) for path in paths])

    def state(self, root: Root, path: str) -> DeleteState | None:
        """What was written down of a missing path, if anything was."""
        row = self._connection.row(
            "SELECT state FROM missing WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *split(path))
        )
        return DeleteState(row[0]) if row is not None else None

    def count(self, root: Root, state: DeleteState) -> int:
        """How many deletes are in a state."""
        (count,) = self._connection.row(
            "SELECT count(*) FROM missing WHERE (root_id, state) = (?, ?)", (root.id, state.value)
        )
        return int(count)

    def paths(self, root: Root, state: DeleteState) -> list[str]:
        """The paths in a state."""
        rows = self._connection.rows(
            "SELECT dir, name FROM missing WHERE (root_id, state) = (?, ?)", (root.id, state.value)
        )
        return [joined(*row) for row in rows]

    def first(self, root: Root, state: DeleteState) -> str | None:
        """One of the paths in a state."""
        row = self._connection.row(
            "SELECT dir, name FROM missing WHERE (root_id, state) = (?, ?) LIMIT 1", (root.id, state.value)
        )
        return joined(*row) if row is not None else None


def drop(db: sqlite3.Connection, keys: Iterable[tuple[int, bytes, bytes]]) -> None:
    """The same as `Deletes.drop`, as a part of another table's transaction."""
    db.executemany("DELETE FROM missing WHERE (root_id, dir, name) = (?, ?, ?)", keys)
