"""What the Hub is known to hold: one SQLite file in the state directory.

A row of `file` with a digest vouches that the Hub holds that content at `repo_path`. Before a commit its rows lose
their digest (they are in doubt) and every content that the Hub may hold afterwards is noted as a candidate; only an
answer of the Hub gives a digest back. Paths are bytes: a name need not be UTF-8. A directory's rows lie together, so
that a scan reads one directory at a time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from hf_watch.errors import ConfigError
from hf_watch.model import Digest, Fingerprint, Known
from hf_watch.paths import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from hf_watch.model import Destination, RemoteFile

SCHEMA_VERSION = 1
LOCK_TIMEOUT_S = 30.0  # another worker's transaction is short; longer means that something is wrong
KEPT_COMMITS = 10_000  # what `history` can show; older ones go
WAL_BYTES = 4 << 20  # what is left of the log after a large transaction
FREE_SHARE = 4  # more than a quarter of the file unused: some of it is given back
FREED_PAGES = 4_096  # at a time, 16 MB: a tenth of a second

SCHEMA = """
CREATE TABLE destination (
  id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, repo_type TEXT NOT NULL, repo_id TEXT NOT NULL,
  revision TEXT NOT NULL, head TEXT, UNIQUE (endpoint, repo_type, repo_id, revision)
) STRICT;
CREATE TABLE root (
  id INTEGER PRIMARY KEY, destination_id INTEGER NOT NULL REFERENCES destination, source BLOB NOT NULL,
  prefix TEXT NOT NULL, UNIQUE (destination_id, source, prefix)
) STRICT;
CREATE TABLE incarnation (
  generation INTEGER PRIMARY KEY, root_id INTEGER NOT NULL REFERENCES root, device INTEGER NOT NULL,
  inode INTEGER NOT NULL, UNIQUE (root_id, device, inode)
) STRICT;
CREATE TABLE file (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, repo_path TEXT NOT NULL,
  inode INTEGER, size_bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
  sha256 BLOB, git_sha1 BLOB, generation INTEGER NOT NULL,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE candidate (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, sha256 BLOB NOT NULL, git_sha1 BLOB,
  PRIMARY KEY (root_id, dir, name, sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL,
  inode INTEGER, size_bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
  reason TEXT NOT NULL, at_s REAL NOT NULL,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE batch (
  id TEXT PRIMARY KEY, destination_id INTEGER NOT NULL REFERENCES destination, at_s REAL NOT NULL,
  commit_id TEXT, files INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_at ON batch (at_s);
"""

MIGRATIONS: tuple[str, ...] = ()  # the n-th brings a ledger of version n + 1 to version n + 2


@dataclass(frozen=True, slots=True)
class Root:
    """One watched root bound to a destination and prefix, as the ledger keys it."""

    id: int
    destination_id: int


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


class Ledger:
    """One connection, used by one thread at a time. A method is a transaction; sqlite3.Error goes through."""

    def __init__(self, file: Path, *, read_only: bool = False, wall_clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._wall_clock = wall_clock
        self._read_only = read_only
        self._connection: sqlite3.Connection

    def open(self) -> Self:
        """Open or create the file; ConfigError when a newer hf-watch wrote it."""
        self._connection = sqlite3.connect(
            self._uri(), uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None,
            check_same_thread=False,  # composed on one thread, used by another
        )  # fmt: skip
        if not self._read_only:
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; before its first page
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        self._connection.execute(
            "PRAGMA synchronous = FULL"  # an intent must survive power loss before the request leaves
        )
        self._connection.execute("PRAGMA cache_size = -4096")  # KiB; a worker each has one
        self._migrate()
        return self

    def _uri(self) -> str:
        if not self._read_only:
            return f"{self._file.absolute().as_uri()}?mode=rwc"
        if not self._file.exists():
            return "file::memory:"  # nothing is known yet, and a reader makes no files
        return f"{self._file.absolute().as_uri()}?mode=rw"  # a reader of a WAL needs its index writable

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def root(self, destination: Destination, source: str, prefix: str) -> Root:
        """The row of a root, made if it is new."""
        with self._transaction() as db:
            key = (destination.endpoint, destination.repo_type, destination.repo_id, destination.revision)
            db.execute(
                "INSERT OR IGNORE INTO destination (endpoint, repo_type, repo_id, revision) VALUES (?, ?, ?, ?)", key
            )
            (destination_id,) = db.execute(
                "SELECT id FROM destination WHERE (endpoint, repo_type, repo_id, revision) = (?, ?, ?, ?)", key
            ).fetchone()
            where = (destination_id, os.fsencode(source), prefix)
            db.execute("INSERT OR IGNORE INTO root (destination_id, source, prefix) VALUES (?, ?, ?)", where)
            (root_id,) = db.execute(
                "SELECT id FROM root WHERE (destination_id, source, prefix) = (?, ?, ?)", where
            ).fetchone()
        return Root(root_id, destination_id)

    def generation(self, root: Root, device: int, inode: int) -> int:
        """A number for this incarnation of the root; the same directory always has the same one."""
        key = (root.id, _signed(device), _signed(inode))
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO incarnation (root_id, device, inode) VALUES (?, ?, ?)", key)
            (generation,) = db.execute(
                "SELECT generation FROM incarnation WHERE (root_id, device, inode) = (?, ?, ?)", key
            ).fetchone()
        return int(generation)

    def known_root(self, destination: Destination, source: str, prefix: str) -> Root | None:
        """The row of a root if there is one; for those who only read."""
        row = self._connection.execute(
            "SELECT root.id, destination.id FROM root JOIN destination ON destination.id = destination_id WHERE"
            " (endpoint, repo_type, repo_id, revision, source, prefix) = (?, ?, ?, ?, ?, ?)",
            (destination.endpoint, destination.repo_type, destination.repo_id, destination.revision,
             os.fsencode(source), prefix),
        ).fetchone()  # fmt: skip
        return Root(*row) if row is not None else None

    def known_generation(self, root: Root, device: int, inode: int) -> int | None:
        """The number of this incarnation of the root, if it was ever seen."""
        row = self._connection.execute(
            "SELECT generation FROM incarnation WHERE (root_id, device, inode) = (?, ?, ?)",
            (root.id, _signed(device), _signed(inode)),
        ).fetchone()
        return int(row[0]) if row is not None else None

    def head(self, root: Root) -> str | None:
        """The branch's head as it was last seen or made."""
        (head,) = self._connection.execute(
            "SELECT head FROM destination WHERE id = ?", (root.destination_id,)
        ).fetchone()
        return str(head) if head is not None else None

    def see_head(self, root: Root, head: str) -> None:
        """Remember the branch's head: the root's rows have been compared with it, or were committed in it."""
        with self._transaction() as db:
            db.execute("UPDATE destination SET head = ? WHERE id = ?", (head, root.destination_id))

    def known(self, root: Root, path: str) -> Known | None:
        """What is known of one path."""
        directory, name = _split(path)
        row = self._connection.execute(
            f"SELECT {_KNOWN} FROM file WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, directory, name)
        ).fetchone()
        return _known(row[1:]) if row is not None else None

    def directory(self, root: Root, directory: str) -> dict[str, Known]:
        """What is known of the files directly in a directory, by name."""
        rows = self._connection.execute(
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
        row = self._connection.execute(
            f"SELECT dir FROM file WHERE root_id = ? AND dir {relation} ? ORDER BY dir LIMIT 1", (root.id, directory)
        ).fetchone()
        return row[0] if row is not None else None

    def count(self, root: Root) -> int:
        """How many paths are known."""
        return int(self._connection.execute("SELECT count(*) FROM file WHERE root_id = ?", (root.id,)).fetchone()[0])

    def candidates(self, root: Root, path: str) -> list[Digest]:
        """Every content that we may have put at a path in doubt."""
        rows = self._connection.execute(
            "SELECT sha256, git_sha1 FROM candidate WHERE (root_id, dir, name) = (?, ?, ?)", (root.id, *_split(path))
        )
        return [Digest(sha256, git_sha1) for sha256, git_sha1 in rows]

    def intend(self, batch_id: str, destination_id: int, intended: Sequence[Intended], size_bytes: int) -> None:
        """Put the paths of a batch in doubt, durably, before it is committed."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO batch (id, destination_id, at_s, files, bytes) VALUES (?, ?, ?, ?, ?)",
                (batch_id, destination_id, self._wall_clock(), len(intended), size_bytes),
            )
            keys = [(each.root.id, *_split(each.path)) for each in intended]
            db.executemany(
                "INSERT OR IGNORE INTO candidate SELECT root_id, dir, name, sha256, git_sha1 FROM file"
                " WHERE (root_id, dir, name) = (?, ?, ?) AND sha256 IS NOT NULL",
                keys,
            )
            db.executemany(
                "INSERT OR IGNORE INTO candidate VALUES (?, ?, ?, ?, ?)",
                [
                    (*key, each.digest.sha256, each.digest.git_sha1)
                    for key, each in zip(keys, intended, strict=True)
                    if each.digest is not None
                ],
            )
            db.executemany(
                "INSERT INTO file (root_id, dir, name, repo_path, generation) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET repo_path = excluded.repo_path, sha256 = NULL, git_sha1 = NULL",
                [(*key, each.repo_path, each.generation) for key, each in zip(keys, intended, strict=True)],
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
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (*key, each.repo_path, *_columns(each.fingerprint), each.digest.sha256, each.digest.git_sha1,
                     each.generation)
                    for key, each in zip(keys, recorded, strict=True)
                ],
            )  # fmt: skip
            gone = [(root.id, *_split(path)) for path in forgotten]
            db.executemany("DELETE FROM file WHERE (root_id, dir, name) = (?, ?, ?)", gone)
            for table in ("candidate", "quarantine"):
                db.executemany(f"DELETE FROM {table} WHERE (root_id, dir, name) = (?, ?, ?)", keys + gone)

    def recorded_batch(self, batch_id: str, root: Root, commit: str | None, head: str) -> None:
        """A batch was answered: it is no open intent any more, and the branch's head is known."""
        with self._transaction() as db:
            if commit is None:
                db.execute("DELETE FROM batch WHERE id = ?", (batch_id,))
            else:
                db.execute("UPDATE batch SET commit_id = ? WHERE id = ?", (commit, batch_id))
            db.execute("UPDATE destination SET head = ? WHERE id = ?", (head, root.destination_id))
            db.execute(
                "DELETE FROM batch WHERE commit_id IS NOT NULL AND rowid <="
                " (SELECT max(rowid) FROM batch) - ?", (KEPT_COMMITS,)
            )  # fmt: skip

    def found_batch(self, batch_id: str, commit: str) -> None:
        """A batch whose answer was lost was found on the Hub."""
        with self._transaction() as db:
            db.execute("UPDATE batch SET commit_id = ? WHERE id = ?", (commit, batch_id))

    def open_batches(self, root: Root) -> list[str]:
        """The batches of the destination that were intended and never answered, oldest first."""
        rows = self._connection.execute(
            "SELECT id FROM batch WHERE destination_id = ? AND commit_id IS NULL ORDER BY at_s", (root.destination_id,)
        )
        return [str(batch_id) for (batch_id,) in rows]

    def dropped_batch(self, batch_id: str) -> None:
        """A batch was refused for good: it is no open intent any more. Its paths stay in doubt until settled again."""
        with self._transaction() as db:
            db.execute("DELETE FROM batch WHERE id = ? AND commit_id IS NULL", (batch_id,))

    def commits_since(self, endpoint: str, since_s: float) -> list[float]:
        """The wall-clock times of the commits made on an endpoint, oldest first, for its hourly budget."""
        rows = self._connection.execute(
            "SELECT at_s FROM batch JOIN destination ON destination.id = destination_id"
            " WHERE endpoint = ? AND at_s >= ? AND commit_id IS NOT NULL ORDER BY at_s",
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

    def set_aside(self, root: Root, path: str, fingerprint: Fingerprint | None, reason: str) -> None:
        """Put a path in quarantine until its fingerprint changes."""
        columns = _columns(fingerprint)
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (root.id, *_split(path), *columns, reason, self._wall_clock()),
            )

    def reason_set_aside(self, root: Root, path: str, fingerprint: Fingerprint) -> str | None:
        """Why the file with this fingerprint is in quarantine; None when it is not: a changed one never is."""
        row = self._connection.execute(
            "SELECT reason, inode, size_bytes, mtime_ns, ctime_ns FROM quarantine"
            " WHERE (root_id, dir, name) = (?, ?, ?)",
            (root.id, *_split(path)),
        ).fetchone()
        return str(row[0]) if row is not None and _fingerprint(*row[1:]) == fingerprint else None

    def quarantined(self, root: Root) -> Iterator[SetAside]:
        """Everything in quarantine below a root."""
        rows = self._connection.execute(
            "SELECT dir, name, inode, size_bytes, mtime_ns, ctime_ns, reason, at_s FROM quarantine WHERE root_id = ?",
            (root.id,),
        )
        for directory, name, *columns, reason, at_s in rows:
            path = join(os.fsdecode(directory), os.fsdecode(name))
            yield SetAside(path, _fingerprint(*columns), reason, at_s)

    def release(self, root: Root, paths: Iterable[str]) -> None:
        """Take paths out of quarantine."""
        with self._transaction() as db:
            db.executemany(
                "DELETE FROM quarantine WHERE (root_id, dir, name) = (?, ?, ?)",
                [(root.id, *_split(path)) for path in paths],
            )

    def give_back_space(self) -> None:
        """Shrink the file by a bounded step when much of it is unused, as it is after a large tree went."""
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        if free * FREE_SHARE > pages:
            self._connection.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")  # execute frees one page

    def doubt_unlike(self, root: Root, remote: Iterable[tuple[str, RemoteFile]]) -> int:
        """Compare all that is known below a root with all that its repo holds there, by relative path.

        What the Hub does not hold as recorded is put in doubt. Returns how many paths that were. The remote files are
        consumed in one pass and kept on disk, not in memory; they may come slowly, and nobody else waits meanwhile.
        """
        self._connection.execute("CREATE TEMP TABLE remote (dir BLOB, name BLOB, sha256 BLOB, git_sha1 BLOB)")
        with closing(self._connection.cursor()) as cursor:
            try:
                self._connection.executemany(
                    "INSERT INTO temp.remote VALUES (?, ?, ?, ?)",
                    ((*_split(path), file.sha256, file.git_sha1) for path, file in remote),
                )
                self._connection.execute("CREATE INDEX temp.remote_path ON remote (dir, name)")
                with self._transaction():
                    cursor.execute(_DOUBT_UNLIKE, (root.id,))
            finally:
                self._connection.execute("DROP TABLE temp.remote")
            return cursor.rowcount

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _migrate(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"{self._file}: written by a newer hf-watch (schema {version}, this one knows {SCHEMA_VERSION});"
                " upgrade hf-watch, or use another --state-dir"
            )
        if version == SCHEMA_VERSION:
            return
        steps = (SCHEMA,) if version == 0 else MIGRATIONS[version - 1 :]
        script = "".join(steps)
        self._connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


_KNOWN = "name, repo_path, inode, size_bytes, mtime_ns, ctime_ns, sha256, git_sha1, generation"

# A large file is known to both sides by its sha256, any other one by its git hash.
_DOUBT_UNLIKE = """
UPDATE file SET sha256 = NULL, git_sha1 = NULL WHERE root_id = ? AND sha256 IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM temp.remote WHERE remote.dir = file.dir AND remote.name = file.name
  AND (remote.sha256 = file.sha256 OR (remote.sha256 IS NULL AND remote.git_sha1 = file.git_sha1)))
"""


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


def _known(
    row: tuple[str, int | None, int | None, int | None, int | None, bytes | None, bytes | None, int],
) -> Known:
    repo_path, inode, size_bytes, mtime_ns, ctime_ns, sha256, git_sha1, generation = row
    digest = Digest(sha256, git_sha1) if sha256 is not None else None
    return Known(repo_path, _fingerprint(inode, size_bytes, mtime_ns, ctime_ns), digest, generation)
