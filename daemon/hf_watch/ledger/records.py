"""The ledger for those who only read it while workers write: files, quarantine and commits, by the page.

A connection is opened for each look and closed after it: it holds no memory at rest, waits for no writer (the ledger is
a WAL), and follows when a corrupt ledger is set aside. Where there is no ledger, nothing is recorded.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hf_watch.errors import LedgerError
from hf_watch.ledger.rows import DeleteState, joined, split

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hf_watch.model import Destination

BEYOND = b"\xff" * 4_097  # no path is as long
PATIENCE_S = 1.0  # for a log that is being recovered; nothing else makes a reader wait

_OF_DESTINATION = "SELECT id FROM destination WHERE (endpoint, repo_type, repo_id, revision) = (?, ?, ?, ?)"
_OF_ROOT = f"SELECT id FROM root WHERE destination_id = ({_OF_DESTINATION}) AND (source, prefix) = (?, ?)"


@dataclass(frozen=True, slots=True)
class Aside:
    """A path in quarantine, since `at_s` of the wall clock."""

    path: str
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Held:
    """A path whose content the Hub is known to hold. `made`: by which commit of ours, if that is remembered."""

    path: str
    repo_path: str
    size_bytes: int | None
    sha256: bytes
    made: Made | None


@dataclass(frozen=True, slots=True)
class Made:
    """A commit that the Hub answered for, sent at `at_s` of the wall clock."""

    commit: str
    at_s: float
    files: int
    size_bytes: int


class Records:
    """An open look; methods raise LedgerError when the ledger cannot be read."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def count_aside(self, destination: Destination, source: str, prefix: str, *, besides: str) -> int:
        """How many paths of a root are in quarantine for another reason than `besides`."""
        rows = self._rows(
            f"SELECT count(*) FROM quarantine WHERE root_id = ({_OF_ROOT}) AND reason != ?",
            (*_key(destination), os.fsencode(source), prefix, besides),
        )
        return sum(int(count) for (count,) in rows)

    def aside(
        self, destination: Destination, source: str, prefix: str, *, within: str = "", after: str = "", limit: int
    ) -> list[Aside]:
        """The paths of a root that are in quarantine, in a fixed order, from the one behind `after` on.

        `within`: only this file, or what is below this directory.
        """
        rows = self._page(
            "SELECT dir, name, reason, at_s FROM quarantine AS row WHERE", (destination, source, prefix), within, after,
            limit,
        )  # fmt: skip
        return [Aside(joined(d, n), reason, at_s) for d, n, reason, at_s in rows]

    def latest_aside(
        self, destination: Destination, source: str, prefix: str, *, besides: str, limit: int
    ) -> list[Aside]:
        """The paths of a root that went to quarantine last, for another reason than `besides`, the newest first."""
        rows = self._rows(
            f"SELECT dir, name, reason, at_s FROM quarantine WHERE root_id = ({_OF_ROOT}) AND reason != ?"
            " ORDER BY at_s DESC, dir, name LIMIT ?",
            (*_key(destination), os.fsencode(source), prefix, besides, limit),
        )
        return [Aside(joined(d, n), reason, at_s) for d, n, reason, at_s in rows]

    def held(
        self, destination: Destination, source: str, prefix: str, *, within: str = "", after: str = "", limit: int
    ) -> list[Held]:
        """The paths of a root that the Hub is known to hold, as `aside` lists its own."""
        rows = self._page(
            "SELECT dir, name, repo_path, size_bytes, sha256, commit_id, at_s, files, bytes FROM file AS row"
            " LEFT JOIN batch ON batch.number = row.batch WHERE sha256 IS NOT NULL AND",
            (destination, source, prefix), within, after, limit,
        )  # fmt: skip
        return [
            Held(
                joined(d, n), repo_path, size_bytes, sha256,
                None if made[0] is None else Made(*made),
            )
            for d, n, repo_path, size_bytes, sha256, *made in rows
        ]  # fmt: skip

    def delete_state(self, destination: Destination, source: str, prefix: str, path: str) -> DeleteState | None:
        """What was written down of a path that is missing, if anything was."""
        rows = self._rows(
            f"SELECT state FROM missing WHERE root_id = ({_OF_ROOT}) AND (dir, name) = (?, ?)",
            (*_key(destination), os.fsencode(source), prefix, *split(path)),
        )
        return DeleteState(rows[0][0]) if rows else None

    def _page(
        self, select: str, root: tuple[Destination, str, str], within: str, after: str, limit: int
    ) -> list[tuple[Any, ...]]:
        destination, source, prefix = root
        directory, name = split(after)
        behind = (directory, name + b"\0")
        rows: list[tuple[Any, ...]] = []
        for first, end in _spans(within):
            rows += self._rows(
                f"{select} root_id = ({_OF_ROOT}) AND (dir, name) >= (?, ?) AND (dir, name) < (?, ?)"
                " ORDER BY dir, name LIMIT ?",
                (*_key(destination), os.fsencode(source), prefix, *max(first, behind), *end, limit - len(rows)),
            )
        return rows

    def commits(self, destination: Destination, limit: int) -> list[Made]:
        """The latest commits to a branch, the newest first."""
        rows = self._rows(
            f"SELECT commit_id, at_s, files, bytes FROM batch WHERE destination_id = ({_OF_DESTINATION})"
            " AND commit_id IS NOT NULL ORDER BY at_s DESC LIMIT ?",
            (*_key(destination), limit),
        )
        return [Made(*row) for row in rows]

    def latest(self, destination: Destination, source: str, prefix: str) -> Made | None:
        """The latest commit with something of a root."""
        rows = self._rows(
            "SELECT commit_id, at_s, batch.files, bytes FROM part JOIN batch ON number = batch"
            f" WHERE root_id = ({_OF_ROOT}) AND commit_id IS NOT NULL ORDER BY batch DESC LIMIT 1",
            (*_key(destination), os.fsencode(source), prefix),
        )
        return Made(*rows[0]) if rows else None

    def published_since(self, destination: Destination, source: str, prefix: str, at_s: float) -> int:
        """How many files of a root the commits since then put on the Hub."""
        rows = self._rows(
            "SELECT total(part.files) FROM part JOIN batch ON number = batch"
            f" WHERE root_id = ({_OF_ROOT}) AND batch >= (SELECT min(number) FROM batch WHERE at_s >= ?)"
            " AND at_s >= ? AND commit_id IS NOT NULL",
            (*_key(destination), os.fsencode(source), prefix, at_s, at_s),
        )
        return sum(int(files) for (files,) in rows)

    def made_since(self, at_s: float) -> list[Made]:
        """The commits to any destination since then, with the files that each put on the Hub."""
        rows = self._rows(
            "SELECT commit_id, at_s, total(part.files), bytes FROM part JOIN batch ON number = batch"
            " WHERE root_id IN (SELECT id FROM root) AND batch >= (SELECT min(number) FROM batch WHERE at_s >= ?)"
            " AND at_s >= ? AND commit_id IS NOT NULL GROUP BY batch",
            (at_s, at_s),
        )
        return [Made(commit, made_at_s, int(files), size_bytes) for commit, made_at_s, files, size_bytes in rows]

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(error) from error


@contextmanager
def looked_into(ledger: Path) -> Iterator[Records]:
    """Open the ledger at this path for a moment; LedgerError when it cannot be opened."""
    try:
        connection = _connect(ledger)
    except sqlite3.Error as error:
        if ledger.exists():
            raise _unreadable(error) from error
        yield Records(None)
        return
    with closing(connection):
        yield Records(connection)


def _spans(within: str) -> Iterator[tuple[tuple[bytes, bytes], tuple[bytes, bytes]]]:
    """Where the rows lie of a file, or of all below a directory: ranges of (dir, name), the second end not in it.

    A directory's rows lie together; those of its sub-directories do, too, but not right behind it.
    """
    if not within:
        yield (b"", b""), (BEYOND, b"")
        return
    (parent, name), top = split(within), os.fsencode(within)
    yield (parent, name), (parent, name + b"\0")
    yield (top, b""), (top + b"\0", b"")
    yield (top + b"/", b""), (top + b"0", b"")  # 0 comes right behind /


def _connect(ledger: Path) -> sqlite3.Connection:
    uri = f"{ledger.absolute().as_uri()}?mode=rw"  # a reader of a WAL needs its index writable; makes no file
    return sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None)


def _unreadable(error: sqlite3.Error) -> LedgerError:
    return LedgerError(f"the ledger cannot be read: {error}")


def _key(destination: Destination) -> tuple[str, str, str, str]:
    return destination.endpoint, destination.repo_type, destination.repo_id, destination.revision
