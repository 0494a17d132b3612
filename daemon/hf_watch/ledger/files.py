"""What the Hub is known to hold of each path, and what it may hold of those in doubt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hf_watch.ledger import deletes, quarantine
from hf_watch.ledger.rows import columns, fingerprint, joined, split
from hf_watch.model import Digest, Known

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from hf_watch.ledger.connection import Connection
    from hf_watch.ledger.rows import Intended, Recorded, Root

_KNOWN = "name, repo_path, inode, size_bytes, mtime_ns, ctime_ns, sha256, git_sha1, generation"

REMEMBER_ALL = (  # before a digest goes, its content becomes a candidate
    "INSERT OR IGNORE INTO candidate (root_id, dir, name, sha256, git_sha1, repo_path)"
    " SELECT root_id, dir, name, sha256, git_sha1, repo_path FROM file"
)
_REMEMBER = REMEMBER_ALL + " WHERE (root_id, dir, name) = (?, ?, ?) AND sha256 IS NOT NULL"

# The batch that put a file there stays with its row for as long as the content does.
_RECORD_AGAIN = (
    "ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in (*_KNOWN.split(", ")[1:], "is_mapped"))
    + ", batch = CASE WHEN coalesce(file.sha256, excluded.sha256) = excluded.sha256 THEN file.batch END"
)


class Files:
    """The tables `file` and `candidate`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, root: Root, path: str) -> Known | None:
        """What is known of one path."""
        row = self._connection.row(
            f"SELECT {_KNOWN} FROM file WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *split(path))
        )
        return _known(row[1:]) if row is not None else None

    def directory(self, root: Root, directory: str) -> dict[str, Known]:
        """What is known of the files directly in a directory, by name."""
        rows = self._connection.rows(
            f"SELECT {_KNOWN} FROM file WHERE (root_id, dir) = (?, ?)", (root.id, os.fsencode(directory))
        )
        return {os.fsdecode(row[0]): _known(row[1:]) for row in rows}

    def directories(self, root: Root, below: str) -> Iterator[str]:
        """The directories with known files, `below` itself first if it has any, one query each: nothing is held."""
        top = os.fsencode(below)
        if below and self._first_directory(root, ">=", top) == top:
            yield below
        directory = self._first_directory(root, ">=", top + b"/" if below else b"")
        while directory is not None and (not below or directory.startswith(top + b"/")):
            yield os.fsdecode(directory)
            directory = self._first_directory(root, ">", directory)

    def has_below(self, root: Root, directory: str) -> bool:
        """Whether any file is known below a directory."""
        return next(self.directories(root, directory), None) is not None

    def _first_directory(self, root: Root, relation: str, directory: bytes) -> bytes | None:
        row = self._connection.row(
            f"SELECT dir FROM file WHERE root_id = ? AND dir {relation} ? ORDER BY dir LIMIT 1", (root.id, directory)
        )
        return row[0] if row is not None else None

    def count(self, root: Root) -> int:
        """How many paths are known."""
        return self._count("root_id = ?", root.id)

    def count_in(self, destination_id: int) -> int:
        """How many paths are known of all roots of a destination."""
        return self._count("root_id IN (SELECT id FROM root WHERE destination_id = ?)", destination_id)

    def count_beside(self, root: Root, path: str, folder: str) -> int:
        """How many files of a root are known in the folder of the repo that `path` goes to."""
        if not root.is_mapped:
            return self._count("(root_id, dir) = (?, ?)", root.id, split(path)[0])
        return self._count(
            "is_mapped AND root_id = ?1 AND repo_path >= ?2"
            " AND repo_path < ?2 || char(1114111) AND instr(substr(repo_path, length(?2) + 1), '/') = 0",
            root.id,
            f"{folder}/" if folder else "",
        )

    def _count(self, where: str, *values: object) -> int:
        (count,) = self._connection.row(f"SELECT count(*) FROM file WHERE {where}", values)
        return int(count)

    def candidates(self, root: Root, path: str) -> list[Digest]:
        """Every content that we may have put at a path in doubt."""
        rows = self._connection.rows(
            "SELECT sha256, git_sha1 FROM candidate WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *split(path))
        )
        return [Digest(sha256, git_sha1) for sha256, git_sha1 in rows]

    def places(self, root: Root, path: str) -> list[str]:
        """Every repo path that we may have put a path in doubt at."""
        rows = self._connection.rows(
            "SELECT DISTINCT repo_path FROM candidate WHERE (root_id, dir, name) = (?, ?, ?)"
            " AND repo_path IS NOT NULL ORDER BY repo_path",
            (root.id, *split(path)),
        )
        return [str(repo_path) for (repo_path,) in rows]

    def place_of(self, root: Root, path: str, sha256: bytes) -> str | None:
        """Where this content of a path was put, or was to be put, when it was last read."""
        row = self._connection.row(
            "SELECT repo_path FROM file WHERE (root_id, dir, name, sha256) = (?, ?, ?, ?) UNION ALL"
            " SELECT repo_path FROM candidate WHERE (root_id, dir, name, sha256) = (?, ?, ?, ?)",
            (root.id, *split(path), sha256) * 2,
        )
        return row[0] if row is not None else None

    def mapped_to(self, root: Root, repo_path: str) -> list[str]:
        """The paths of a root with a template that are at a repo path."""
        rows = self._connection.rows(
            "SELECT dir, name FROM file WHERE is_mapped AND repo_path = ? AND root_id = ?", (repo_path, root.id)
        )
        return [joined(*row) for row in rows]

    def doubt(self, root: Root, path: str) -> None:
        """What the Hub holds of a path is not certain any more."""
        with self._connection.transaction() as db:
            key = (root.id, *split(path))
            db.execute(_REMEMBER, key)
            db.execute("UPDATE file SET sha256 = NULL, git_sha1 = NULL WHERE (root_id, dir, name) = (?, ?, ?)", key)

    def record(self, root: Root, recorded: Sequence[Recorded], forgotten: Iterable[str] = ()) -> None:
        """The Hub is known to hold `recorded`, and nothing of ours any more at the `forgotten` paths."""
        keys = [(root.id, *split(each.path)) for each in recorded]
        gone = [(root.id, *split(path)) for path in forgotten]
        rows = [
            (*key, each.repo_path, *columns(each.fingerprint), each.digest.sha256, each.digest.git_sha1,
             each.generation, root.is_mapped)
            for key, each in zip(keys, recorded, strict=True)
        ]  # fmt: skip
        with self._connection.transaction() as db:
            db.executemany(
                f"INSERT INTO file (root_id, dir, {_KNOWN}, is_mapped)"
                f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {_RECORD_AGAIN}",
                rows,
            )
            db.executemany("DELETE FROM file WHERE (root_id, dir, name) = (?, ?, ?)", gone)
            db.executemany("DELETE FROM candidate WHERE (root_id, dir, name) = (?, ?, ?)", keys + gone)
            quarantine.release(db, keys + gone)
            deletes.drop(db, keys + gone)

    def seen_in(self, root: Root, directory: str, names: Iterable[str], generation: int) -> None:
        """Unchanged files were seen in this incarnation of the root."""
        with self._connection.transaction() as db:
            db.executemany(
                "UPDATE file SET generation = ? WHERE (root_id, dir, name) = (?, ?, ?)",
                [(generation, root.id, os.fsencode(directory), os.fsencode(name)) for name in names],
            )


def intend(db: sqlite3.Connection, batch: int, intended: Sequence[Intended]) -> None:
    """Put paths in doubt, as a part of the transaction that intends the batch with this number."""
    keyed = [((each.root.id, *split(each.path)), each) for each in intended]
    db.executemany(_REMEMBER, [key for key, _ in keyed])
    db.executemany(
        "INSERT OR IGNORE INTO candidate (root_id, dir, name, sha256, git_sha1, repo_path) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (*key, each.digest.sha256, each.digest.git_sha1, each.repo_path)
            for key, each in keyed
            if each.digest is not None
        ],
    )
    db.executemany(
        "INSERT INTO file (root_id, dir, name, repo_path, generation, is_mapped, batch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET repo_path = excluded.repo_path, sha256 = NULL, git_sha1 = NULL, batch = excluded.batch",
        [(*key, each.repo_path, each.generation, each.root.is_mapped, batch) for key, each in keyed],
    )


def _known(
    row: tuple[str, int | None, int | None, int | None, int | None, bytes | None, bytes | None, int],
) -> Known:
    repo_path, inode, size_bytes, mtime_ns, ctime_ns, sha256, git_sha1, generation = row
    digest = Digest(sha256, git_sha1) if sha256 is not None else None
    return Known(repo_path, fingerprint(inode, size_bytes, mtime_ns, ctime_ns), digest, generation)
