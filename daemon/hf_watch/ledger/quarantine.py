"""The paths that are set aside, each with its reason and the file it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hf_watch.ledger.rows import SetAside, columns, fingerprint, joined, split

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from hf_watch.ledger.connection import Connection
    from hf_watch.ledger.rows import Root
    from hf_watch.model import Fingerprint

QUARANTINE_S = 24 * 3600.0

_ASIDE = "dir, name, inode, size_bytes, mtime_ns, ctime_ns, reason, at_s, repo_path"


class Quarantine:
    """The table `quarantine`."""

    def __init__(self, connection: Connection, wall_clock: Callable[[], float]) -> None:
        self._connection = connection
        self._wall_clock = wall_clock

    def set_aside(
        self, root: Root, path: str, fingerprint: Fingerprint | None, reason: str, repo_path: str | None = None
    ) -> None:
        """Put a path in quarantine until its fingerprint changes; `repo_path`: where it clashes with another one."""
        with self._connection.transaction() as db:
            db.execute(
                f"INSERT OR REPLACE INTO quarantine (root_id, {_ASIDE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (root.id, *split(path), *columns(fingerprint), reason, self._wall_clock(), repo_path),
            )

    def aside(self, root: Root, path: str) -> SetAside | None:
        """A path's place in quarantine, if it has one, however old and whatever the file is by now."""
        row = self._connection.row(
            f"SELECT {_ASIDE} FROM quarantine WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *split(path))
        )
        return _set_aside(row) if row is not None else None

    def held_aside(self, root: Root, path: str, fingerprint: Fingerprint) -> SetAside | None:
        """The place in quarantine of the file with this fingerprint; None when it may be tried.

        One that changed may, and so may any after a day: what the Hub refuses today it may take tomorrow.
        """
        found = self.aside(root, path)
        if found is None or found.fingerprint != fingerprint:
            return None
        age_s = self._wall_clock() - found.at_s  # negative after a clock that was ahead was set right
        return found if 0.0 <= age_s < QUARANTINE_S else None

    def of(self, root: Root) -> Iterator[SetAside]:
        """Everything in quarantine below a root."""
        for row in self._connection.rows(f"SELECT {_ASIDE} FROM quarantine WHERE root_id = ?", (root.id,)):
            yield _set_aside(row)

    def wanting(self, root: Root, repo_path: str) -> list[str]:
        """The paths of a root that would be at a repo path if they did not clash there."""
        rows = self._connection.rows(
            "SELECT dir, name FROM quarantine WHERE repo_path = ? AND root_id = ?", (repo_path, root.id)
        )
        return [joined(*row) for row in rows]

    def release(self, root: Root, paths: Iterable[str]) -> None:
        """Take paths out of quarantine."""
        with self._connection.transaction() as db:
            release(db, [(root.id, *split(path)) for path in paths])


def release(db: sqlite3.Connection, keys: Iterable[tuple[int, bytes, bytes]]) -> None:
    """The same as `Quarantine.release`, as a part of another table's transaction."""
    db.executemany("DELETE FROM quarantine WHERE (root_id, dir, name) = (?, ?, ?)", keys)


def _set_aside(row: tuple[Any, ...]) -> SetAside:
    directory, name, *looked, reason, at_s, repo_path = row
    return SetAside(joined(directory, name), fingerprint(*looked), reason, at_s, repo_path)
