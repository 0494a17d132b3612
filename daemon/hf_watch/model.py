"""The values that flow through hf-watch; all frozen, none knows where it came from.

A path relative to a watched root is a `str` with `/` between its segments, decoded with `os.fsdecode` (bytes that
are not UTF-8 become lone surrogates); the root itself is `""`. Times called `at` are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

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
class Shortage:
    """What the system did not give a watch enough of, so that it is polled instead: `setting` allows `limit` of it."""

    what: Literal["watches", "instances", "descriptors"]
    setting: str
    limit: int


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


class Created(Enum):
    """What was missing of a destination, and was made."""

    REPO = "repo"  # with its branch
    BRANCH = "branch"
    NOTHING = "nothing"  # somebody else was faster


class Writers(Enum):
    """Whether some process has a file open for writing."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"  # the kernel would not tell: not the file's owner, or a file system without leases


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
class Known:
    """What the ledger says of one path. No `digest`: in doubt, the Hub may hold this, that or nothing there."""

    repo_path: str
    fingerprint: Fingerprint | None
    digest: Digest | None
    generation: int  # which incarnation of the root it was last seen in


@dataclass(frozen=True, slots=True)
class Upload:
    """One file to be added or replaced at `repo_path`.

    `readable_path` is where a Snapshot without content can be read, on this machine, for as long as the upload is
    being staged.
    """

    repo_path: str
    snapshot: Snapshot
    readable_path: str


class Outcome(Enum):
    """What became of one operation of a batch that the Hub accepted."""

    COMMITTED = "committed"
    UNCHANGED = "unchanged"  # the Hub held this content already; nothing was sent
    IGNORED = "ignored"  # the repo's own .gitignore matches; the Hub does not hold it


@dataclass(frozen=True, slots=True)
class Staged:
    """An upload whose large content, if it is large, the Hub's store already has; only the commit is missing.

    `held_bytes` is the content that travels inside the commit and is held until then. `ticket` belongs to the adapter
    that made it. It can be committed once, and tried again after a definite refusal.
    """

    repo_path: str
    size_bytes: int
    held_bytes: int
    outcome: Outcome
    ticket: object


@dataclass(frozen=True, slots=True)
class Delete:
    """One file to be removed from the repo."""

    repo_path: str


Operation = Staged | Delete


@dataclass(frozen=True, slots=True)
class Batch:
    """The operations of one commit, no repo path twice. A lost answer can be looked up by the `id`."""

    id: str
    operations: tuple[Operation, ...]
    message: str

    @property
    def held_bytes(self) -> int:
        """The content that travels inside the commit."""
        return sum(each.held_bytes for each in self.operations if isinstance(each, Staged))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the Hub answered: the branch's head, and the commit made, None if nothing was left to commit."""

    head: str
    commit: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class RepoState:
    """A repo at a moment: its branch's head, and whether everybody may read it."""

    head: str
    is_public: bool


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
