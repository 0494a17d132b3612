"""A path cannot be a file and a directory: where the one takes the other's place, what the Hub holds there goes first.

A directory in a file's place: the file is deleted, if it is what was published, before anything below it is added, also
with `on_delete = "keep"`, for the new file could not be published otherwise; rsync does the same without --delete. A
file in a directory's place: a mirror deletes what was below it first; "keep" keeps it, and the file is set aside.
Deletes and adds never share a commit here: what a Hub makes of both in one is nowhere written down.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from hf_watch.model import Change, ChangeKind
from hf_watch.paths import parents

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.targets.target import Target

TAKEN_REASON = 'the repo holds files below this path, and on_delete = "keep" keeps them'


class Way(Enum):
    """Whether a file can be put at its path in the repo."""

    FREE = "free"
    CLEARING = "clearing"  # what is in the way is about to be deleted
    TAKEN = "taken"  # what is in the way stays


class RightOfWay:
    """For the targets of one destination, on its worker's thread; the ledger tells what the Hub holds."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._leaving: set[tuple[int, str]] = set()
        self._asked: list[tuple[Target, str]] = []

    def of(self, target: Target, path: str) -> Way:
        """Whether the file at `path` can be published now; sees to it that it can later.

        Where templates say what goes where, directories on the disk say nothing of those in the repo.
        """
        if target.root.is_mapped:
            return Way.FREE
        for above in parents(path):
            if self._ledger.files.known(target.root, above) is not None:
                self._leaving.add((target.root.id, above))
                self._asked.append((target, above))
                return Way.CLEARING
        if not self._ledger.files.has_below(target.root, path):
            return Way.FREE
        if target.spec.on_delete == "keep":
            return Way.TAKEN
        target.scan_below(path)
        return Way.CLEARING

    def ask(self) -> None:
        """Have what is in the way looked at; not before a commit is gathered, which may hold its delete already."""
        while self._asked:
            target, path = self._asked.pop()
            if path not in target.settler:
                target.settler.note(Change(path, ChangeKind.GONE, self._clock()))

    def must_leave(self, target: Target, path: str) -> bool:
        """Whether a file waits for this one, which is gone, to be deleted on the Hub; each answer counts once."""
        asked = (target.root.id, path)
        waits = asked in self._leaving
        self._leaving.discard(asked)
        return waits

    def stays_known(self, target: Target, path: str) -> bool:
        """Whether what the Hub holds at `path`, where no file is any more, is in the way of what stands there now."""
        if target.root.is_mapped:
            return False
        if target.disk.is_directory(path):
            return True
        return any(target.disk.is_file(above) for above in parents(path))
