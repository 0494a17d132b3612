"""The values that flow through hf-watch; all frozen, none knows where it came from.

A path relative to a watched root is a `str` with `/` between its segments, decoded with `os.fsdecode` (bytes that
are not UTF-8 become lone surrogates); the root itself is `""`. Times called `at` are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

RepoType = Literal["model", "dataset", "space"]


class ChangeKind(Enum):
    """What a hint says about a path; it proves nothing, the disk is asked again."""

    WRITTEN = "written"  # created or modified: a writer may still have it open
    CLOSED = "closed"  # a descriptor that could write was closed
    ARRIVED = "arrived"  # a regular file was renamed into place: complete by construction
    TOUCHED = "touched"  # only its metadata changed
    GONE = "gone"  # removed or renamed away
    FOUND = "found"  # a scan saw it; nothing is known of its writers


@dataclass(frozen=True, slots=True)
class Change:
    """A hint that one path may differ from what the ledger knows."""

    path: str
    kind: ChangeKind
    at: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Something below `path` may have changed unseen: scan it. `path` names a directory."""

    path: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a worker commits: one branch of one repo on one endpoint."""

    endpoint: str
    repo_type: RepoType
    repo_id: str
    revision: str

    def __str__(self) -> str:
        kind = "" if self.repo_type == "model" else f"{self.repo_type}s/"
        return f"hf://{kind}{self.repo_id}@{self.revision.replace('/', '%2F')}"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What `fstat` says of a file; equal fingerprints mean that it was not touched in between."""

    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Digest:
    """The hashes of one content: `sha256` as LFS and Xet use it, `git_sha1` as git names a blob.

    `git_sha1` is None for files too large for the Hub to keep as a regular git blob.
    """

    sha256: bytes
    git_sha1: bytes | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file that held still while it was read. `content` is None for one that is handed over by its path."""

    path: str
    fingerprint: Fingerprint
    digest: Digest
    content: bytes | None
    taken_ns: int  # wall clock after the read, to tell whether the file's times can be trusted


@dataclass(frozen=True, slots=True)
class Upload:
    """One file to be added or replaced at `repo_path`."""

    repo_path: str
    snapshot: Snapshot
    local_path: str  # absolute; where a Snapshot without content is read from


@dataclass(frozen=True, slots=True)
class Delete:
    """One file to be removed from the repo."""

    repo_path: str


Operation = Upload | Delete


@dataclass(frozen=True, slots=True)
class Batch:
    """The operations of one commit. `id` is unique for ever, so that a lost answer can be looked up."""

    id: str
    operations: tuple[Operation, ...]
    message: str


class Outcome(Enum):
    """What became of one operation of a batch that the Hub accepted."""

    COMMITTED = "committed"
    UNCHANGED = "unchanged"  # the Hub held this content already; nothing was sent
    IGNORED = "ignored"  # the repo's own .gitignore matches; the Hub does not hold it


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the Hub answered. `commit` is None when nothing was left to commit; `head` is the branch's head after it."""

    commit: str | None
    url: str | None
    head: str
    outcomes: Mapping[str, Outcome]  # by repo path; paths not named are COMMITTED


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What the repo holds at a path: `sha256` for a large file, else `git_sha1`."""

    repo_path: str
    size_bytes: int
    sha256: bytes | None
    git_sha1: bytes | None

    def holds(self, digest: Digest) -> bool:
        """Whether this is the content that `digest` names."""
        if self.sha256 is not None:
            return self.sha256 == digest.sha256
        return digest.git_sha1 is not None and self.git_sha1 == digest.git_sha1
