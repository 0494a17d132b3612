"""The ledger's schema, and what brings an older one to it."""

from __future__ import annotations

SCHEMA_VERSION = 5

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
  sha256 BLOB, git_sha1 BLOB, generation INTEGER NOT NULL, is_mapped INTEGER NOT NULL DEFAULT 0,
  batch INTEGER, PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_mapped ON file (repo_path) WHERE is_mapped;
CREATE TABLE candidate (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, sha256 BLOB NOT NULL, git_sha1 BLOB,
  repo_path TEXT, PRIMARY KEY (root_id, dir, name, sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL,
  inode INTEGER, size_bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
  reason TEXT NOT NULL, at_s REAL NOT NULL, repo_path TEXT,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_claim ON quarantine (repo_path) WHERE repo_path IS NOT NULL;
CREATE TABLE batch (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  destination_id INTEGER NOT NULL REFERENCES destination, at_s REAL NOT NULL, commit_id TEXT,
  files INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_at ON batch (at_s);
CREATE TABLE missing (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE part (
  root_id INTEGER NOT NULL, batch INTEGER NOT NULL, files INTEGER NOT NULL, PRIMARY KEY (root_id, batch)
) STRICT, WITHOUT ROWID;
CREATE TABLE wait (endpoint TEXT PRIMARY KEY, at_s REAL NOT NULL, until_s REAL NOT NULL) STRICT, WITHOUT ROWID;
"""

TO_2 = """
ALTER TABLE file ADD COLUMN is_mapped INTEGER NOT NULL DEFAULT 0;
CREATE INDEX file_mapped ON file (repo_path) WHERE is_mapped;
ALTER TABLE candidate ADD COLUMN repo_path TEXT;
ALTER TABLE quarantine ADD COLUMN repo_path TEXT;
CREATE INDEX quarantine_claim ON quarantine (repo_path) WHERE repo_path IS NOT NULL;
"""

TO_3 = """
CREATE TABLE missing (
  root_id INTEGER NOT NULL, dir BLOB NOT NULL, name BLOB NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (root_id, dir, name)
) STRICT, WITHOUT ROWID;
"""

# A batch's number is never given twice: rows of `file` keep it when the batch is long forgotten.
TO_4 = """
ALTER TABLE batch RENAME TO batch_of_3;
DROP INDEX batch_at;
CREATE TABLE batch (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  destination_id INTEGER NOT NULL REFERENCES destination, at_s REAL NOT NULL, commit_id TEXT,
  files INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
INSERT INTO batch (id, destination_id, at_s, commit_id, files, bytes)
  SELECT id, destination_id, at_s, commit_id, files, bytes FROM batch_of_3 ORDER BY rowid;
DROP TABLE batch_of_3;
CREATE INDEX batch_at ON batch (at_s);
CREATE TABLE part (
  root_id INTEGER NOT NULL, batch INTEGER NOT NULL, files INTEGER NOT NULL, PRIMARY KEY (root_id, batch)
) STRICT, WITHOUT ROWID;
ALTER TABLE file ADD COLUMN batch INTEGER;
"""

TO_5 = """
CREATE TABLE wait (endpoint TEXT PRIMARY KEY, at_s REAL NOT NULL, until_s REAL NOT NULL) STRICT, WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (TO_2, TO_3, TO_4, TO_5)  # the n-th brings a ledger of version n + 1 to version n + 2
