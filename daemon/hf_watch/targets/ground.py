"""A watched root as it was taken up: where it is, what of it is wanted, which incarnation of it a file belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hf_watch.disk import roots

if TYPE_CHECKING:
    from hf_watch.disk.disk import Disk
    from hf_watch.disk.ignore_files import IgnoreFiles
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.ledger.rows import Root


@dataclass(frozen=True, slots=True)
class Ground:
    """What stays the same from the moment a root is taken up until it is let go."""

    root: Root
    disk: Disk
    wanted: IgnoreFiles
    identity: roots.RootIdentity
    marker: str  # without this file the root counts as missing
    ledger: Ledger
    _generations: dict[int, int] = field(default_factory=dict)  # by device: the root's, and each mount's below it

    @property
    def path(self) -> str:
        """Where it is, resolved."""
        return self.disk.root

    def stands(self) -> bool:
        """Whether the root that was taken up is still the one at its path."""
        return roots.identity(self.disk.root, self.marker) == self.identity

    def generation_at(self, path: str) -> int | None:
        """The incarnation of the root, and of the mount below it, that a file at `path` belongs to now."""
        device = self.disk.device_of(path)
        if device is None:
            return None
        if device not in self._generations:
            self._generations[device] = self.ledger.roots.generation(self.root, device, self.identity.inode)
        return self._generations[device]
