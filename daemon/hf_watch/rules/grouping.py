"""Directories whose files are published in one commit: when is one quiet? Pure, as `settle`.

What settles is not a file but its group: the direct sub-directory of the root that it lies in. Every hint of one of its
files is a hint of the group; what is in it is found out on the disk when the group is due.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hf_watch.model import Change, ChangeKind
from hf_watch.rules.settle import Settler

if TYPE_CHECKING:
    from hf_watch.model import Fingerprint
    from hf_watch.rules.quiet import Quiet
    from hf_watch.rules.settle import Waiting


def group_of(path: str) -> str:
    """The group of a file, `""` for a file directly in the root, which is published by itself."""
    return path.partition("/")[0] if "/" in path else ""


class GroupSettler(Settler):
    """A settler of groups, and of the files directly in the root. A group never becomes due by its age."""

    def __init__(self, quiet: Quiet, max_wait_s: float, most_put_off: int, marker: str) -> None:
        super().__init__(quiet, max_wait_s, most_put_off)
        self._marker = marker

    def __contains__(self, path: str) -> bool:
        return super().__contains__(group_of(path) or path)

    def note(self, change: Change, looked: Fingerprint | None = None) -> None:
        """Take a hint of a file, or of a whole group."""
        group = group_of(change.path)
        if not group:
            super().note(change, looked)
            return
        is_complete = bool(self._marker) and change.path == f"{group}/{self._marker}"
        is_complete = is_complete and change.kind is not ChangeKind.GONE
        kind = ChangeKind.FOUND if change.kind is ChangeKind.FOUND and not is_complete else ChangeKind.CLOSED
        old = self._waiting.get(group)
        super().note(Change(group, kind, change.at))
        if self._waiting[group] is not old:
            due = change.at if is_complete else change.at + self._quiet.shortest_s
            self._put(replace(self._waiting[group], is_group=True, due=due))

    def look_again(self, waiting: Waiting, now: float, looked: Fingerprint | None) -> None:
        super().look_again(_whole(waiting), now, looked)

    def put_off(self, waiting: Waiting, due: float) -> None:
        super().put_off(_whole(waiting), due)

    def put_back(self, waiting: Waiting, due: float) -> None:
        super().put_back(_whole(waiting), due)


def _whole(waiting: Waiting) -> Waiting:
    """A file's waiting as that of its group."""
    return replace(waiting, path=group_of(waiting.path) or waiting.path)
