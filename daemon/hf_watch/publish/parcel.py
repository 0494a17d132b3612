"""The operations of one commit, with the files that they came from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.ledger.rows import Intended
from hf_watch.model import Delete, Staged
from hf_watch.targets.findings import Found, Lost
from hf_watch.threads.measured import Delivery, Published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.model import Receipt

ALONE = frozenset({"README.md", ".gitignore", ".gitattributes"})  # the Hub reads these; one it dislikes stops nobody


@dataclass(frozen=True, slots=True)
class Ready:
    """An operation that only waits for its commit, and the file it came from.

    `clears` are other places of that file, which the same commit empties: the two are never parted.
    """

    origin: Found | Lost
    operation: Staged | Delete
    clears: tuple[str, ...] = ()

    @property
    def operations(self) -> tuple[Staged | Delete, ...]:
        """All that it does to the repo."""
        return self.operation, *(Delete(place) for place in self.clears)

    @property
    def held_bytes(self) -> int:
        """What travels inside the commit."""
        return self.operation.held_bytes if isinstance(self.operation, Staged) else 0

    @property
    def goes_alone(self) -> bool:
        """Whether it touches a file that the Hub itself reads."""
        return any(operation.repo_path in ALONE for operation in self.operations)

    @property
    def intended(self) -> Intended:
        """The row that puts its path in doubt."""
        origin = self.origin
        digest = origin.snapshot.digest if isinstance(origin, Found) else None
        return Intended(origin.target.root, origin.waiting.path, origin.repo_path, digest, origin.generation)

    def delivery(self, sent: float, shown: float) -> Delivery:
        """What became of the file, for those who measure: its commit left at `sent` and was answered at `shown`."""
        waiting, operation = self.origin.waiting, self.operation
        return Delivery(
            target=self.origin.target.spec.name,
            path=waiting.path,
            repo_path=operation.repo_path,
            size_bytes=operation.size_bytes if isinstance(operation, Staged) else 0,
            is_delete=isinstance(operation, Delete),
            settle_s=max(0.0, waiting.settled_since - waiting.since),
            queue_s=max(0.0, sent - waiting.settled_since),
            visible_s=max(0.0, shown - waiting.changed),
        )


@dataclass(frozen=True, slots=True)
class Parcel:
    """The operations of one commit, and the id that it keeps through all attempts."""

    id: str
    ready: tuple[Ready, ...]

    @property
    def operations(self) -> tuple[Staged | Delete, ...]:
        """What the commit does."""
        return tuple(operation for each in self.ready for operation in each.operations)

    @property
    def size_bytes(self) -> int:
        """The content that it adds."""
        return sum(each.operation.size_bytes for each in self.ready if isinstance(each.operation, Staged))

    @property
    def held_bytes(self) -> int:
        """The content that travels inside it."""
        return sum(each.held_bytes for each in self.ready)

    def units(self) -> list[list[Ready]]:
        """What must not be parted: the files of a group; any other file is alone."""
        units: dict[tuple[int, str], list[Ready]] = {}
        for each in self.ready:
            target, path = each.origin.target, each.origin.waiting.path
            units.setdefault((target.root.id, target.spec.group_of(path) or path), []).append(each)
        return list(units.values())

    def published(self, receipt: Receipt, began: float, duration_s: float) -> Published:
        """That it was committed, for those who measure."""
        destination = str(self.ready[0].origin.target.destination)
        deliveries = tuple(each.delivery(began, began + duration_s) for each in self.ready)
        return Published(destination, receipt.commit, self.size_bytes, duration_s, deliveries)


def packed(ready: Sequence[Ready]) -> Parcel:
    """A new commit of these operations."""
    return Parcel(uuid.uuid4().hex, tuple(ready))
