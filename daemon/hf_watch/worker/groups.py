"""A directory that is published in one commit: what is in it, and whether all of it can go.

A group goes whole or not at all. What stands in the way of one of its files, a writer, a permission, a refusal of the
Hub, holds the whole group.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.disk import reading, walking
from hf_watch.model import ChangeKind, Fingerprint
from hf_watch.paths import join
from hf_watch.rules import plan
from hf_watch.snapshots.setbacks import IGNORED_REASON

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.rules.settle import Waiting
    from hf_watch.snapshots.setbacks import Setbacks
    from hf_watch.targets.target import Target

MOST_FILES = 25_000  # the Hub takes no more in one commit
UNREADABLE_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Group:
    """What a look found: its files, those that are to be taken along, and those that are gone."""

    files: dict[str, Fingerprint]
    taken: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """What may travel inside the commit."""
        sizes = (self.files[path].size_bytes for path in self.taken)
        return sum(size for size in sizes if size <= reading.LARGEST_BLOB_BYTES)

    @property
    def fingerprint(self) -> Fingerprint:
        """One for all: equal ones mean that no file was touched, none came and none went in between."""
        lines = "".join(f"{path!r} {each}\n" for path, each in sorted(self.files.items()))
        folded = hashlib.sha256(lines.encode()).digest()
        return Fingerprint(len(self.files), self.size_bytes, *(int.from_bytes(folded[n : n + 7]) for n in (0, 7)))


class Groups:
    """Looks at the due groups of one destination's targets, on its worker's thread."""

    def __init__(self, ledger: Ledger, setbacks: Setbacks, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._setbacks = setbacks
        self._clock = clock
        self._held: dict[tuple[int, str], Fingerprint] = {}  # those that cannot go as they are

    def look(self, target: Target, waiting: Waiting) -> Group | None:
        """What is to be published of a due group; None when it is nothing, or cannot go now."""
        group = self._listed(target, waiting)
        if group is None or not (group.taken or group.gone):
            return None
        if any(not self._is_held(target, path, group) for path in group.taken) and not self._is_ready(target, waiting):
            return None  # the marker's own hint brings it back
        if self._held.get((target.root.id, waiting.path)) == group.fingerprint:
            return None
        if reason := self._why_held(target, group):
            self.hold(target, waiting.path, group, reason)
            return None
        return None if self._is_early(target, waiting, group) else group

    def _is_early(self, target: Target, waiting: Waiting, group: Group) -> bool:
        """Whether it was given back, since nothing but time can tell that it is complete."""
        if self._has_marker(target):
            return False
        largest = max((group.files[path].size_bytes for path in group.taken), default=0)
        if target.settler.is_early(waiting, largest, self._clock()):
            return True
        is_seen_once = waiting.kind is ChangeKind.FOUND and waiting.looked != group.fingerprint
        if is_seen_once:  # nobody told who writes: look twice
            target.settler.look_again(waiting, self._clock(), group.fingerprint)
        return is_seen_once

    def is_same(self, target: Target, waiting: Waiting, group: Group) -> bool:
        """Whether nothing in it changed since it was looked at."""
        now = self._listed(target, waiting)
        return now is not None and now.files == group.files

    def hold(self, target: Target, path: str, group: Group, reason: str) -> None:
        """Publish nothing of a group until something in it changes."""
        self._held[target.root.id, path] = group.fingerprint
        target.journal.tell("error", "group.held", path, reason)
        self._setbacks.give_up(target, path, reason)

    def _listed(self, target: Target, waiting: Waiting) -> Group | None:
        files: dict[str, Fingerprint] = {}
        taken: list[str] = []
        for found in target.disk.walk(waiting.path, target.wanted):
            if isinstance(found, walking.Unreadable):
                self._setbacks.give_up_reading(target, waiting, found.reason)
                return None
            known = self._ledger.files.directory(target.root, found.directory)
            for name, looked in found.files.items():
                path = join(found.directory, name)
                files[path] = looked
                is_due = target.spec.puts_away or not plan.unchanged(looked, known.get(name))
                if is_due and not self._is_none_of_it(target, path, looked):
                    taken.append(path)
        return Group(files, tuple(taken), tuple(self._gone(target, waiting.path, files)))

    def _is_none_of_it(self, target: Target, path: str, looked: Fingerprint) -> bool:
        """Whether the file is never published, by its size or by the repo's own .gitignore."""
        if target.spec.sizes.why_not(looked.size_bytes) is not None:
            return True
        aside = self._ledger.quarantine.held_aside(target.root, path, looked)
        return aside is not None and aside.reason == IGNORED_REASON

    def _gone(self, target: Target, group: str, files: dict[str, Fingerprint]) -> list[str]:
        return [
            path
            for directory in self._ledger.files.directories(target.root, group)
            for name in self._ledger.files.directory(target.root, directory)
            if (path := join(directory, name)) not in files and target.wanted.reaches(path)
        ]

    def _is_held(self, target: Target, path: str, group: Group) -> bool:
        """Whether the Hub holds it already, and it only waits to leave."""
        return plan.unchanged(group.files[path], self._ledger.files.known(target.root, path))

    def _has_marker(self, target: Target) -> bool:
        return bool(target.spec.ready_marker)

    def _is_ready(self, target: Target, waiting: Waiting) -> bool:
        marker = target.spec.ready_marker
        return not marker or target.disk.is_file(join(waiting.path, marker))

    def _why_held(self, target: Target, group: Group) -> str | None:
        if len(group.taken) > MOST_FILES:
            return f"it has {len(group.taken)} files, and one commit takes {MOST_FILES}"
        for path in group.taken:
            aside = self._ledger.quarantine.held_aside(target.root, path, group.files[path])
            if aside is not None:
                return f"{path.rpartition('/')[2]} cannot be published: {aside.reason}"
        return None
