"""What a look at a due path found: a file that differs from what the Hub holds, or one that is gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hf_watch.disk import reading
from hf_watch.ledger.rows import Recorded
from hf_watch.model import Upload
from hf_watch.rules.settle import is_racy

if TYPE_CHECKING:
    from hf_watch.model import Digest, Fingerprint, Known, Snapshot
    from hf_watch.rules.settle import Waiting
    from hf_watch.targets.target import Target


@dataclass(frozen=True, slots=True)
class Found:
    """A settled file that differs from what the Hub is known to hold; `fd` is open while a large one is staged."""

    target: Target
    waiting: Waiting
    repo_path: str
    snapshot: Snapshot
    known: Known | None
    generation: int  # which incarnation of the root it was read in
    fd: int | None
    former: tuple[str, ...] = ()  # where earlier contents of it may be, to be removed by the commit that puts this one

    @property
    def upload(self) -> Upload:
        """The file as the Hub port takes it; a large one by its descriptor, which no rename can redirect."""
        return Upload(self.repo_path, self.snapshot, "" if self.fd is None else f"/dev/fd/{self.fd}")

    @property
    def is_racy(self) -> bool:
        """Whether its fingerprint cannot vouch for its content."""
        return is_racy(self.snapshot.fingerprint.ctime_ns, self.snapshot.taken_ns)

    @property
    def is_large(self) -> bool:
        """Whether sending it costs more than asking whether that is needed."""
        return self.snapshot.fingerprint.size_bytes > reading.LARGEST_BLOB_BYTES

    @property
    def recorded(self) -> Recorded:
        """The row that says that the Hub holds it."""
        fingerprint = None if self.is_racy else self.snapshot.fingerprint
        return Recorded(self.waiting.path, self.repo_path, fingerprint, self.snapshot.digest, self.generation)

    @property
    def leaving(self) -> Leaving:
        """The file on its way out of the root."""
        snapshot = self.snapshot
        return Leaving(
            self.target, self.waiting.path, self.repo_path, snapshot.fingerprint, snapshot.digest, self.generation
        )

    def without_content(self) -> Found:
        """The same, without the bytes and the descriptor that are no longer needed."""
        return replace(self, snapshot=replace(self.snapshot, content=None), fd=None)


@dataclass(frozen=True, slots=True)
class Lost:
    """A path that the ledger knows and that is no file any more, below a root that mirrors deletes."""

    target: Target
    waiting: Waiting
    repo_path: str
    generation: int  # which incarnation of the root it was last seen in
    former: tuple[str, ...] = ()  # where else the Hub may hold it


@dataclass(frozen=True, slots=True)
class Leaving:
    """A file that the Hub is known to hold, and that is to be archived or deleted."""

    target: Target
    path: str
    repo_path: str
    fingerprint: Fingerprint
    digest: Digest
    generation: int

    @property
    def is_marker(self) -> bool:
        """Whether it says that the directory it lies in is complete."""
        return bool(marker := self.target.spec.ready_marker) and self.path.endswith(f"/{marker}")

    @property
    def recorded(self) -> Recorded:
        """The row that says that the Hub holds it."""
        return Recorded(self.path, self.repo_path, self.fingerprint, self.digest, self.generation)
