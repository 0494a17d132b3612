"""What shards have told: how files are put together, and which chunks are in which xorb."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .shards import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import Database
    from .shards import FileInfo, XorbInfo


@dataclass(frozen=True, slots=True)
class XetIndex:
    """A method is a transaction, safe from any thread."""

    _db: Database

    def add(self, files: Sequence[FileInfo], xorbs: Sequence[XorbInfo]) -> None:
        """What a shard tells: how files are put together, and which chunks are in which xorb."""
        with self._db.transaction() as db:
            for file in files:
                rows = json.dumps([[each.xorb, each.first, each.last, each.size_bytes] for each in file.segments])
                db.execute("INSERT OR REPLACE INTO xet_file VALUES (?, ?, ?)", (file.sha256, file.hash, rows))
            for xorb in xorbs:
                db.execute("INSERT OR IGNORE INTO xorb (hash, record) VALUES (?, ?)", (xorb.hash, xorb.record))
                db.executemany(
                    "INSERT OR IGNORE INTO chunk SELECT ?, id FROM xorb WHERE hash = ?",
                    [(chunk, xorb.hash) for chunk in xorb.chunks],
                )

    def xorb_with(self, chunk: str) -> bytes | None:
        """The record of a xorb that holds this chunk, if there is one."""
        rows = self._db.rows("SELECT record FROM chunk JOIN xorb ON xorb.id = xorb_id WHERE chunk.hash = ?", chunk)
        return bytes(rows[0][0]) if rows else None  # type: ignore[call-overload]

    def hash_of(self, sha256: str) -> str | None:
        """The Xet hash of a file, if a shard has spoken of it."""
        rows = self._db.rows("SELECT hash FROM xet_file WHERE sha256 = ?", sha256)
        return str(rows[0][0]) if rows else None

    def segments(self, xet_hash: str) -> list[Segment] | None:
        """What the file with this Xet hash is put together from, if a shard has said it."""
        rows = self._db.rows("SELECT segments FROM xet_file WHERE hash = ?", xet_hash)
        return [Segment(*row) for row in json.loads(str(rows[0][0]))] if rows else None
