"""Where the ledger's files belong: destinations with their heads, watched roots, and the incarnations of each root."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hf_watch.ledger.rows import Root, signed

if TYPE_CHECKING:
    from hf_watch.ledger.connection import Connection
    from hf_watch.model import Destination


class Roots:
    """The tables `destination`, `root` and `incarnation`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, destination: Destination, source: str, mapping: str) -> Root:
        """The row of a root with a mapping's key, made if it is new."""
        with self._connection.transaction() as db:
            key = (destination.endpoint, destination.repo_type, destination.repo_id, destination.revision)
            db.execute(
                "INSERT OR IGNORE INTO destination (endpoint, repo_type, repo_id, revision) VALUES (?, ?, ?, ?)", key
            )
            (destination_id,) = db.execute(
                "SELECT id FROM destination WHERE (endpoint, repo_type, repo_id, revision) = (?, ?, ?, ?)", key
            ).fetchone()
            where = (destination_id, os.fsencode(source), mapping)
            db.execute("INSERT OR IGNORE INTO root (destination_id, source, prefix) VALUES (?, ?, ?)", where)
            (root_id,) = db.execute(
                "SELECT id FROM root WHERE (destination_id, source, prefix) = (?, ?, ?)", where
            ).fetchone()
        return Root(root_id, destination_id, _is_mapped(mapping))

    def known(self, destination: Destination, source: str, mapping: str) -> Root | None:
        """The row of a root if there is one; for those who only read."""
        row = self._connection.row(
            "SELECT root.id, destination.id FROM root JOIN destination ON destination.id = destination_id WHERE"
            " (endpoint, repo_type, repo_id, revision, source, prefix) = (?, ?, ?, ?, ?, ?)",
            (destination.endpoint, destination.repo_type, destination.repo_id, destination.revision,
             os.fsencode(source), mapping),
        )  # fmt: skip
        return Root(row[0], row[1], _is_mapped(mapping)) if row is not None else None

    def generation(self, root: Root, device: int, inode: int) -> int:
        """A number for this incarnation of the root; the same directory always has the same one."""
        key = (root.id, signed(device), signed(inode))
        with self._connection.transaction() as db:
            db.execute("INSERT OR IGNORE INTO incarnation (root_id, device, inode) VALUES (?, ?, ?)", key)
            (generation,) = db.execute(
                "SELECT generation FROM incarnation WHERE (root_id, device, inode) = (?, ?, ?)", key
            ).fetchone()
        return int(generation)

    def known_generation(self, root: Root, device: int, inode: int) -> int | None:
        """The number of this incarnation of the root, if it was ever seen."""
        row = self._connection.row(
            "SELECT generation FROM incarnation WHERE (root_id, device, inode) = (?, ?, ?)",
            (root.id, signed(device), signed(inode)),
        )
        return int(row[0]) if row is not None else None

    def head(self, root: Root) -> str | None:
        """The commit up to which the branch was seen to hold nothing unknown; None when its rows are to be compared."""
        (head,) = self._connection.row("SELECT head FROM destination WHERE id = ?", (root.destination_id,))
        return str(head) if head is not None else None

    def see_head(self, root: Root, head: str) -> None:
        """Remember the branch's head: the root's rows have been compared with it, or all since the last one is ours."""
        with self._connection.transaction() as db:
            db.execute("UPDATE destination SET head = ? WHERE id = ?", (head, root.destination_id))

    def doubt_head(self, root: Root) -> None:
        """Somebody else committed: the rows are to be compared with the branch, whatever is committed until then."""
        with self._connection.transaction() as db:
            db.execute("UPDATE destination SET head = NULL WHERE id = ?", (root.destination_id,))


def _is_mapped(mapping: str) -> bool:
    return mapping.startswith("/")  # as mapping.Mapping.key says
