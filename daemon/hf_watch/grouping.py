"""Directories whose files are published in one commit: when is one quiet? Pure, as `settle`.

What settles is not a file but its group: the direct sub-directory of the root that it lies in. Every hint of one of its
files is a hint of the group; what is in it is found out on the disk when the group is due.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hf_watch.model import Change, ChangeKind
from hf_watch.settle import Settler

if TYPE_CHECKING:
    from hf_watch.model import Fingerprint
    from hf_watch.settle import Waiting


def group_of(path: str) -> str:
    """The group of a file, `""` for a file directly in the root, which is published by itself."""
    return path.partition("/")[0] if "/" in path else ""


class GroupSettler(Settler):
    """A settler of groups, and of the files directly in the root. A group never becomes due by its age."""

    def __init__(self, quiet_s: float, max_wait_s: float, most_put_off: int, marker: str) -> None:
        super().__init__(quiet_s, max_wait_s, most_put_off)
        self._marker = marker
        self._groups: set[str] = set()  # those that wait

    def __contains__(self, path: str) -> bool:
        return super().__contains__(group_of(path) or path)

    def note(self, change: Change, looked: Fingerprint | None = None) -> None:
        """Take a hint of a file, or of a whole group."""
        group = group_of(change.path)
        if not group:
            super().note(change, looked)
            return
        self._groups.add(group)
        is_complete = change.path == f"{group}/{self._marker}" and change.kind is not ChangeKind.GONE
        kind = ChangeKind.FOUND if change.kind is ChangeKind.FOUND and not is_complete else ChangeKind.CLOSED
        super().note(Change(group, kind, change.at))
        if is_complete and self._marker:
            self._put(replace(self._waiting[group], due=change.at))

    def look_again(self, waiting: Waiting, now: float, looked: Fingerprint | None) -> None:
        super().look_again(self._whole(waiting), now, looked)

    def put_off(self, waiting: Waiting, due: float) -> None:
        super().put_off(self._whole(waiting), due)

    def put_back(self, waiting: Waiting, due: float) -> None:
        super().put_back(self._whole(waiting), due)

    def hurry(self, now: float, below: str = "") -> int:
        """Groups are not hurried: one that is being written must not go."""
        held = {path: self._waiting.pop(path) for path in [*self._groups] if path in self._waiting}
        try:
            return super().hurry(now, below)
        finally:
            self._waiting.update(held)

    def take(self, now: float, limit: int) -> list[Waiting]:
        taken = super().take(now, limit)
        self._groups -= {waiting.path for waiting in taken}
        return taken

    def forget(self) -> None:
        super().forget()
        self._groups.clear()

    def _whole(self, waiting: Waiting) -> Waiting:
        """A file's waiting as that of its group."""
        group = group_of(waiting.path) or (waiting.path if waiting.path in self._groups else "")
        if not group:
            return waiting
        self._groups.add(group)
        return replace(waiting, path=group)

    def _due(self, since: float, change: Change, old: Waiting | None) -> float:
        if change.path in self._groups:
            return change.at + self._quiet_s
        return super()._due(since, change, old)
