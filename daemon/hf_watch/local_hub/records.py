"""What the local Hub keeps a record of, as values, and the tables that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS repo (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL COLLATE NOCASE,
  name TEXT NOT NULL COLLATE NOCASE, private INTEGER NOT NULL, gated TEXT, created_s REAL NOT NULL,
  UNIQUE (kind, namespace, name)
);
CREATE TABLE IF NOT EXISTS revision (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, repo_id INTEGER NOT NULL, parent INTEGER,
  title TEXT NOT NULL, description TEXT NOT NULL, author TEXT NOT NULL, at_s REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS branch (
  id INTEGER PRIMARY KEY, repo_id INTEGER NOT NULL, name TEXT NOT NULL, head INTEGER NOT NULL,
  shown INTEGER NOT NULL DEFAULT 0, UNIQUE (repo_id, name)
);
CREATE TABLE IF NOT EXISTS tag (
  repo_id INTEGER NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, message TEXT, PRIMARY KEY (repo_id, name)
);
CREATE TABLE IF NOT EXISTS entry (
  branch_id INTEGER NOT NULL, path TEXT NOT NULL, oid TEXT NOT NULL, size_bytes INTEGER NOT NULL, sha256 TEXT,
  PRIMARY KEY (branch_id, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS version (
  repo_id INTEGER NOT NULL, path TEXT NOT NULL, seq INTEGER NOT NULL, oid TEXT, size_bytes INTEGER, sha256 TEXT,
  PRIMARY KEY (repo_id, path, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS version_seq ON version (seq);
CREATE TABLE IF NOT EXISTS discussion (
  repo_id INTEGER NOT NULL, number INTEGER NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL,
  author TEXT NOT NULL, at_s REAL NOT NULL, base TEXT, PRIMARY KEY (repo_id, number)
);
CREATE TABLE IF NOT EXISTS blob (oid TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS xet_file (
  sha256 TEXT PRIMARY KEY, hash TEXT NOT NULL, segments TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS xorb (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS chunk (hash TEXT PRIMARY KEY, xorb_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS xet_file_hash ON xet_file (hash);
"""


@dataclass(frozen=True, slots=True)
class Repo:
    """One repo; `kind` is "models", "datasets" or "spaces", `gated` is "auto" or "manual" where access is asked for."""

    id: int
    kind: str
    namespace: str
    name: str
    private: bool
    gated: str | None
    created_s: float

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class File:
    """A file at one revision: its Git id and, when it is large, its sha256."""

    path: str
    oid: str
    size_bytes: int
    sha256: str | None

    @property
    def content_id(self) -> str:
        """What preupload compares: the sha256 of a large file, the Git id of another one."""
        return self.sha256 or self.oid


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit."""

    seq: int
    id: str
    parent: int | None
    title: str
    description: str
    author: str
    at_s: float


@dataclass(slots=True)
class Edit:
    """What a commit is to do; `regular` holds contents, `large` (sha256, size)."""

    regular: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, tuple[str, int]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    deleted_folders: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Discussion:
    """A discussion, or, when it has a `base`, a pull request against that branch; its changes are a branch, too."""

    number: int
    title: str
    description: str
    author: str
    at_s: float
    base: str | None


@dataclass(frozen=True, slots=True)
class NotShown:
    """A branch whose plain files are behind its `head`: what is to be written, and what removed."""

    repo: Repo
    name: str
    head: int
    written: tuple[File, ...]
    removed: tuple[str, ...]
