"""What the Hub is known to hold: one SQLite file in the state directory.

A row of `file` with a digest vouches that the Hub holds that content at `repo_path`. Before a commit its rows lose
their digest (they are in doubt) and every content that the Hub may hold afterwards is noted as a candidate; only an
answer of the Hub gives a digest back. Paths are bytes: a name need not be UTF-8. A directory's rows lie together, so
that a scan reads one directory at a time.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from hf_watch.errors import CorruptLedgerError, LedgerError
from hf_watch.ledger_file import LOCK_TIMEOUT_S, LedgerFile, door
from hf_watch.model import Digest, Fingerprint, Known
from hf_watch.paths import join

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from hf_watch.model import Destination, RemoteFile

REMOTE_FILES_AT_A_TIME = 1_000  # written down while more of them are asked for
QUARANTINE_S = 24 * 3600.0
KEPT_COMMITS = 10_000  # what `history` can show; older ones go
FREE_SHARE = 4  # more than a quarter of the file unused: some of it is given back
FREED_PAGES = 4_096  # at a time, 16 MB: a tenth of a second


@dataclass(frozen=True, slots=True)
class Root:
    """One watched root bound to a destination and a mapping, as the ledger keys it."""

    id: int
    destination_id: int
    is_mapped: bool  # by a template: its rows are looked up by repo path, too


@dataclass(frozen=True, slots=True)
class Recorded:
    """One file that the Hub is now known to hold. Without a `fingerprint` it is read again before it is skipped."""

    path: str
    repo_path: str
    fingerprint: Fingerprint | None
    digest: Digest
    generation: int


@dataclass(frozen=True, slots=True)
class Intended:
    """One operation about to be committed: the content to be put at the path, or None for a delete."""

    root: Root
    path: str
    repo_path: str
    digest: Digest | None
    generation: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """A path in quarantine, and the file it was then."""

    path: str
    fingerprint: Fingerprint | None
    reason: str
    at_s: float
    repo_path: str | None = None  # another file has it, too: looked at anew whenever one of the two changes


class DeleteState(Enum):
    """What is to become of a file that is known to the Hub and missing here, where there are more than a few."""

    NOTED = "noted"  # not decided yet
    HELD = "held"  # too many: a person must confirm it
    CONFIRMED = "confirmed"  # to be deleted


class Ledger:
    """One connection, used by one thread at a time. A method is a transaction.

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
    ) -> None:
        self._file = LedgerFile(file, lock_timeout_s)
        self._wall_clock = wall_clock
        self._read_only = read_only
        self._is_corrupt = False
        self._inode: int | None = None
        self._connection: sqlite3.Connection

    def open(self) -> Self:
        """Open or create the file; LedgerError, or ConfigError when a newer hf-watch wrote it."""
        self._connection = self._file.read() if self._read_only else self._file.connect()
        self._inode = self._file.inode()
        return self

    def reopen(self) -> None:
        """Begin anew after an error, with a new file where the old one was corrupt or is gone."""
        self._connection.close()
        if self._is_corrupt:
            self._file.set_aside(self._inode, "it holds no ledger any more")
            self._is_corrupt = False
        self.open()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def root(self, destination: Destination, source: str, mapping: str) -> Root:
        """The row of a root with a mapping's key, made if it is new."""
        with self._transaction() as db:
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

    def generation(self, root: Root, device: int, inode: int) -> int:
        """A number for this incarnation of the root; the same directory always has the same one."""
        key = (root.id, _signed(device), _signed(inode))
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO incarnation (root_id, device, inode) VALUES (?, ?, ?)", key)
            (generation,) = db.execute(
                "SELECT generation FROM incarnation WHERE (root_id, device, inode) = (?, ?, ?)", key
            ).fetchone()
        return int(generation)

    def known_root(self, destination: Destination, source: str, mapping: str) -> Root | None:
        """The row of a root if there is one; for those who only read."""
        row = self._row(
            "SELECT root.id, destination.id FROM root JOIN destination ON destination.id = destination_id WHERE"
            " (endpoint, repo_type, repo_id, revision, source, prefix) = (?, ?, ?, ?, ?, ?)",
            (destination.endpoint, destination.repo_type, destination.repo_id, destination.revision,
             os.fsencode(source), mapping),
        )  # fmt: skip
        return Root(row[0], row[1], _is_mapped(mapping)) if row is not None else None

    def known_generation(self, root: Root, device: int, inode: int) -> int | None:
        """The number of this incarnation of the root, if it was ever seen."""
        row = self._row(
            "SELECT generation FROM incarnation WHERE (root_id, device, inode) = (?, ?, ?)",
            (root.id, _signed(device), _signed(inode)),
        )
        return int(row[0]) if row is not None else None

    def head(self, root: Root) -> str | None:
        """The branch's head as it was last seen or made."""
        (head,) = self._row("SELECT head FROM destination WHERE id = ?", (root.destination_id,))
        return str(head) if head is not None else None

    def see_head(self, root: Root, head: str) -> None:
        """Remember the branch's head: the root's rows have been compared with it, or were committed in it."""
        with self._transaction() as db:
            db.execute("UPDATE destination SET head = ? WHERE id = ?", (head, root.destination_id))

    def known(self, root: Root, path: str) -> Known | None:
        """What is known of one path."""
        directory, name = _split(path)
        row = self._row(f"SELECT {_KNOWN} FROM file WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, directory, name))
        return _known(row[1:]) if row is not None else None

    def directory(self, root: Root, directory: str) -> dict[str, Known]:
        """What is known of the files directly in a directory, by name."""
        rows = self._rows(f"SELECT {_KNOWN} FROM file WHERE (root_id, dir) = (?, ?)", (root.id, os.fsencode(directory)))
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
        row = self._row(
            f"SELECT dir FROM file WHERE root_id = ? AND dir {relation} ? ORDER BY dir LIMIT 1", (root.id, directory)
        )
        return row[0] if row is not None else None

    def count(self, root: Root) -> int:
        """How many paths are known."""
        return int(self._row("SELECT count(*) FROM file WHERE root_id = ?", (root.id,))[0])

    def count_in(self, destination_id: int) -> int:
        """How many paths are known of all roots of a destination."""
        return int(
            self._row(
                "SELECT count(*) FROM file WHERE root_id IN (SELECT id FROM root WHERE destination_id = ?)",
                (destination_id,),
            )[0]
        )

    def count_beside(self, root: Root, path: str, folder: str) -> int:
        """How many files of a root are known in the folder of the repo that `path` goes to."""
        if not root.is_mapped:
            values = (root.id, _split(path)[0])
            return int(self._row("SELECT count(*) FROM file WHERE (root_id, dir) = (?, ?)", values)[0])
        above = f"{folder}/" if folder else ""
        return int(
            self._row(
                "SELECT count(*) FROM file WHERE is_mapped AND root_id = ?1 AND repo_path >= ?2"
                " AND repo_path < ?2 || char(1114111) AND instr(substr(repo_path, length(?2) + 1), '/') = 0",
                (root.id, above),
            )[0]
        )

    def candidates(self, root: Root, path: str) -> list[Digest]:
        """Every content that we may have put at a path in doubt."""
        rows = self._rows(
            "SELECT sha256, git_sha1 FROM candidate WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *_split(path))
        )
        return [Digest(sha256, git_sha1) for sha256, git_sha1 in rows]

    def places(self, root: Root, path: str) -> list[str]:
        """Every repo path that we may have put a path in doubt at."""
        rows = self._rows(
            "SELECT DISTINCT repo_path FROM candidate WHERE (root_id, dir, name) = (?, ?, ?)"
            " AND repo_path IS NOT NULL ORDER BY repo_path",
            (root.id, *_split(path)),
        )
        return [str(repo_path) for (repo_path,) in rows]

    def place_of(self, root: Root, path: str, sha256: bytes) -> str | None:
        """Where this content of a path was put, or was to be put, when it was last read."""
        row = self._row(
            "SELECT repo_path FROM file WHERE (root_id, dir, name, sha256) = (?, ?, ?, ?) UNION ALL"
            " SELECT repo_path FROM candidate WHERE (root_id, dir, name, sha256) = (?, ?, ?, ?)",
            (root.id, *_split(path), sha256) * 2,
        )
        return row[0] if row is not None else None

    def mapped_to(self, root: Root, repo_path: str) -> list[str]:
        """The paths of a root with a template that are, or would be if they did not clash, at a repo path."""
        rows = self._rows(
            "SELECT dir, name FROM file WHERE is_mapped AND repo_path = ?1 AND root_id = ?2 UNION"
            " SELECT dir, name FROM quarantine WHERE repo_path = ?1 AND root_id = ?2",
            (repo_path, root.id),
        )
        return [join(os.fsdecode(directory), os.fsdecode(name)) for directory, name in rows]

    def doubt(self, root: Root, path: str) -> None:
        """What the Hub holds of a path is not certain any more."""
        with self._transaction() as db:
            key = (root.id, *_split(path))
            db.execute(_REMEMBER, key)
            db.execute("UPDATE file SET sha256 = NULL, git_sha1 = NULL WHERE (root_id, dir, name) = (?, ?, ?)", key)

    def intend(self, batch_id: str, destination_id: int, intended: Sequence[Intended], size_bytes: int) -> None:
        """Put the paths of a batch in doubt, durably, before it is committed."""
        with self._transaction() as db:
            (number,) = db.execute(
                "INSERT INTO batch (id, destination_id, at_s, files, bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET at_s = excluded.at_s, files = excluded.files, bytes = excluded.bytes RETURNING number",
                (batch_id, destination_id, self._wall_clock(), len(intended), size_bytes),
            ).fetchone()
            uploads = Counter(each.root.id for each in intended if each.digest is not None)
            parts = [(root_id, number, uploads[root_id]) for root_id in {each.root.id for each in intended}]
            db.executemany("INSERT OR REPLACE INTO part (root_id, batch, files) VALUES (?, ?, ?)", parts)
            keys = [(each.root.id, *_split(each.path)) for each in intended]
            db.executemany(_REMEMBER, keys)
            db.executemany(
                "INSERT OR IGNORE INTO candidate (root_id, dir, name, sha256, git_sha1, repo_path)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (*key, each.digest.sha256, each.digest.git_sha1, each.repo_path)
                    for key, each in zip(keys, intended, strict=True)
                    if each.digest is not None
                ],
            )
            db.executemany(
                "INSERT INTO file (root_id, dir, name, repo_path, generation, is_mapped, batch)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET repo_path = excluded.repo_path, sha256 = NULL, git_sha1 = NULL, batch = excluded.batch",
                [
                    (*key, each.repo_path, each.generation, each.root.is_mapped, number)
                    for key, each in zip(keys, intended, strict=True)
                ],
            )

    def record(
        self,
        root: Root,
        recorded: Sequence[Recorded],
        forgotten: Iterable[str] = (),
    ) -> None:
        """The Hub is known to hold `recorded`, and nothing of ours any more at the `forgotten` paths."""
        with self._transaction() as db:
            keys = [(root.id, *_split(each.path)) for each in recorded]
            db.executemany(
                f"INSERT INTO file (root_id, dir, {_KNOWN}, is_mapped)"
                f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {_RECORD_AGAIN}",
                [
                    (*key, each.repo_path, *_columns(each.fingerprint), each.digest.sha256, each.digest.git_sha1,
                     each.generation, root.is_mapped)
                    for key, each in zip(keys, recorded, strict=True)
                ],
            )  # fmt: skip
            gone = [(root.id, *_split(path)) for path in forgotten]
            db.executemany("DELETE FROM file WHERE (root_id, dir, name) = (?, ?, ?)", gone)
            for table in ("candidate", "quarantine", "missing"):
                db.executemany(f"DELETE FROM {table} WHERE (root_id, dir, name) = (?, ?, ?)", keys + gone)

    def recorded_batch(self, batch_id: str, root: Root, commit: str | None, head: str) -> None:
        """A batch was answered: it is no open intent any more, and the branch's head is known."""
        with self._transaction() as db:
            if commit is None:
                db.execute("DELETE FROM batch WHERE id = ?", (batch_id,))
            else:
                db.execute("UPDATE batch SET commit_id = ? WHERE id = ?", (commit, batch_id))
            db.execute("UPDATE destination SET head = ? WHERE id = ?", (head, root.destination_id))
            _forget_commits(db)

    def found_batch(self, batch_id: str, commit: str) -> None:
        """A batch whose answer was lost was found on the Hub."""
        with self._transaction() as db:
            db.execute("UPDATE batch SET commit_id = ? WHERE id = ?", (commit, batch_id))

    def open_batches(self, root: Root) -> list[str]:
        """The batches of the destination that were intended and never answered, oldest first."""
        rows = self._rows(
            "SELECT id FROM batch WHERE destination_id = ? AND commit_id IS NULL ORDER BY at_s", (root.destination_id,)
        )
        return [str(batch_id) for (batch_id,) in rows]

    def dropped_batch(self, batch_id: str) -> None:
        """A batch was refused for good: it is no open intent any more. Its paths stay in doubt until settled again."""
        with self._transaction() as db:
            db.execute("DELETE FROM batch WHERE id = ? AND commit_id IS NULL", (batch_id,))

    def commits_since(self, endpoint: str, since_s: float) -> list[float]:
        """The wall-clock times of the commits made on an endpoint, oldest first, for its hourly budget.

        A batch that was never answered counts: the Hub may have counted it.
        """
        rows = self._rows(
            "SELECT at_s FROM batch JOIN destination ON destination.id = destination_id"
            " WHERE endpoint = ? AND at_s >= ? ORDER BY at_s",
            (endpoint, since_s),
        )
        return [float(at_s) for (at_s,) in rows]

    def seen_in(self, root: Root, directory: str, names: Iterable[str], generation: int) -> None:
        """Unchanged files were seen in this incarnation of the root."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE file SET generation = ? WHERE (root_id, dir, name) = (?, ?, ?)",
                [(generation, root.id, os.fsencode(directory), os.fsencode(name)) for name in names],
            )

    def note_deletes(self, root: Root, paths: Iterable[str]) -> None:
        """Write down that these are missing; what is written down of them already stays."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO missing VALUES (?, ?, ?, ?)",
                [(root.id, *_split(path), DeleteState.NOTED.value) for path in paths],
            )

    def settle_deletes(self, root: Root, old: DeleteState, new: DeleteState) -> None:
        """Decide about all deletes in one state."""
        with self._transaction() as db:
            db.execute("UPDATE missing SET state = ? WHERE root_id = ? AND state = ?", (new.value, root.id, old.value))

    def drop_deletes(self, root: Root, paths: Iterable[str]) -> None:
        """These are not missing any more."""
        with self._transaction() as db:
            db.executemany(
                "DELETE FROM missing WHERE (root_id, dir, name) = (?, ?, ?)",
                [(root.id, *_split(path)) for path in paths],
            )

    def delete_state(self, root: Root, path: str) -> DeleteState | None:
        """What was written down of a missing path, if anything was."""
        row = self._row("SELECT state FROM missing WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *_split(path)))
        return DeleteState(row[0]) if row is not None else None

    def count_deletes(self, root: Root, state: DeleteState) -> int:
        """How many deletes are in a state."""
        return int(self._row("SELECT count(*) FROM missing WHERE (root_id, state) = (?, ?)", (root.id, state.value))[0])

    def deletes(self, root: Root, state: DeleteState) -> list[str]:
        """The paths in a state."""
        rows = self._rows("SELECT dir, name FROM missing WHERE (root_id, state) = (?, ?)", (root.id, state.value))
        return [join(os.fsdecode(directory), os.fsdecode(name)) for directory, name in rows]

    def first_delete(self, root: Root, state: DeleteState) -> str | None:
        """One of the paths in a state."""
        row = self._row("SELECT dir, name FROM missing WHERE (root_id, state) = (?, ?) LIMIT 1", (root.id, state.value))
        return join(os.fsdecode(row[0]), os.fsdecode(row[1])) if row is not None else None

    def set_aside(
        self, root: Root, path: str, fingerprint: Fingerprint | None, reason: str, repo_path: str | None = None
    ) -> None:
        """Put a path in quarantine until its fingerprint changes; `repo_path`: where it clashes with another one."""
        columns = _columns(fingerprint)
        with self._transaction() as db:
            db.execute(
                f"INSERT OR REPLACE INTO quarantine (root_id, {_ASIDE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (root.id, *_split(path), *columns, reason, self._wall_clock(), repo_path),
            )

    def aside(self, root: Root, path: str) -> SetAside | None:
        """A path's place in quarantine, if it has one, however old and whatever the file is by now."""
        row = self._row(
            f"SELECT {_ASIDE} FROM quarantine WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *_split(path))
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

    def quarantined(self, root: Root) -> Iterator[SetAside]:
        """Everything in quarantine below a root."""
        for row in self._rows(f"SELECT {_ASIDE} FROM quarantine WHERE root_id = ?", (root.id,)):
            yield _set_aside(row)

    def release(self, root: Root, paths: Iterable[str]) -> None:
        """Take paths out of quarantine."""
        with self._transaction() as db:
            db.executemany(
                "DELETE FROM quarantine WHERE (root_id, dir, name) = (?, ?, ?)",
                [(root.id, *_split(path)) for path in paths],
            )

    def give_back_space(self) -> None:
        """Shrink the file by a bounded step when much of it is unused, as it is after a large tree went."""
        (free,), (pages,) = self._row("PRAGMA freelist_count"), self._row("PRAGMA page_count")
        if free * FREE_SHARE > pages:
            with self._door():
                self._connection.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")  # execute frees one page

    def doubt_unlike(self, root: Root, remote: Iterable[RemoteFile]) -> int:
        """Compare all that is known below a root with all that its repo holds there, by repo path.

        What the Hub does not hold as recorded is put in doubt. Returns how many paths that were. The remote files are
        consumed in one pass and kept on disk, not in memory; they may come slowly, and nobody else waits meanwhile.
        """
        with self._remote_table() as found:
            for file in remote:
                found.append((file.repo_path, file.sha256, file.git_sha1))
                if len(found) >= REMOTE_FILES_AT_A_TIME:
                    self._add_remote(found)
            self._add_remote(found)
            with self._transaction() as db, closing(db.cursor()) as cursor:
                cursor.execute("CREATE INDEX temp.remote_path ON remote (repo_path)")
                if root.is_mapped:  # where a content was put is not found out anew
                    cursor.execute(f"{_REMEMBER_ALL} WHERE {_UNLIKE}", (root.id,))
                cursor.execute(f"UPDATE file SET sha256 = NULL, git_sha1 = NULL WHERE {_UNLIKE}", (root.id,))
                return cursor.rowcount

    @contextmanager
    def _remote_table(self) -> Iterator[list[tuple[object, ...]]]:
        self._rows("CREATE TEMP TABLE remote (repo_path TEXT, sha256 BLOB, git_sha1 BLOB)")
        try:
            yield []
        finally:
            self._rows("DROP TABLE IF EXISTS temp.remote")

    def _add_remote(self, found: list[tuple[object, ...]]) -> None:
        with self._door():
            self._connection.executemany("INSERT INTO temp.remote VALUES (?, ?, ?)", found)
        found.clear()

    @contextmanager
    def _door(self) -> Iterator[None]:
        try:
            with door(self._file.path):
                yield
        except CorruptLedgerError:
            self._is_corrupt = True
            raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._file.inode() != self._inode:
            raise LedgerError(f"{self._file.path}: it was removed, or another file stands in its place")
        with self._door():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk ends it by itself
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._door():
            return self._connection.execute(sql, values).fetchall()

    def _row(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first row, or None."""
        with self._door():
            return self._connection.execute(sql, values).fetchone()


_KNOWN = "name, repo_path, inode, size_bytes, mtime_ns, ctime_ns, sha256, git_sha1, generation"
_ASIDE = "dir, name, inode, size_bytes, mtime_ns, ctime_ns, reason, at_s, repo_path"

_REMEMBER_ALL = (
    "INSERT OR IGNORE INTO candidate (root_id, dir, name, sha256, git_sha1, repo_path)"
    " SELECT root_id, dir, name, sha256, git_sha1, repo_path FROM file"
)
_REMEMBER = _REMEMBER_ALL + " WHERE (root_id, dir, name) = (?, ?, ?) AND sha256 IS NOT NULL"

# A large file is known to both sides by its sha256, any other one by its git hash.
_UNLIKE = """root_id = ? AND sha256 IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM temp.remote WHERE remote.repo_path = file.repo_path
  AND (remote.sha256 = file.sha256 OR (remote.sha256 IS NULL AND remote.git_sha1 = file.git_sha1)))
"""


# The batch that put a file there stays with its row for as long as the content does.
_RECORD_AGAIN = (
    "ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in (*_KNOWN.split(", ")[1:], "is_mapped"))
    + ", batch = CASE WHEN coalesce(file.sha256, excluded.sha256) = excluded.sha256 THEN file.batch END"
)


def _forget_commits(db: sqlite3.Connection) -> None:
    """Keep the latest commits, and what they were made of."""
    (latest,) = db.execute("SELECT max(number) FROM batch").fetchone()
    if latest is not None:
        oldest = latest - KEPT_COMMITS
        db.execute("DELETE FROM batch WHERE commit_id IS NOT NULL AND number <= ?", (oldest,))
        db.execute("DELETE FROM part WHERE root_id IN (SELECT id FROM root) AND batch <= ?", (oldest,))


def _is_mapped(mapping: str) -> bool:
    return mapping.startswith("/")  # as mapping.Mapping.key says


def _split(path: str) -> tuple[bytes, bytes]:
    directory, _, name = os.fsencode(path).rpartition(b"/")
    return directory, name


def _signed(number: int) -> int:
    """SQLite's integers are signed; device and inode numbers need not fit."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _columns(fingerprint: Fingerprint | None) -> tuple[int | None, ...]:
    if fingerprint is None:
        return (None,) * 4
    return _signed(fingerprint.inode), fingerprint.size_bytes, fingerprint.mtime_ns, fingerprint.ctime_ns


def _fingerprint(
    inode: int | None, size_bytes: int | None, mtime_ns: int | None, ctime_ns: int | None
) -> Fingerprint | None:
    if inode is None or size_bytes is None or mtime_ns is None or ctime_ns is None:
        return None
    return Fingerprint(inode % (1 << 64), size_bytes, mtime_ns, ctime_ns)


def _set_aside(row: tuple[Any, ...]) -> SetAside:
    directory, name, *columns, reason, at_s, repo_path = row
    path = join(os.fsdecode(directory), os.fsdecode(name))
    return SetAside(path, _fingerprint(*columns), reason, at_s, repo_path)


def _known(
    row: tuple[str, int | None, int | None, int | None, int | None, bytes | None, bytes | None, int],
) -> Known:
    repo_path, inode, size_bytes, mtime_ns, ctime_ns, sha256, git_sha1, generation = row
    digest = Digest(sha256, git_sha1) if sha256 is not None else None
    return Known(repo_path, _fingerprint(inode, size_bytes, mtime_ns, ctime_ns), digest, generation)
