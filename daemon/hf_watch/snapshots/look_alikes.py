"""Names that differ only by case, or by how an accent is written: told once the Hub is to hold both.

The Hub, as git, takes them for two; who clones the repo on macOS or Windows gets one of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hf_watch.paths import join, parent, printable
from hf_watch.rules import plan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.targets.target import Target

MOST_TOLD = 1_000  # that are remembered, for what is put off is noted once more


@dataclass(slots=True)
class LookAlikes:
    """For one destination, on its worker's thread. What is noted is new to the ledger, files and directories."""

    ledger: Ledger
    _new: dict[tuple[Target, str], set[str]] = field(default_factory=dict, init=False)  # names, by their directory
    _told: set[tuple[int, str]] = field(default_factory=set, init=False)

    def note(self, target: Target, path: str) -> None:
        """A file that the ledger does not know is to be published, and with it perhaps the directories it lies in."""
        while path:
            directory = parent(path)
            is_first = (target, directory) not in self._new
            self._new.setdefault((target, directory), set()).add(path.rpartition("/")[2])
            if not is_first or self.ledger.files.has_below(target.root, directory):
                return
            path = directory

    def tell(self) -> None:
        """A commit was gathered: name what looks like something else that is, or is going to be, in the repo."""
        for (target, directory), names in self._new.items():
            for name, other in plan.look_alikes(self._published(target, directory, names)):
                if name in names or other in names:
                    self._name(target, join(directory, name), other)
        self._new.clear()

    def _published(self, target: Target, directory: str, new: Collection[str]) -> Iterator[str]:
        """The names in a directory that look like new ones, and are the Hub's or going to be; the new ones, too."""
        folded = {plan.folded(name) for name in new}
        for name in {*_names(os.path.join(target.path, directory)), *new}:  # noqa: PTH118  it need not be UTF-8
            if plan.folded(name) in folded and (name in new or self._is_known(target, join(directory, name))):
                yield name

    def _is_known(self, target: Target, path: str) -> bool:
        files = self.ledger.files
        return files.known(target.root, path) is not None or files.has_below(target.root, path)

    def _name(self, target: Target, path: str, other: str) -> None:
        if (key := (target.root.id, path)) in self._told:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told.add(key)
        reason = f"on macOS and Windows it is the same file as {printable(other)}"
        target.journal.tell("warning", "path.collided", path, reason)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208  names need not be UTF-8
    except OSError:  # it went meanwhile, and with it what new names could be taken for
        return []
