"""The state machine where published files leave the directory, and where directories go in one commit.

What was written and not removed by its writer is on the disk or on the Hub at every moment; what the daemon took away
is never deleted on the Hub; a directory on the Hub is, whenever it changes, one that stood on the disk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from hypothesis.stateful import invariant

from hf_watch.model import Staged
from hf_watch.rules.grouping import group_of
from tests.machine.test_state_machine import BOUNDS, Publishing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hf_watch.model import Batch

NUMBER = re.compile(r"-\d+$")  # behind an archived file's name, where another one stood


class PuttingAway(Publishing):
    """Everything that is published leaves, and what leaves is no deletion of the mirror."""

    on_delete = "mirror"

    def meant(self) -> Collection[str]:
        return [self._place(path, content) for path, content in self.written.items()]

    def taken_away(self, path: str, content: bytes) -> None:
        in_repo = self._place(path, content)
        assert in_repo in self.theirs or self.hub.repo.files.get(in_repo) == content, "it is nowhere"

    def converged(self) -> None:
        kept_out = self._kept_out()
        left = {path for path in self._files() if path.rpartition("/")[2] != "bad" and path not in kept_out}
        assert left == set(), "what was published stays"


class Deleting(PuttingAway):
    options: ClassVar[dict[str, object]] = {"after_upload": "delete", "remove_empty_dirs": True}


class Archiving(PuttingAway):
    options: ClassVar[dict[str, object]] = {"after_upload": "archive"}

    def taken_away(self, path: str, content: bytes) -> None:
        super().taken_away(path, content)
        assert content in self._archived().get(path, []), "it is not in the archive"

    @invariant()
    def each_content_is_archived_once(self) -> None:
        for path, contents in self._archived().items():
            assert len(set(contents)) == len(contents), path
            assert set(contents) <= self.was_at.get(f"incoming/{path}", set())

    def _archived(self) -> dict[str, list[bytes]]:
        """What stands at each path in the archive, or at a numbered name of it."""
        found: dict[str, list[bytes]] = {}
        archive = self.work / "archive"
        for file in archive.rglob("*") if archive.exists() else ():
            if file.is_file() and not file.name.startswith(".hf-watch-"):
                path = str(file.relative_to(archive).with_name(NUMBER.sub("", file.name)))
                found.setdefault(path, []).append(file.read_bytes())
        return found


class Grouping(Publishing):
    """A directory goes whole: what the Hub has of it after a commit once stood on the disk, all of it."""

    on_delete = "mirror"
    options: ClassVar[dict[str, object]] = {"group": "directory"}

    def _kept_out(self) -> set[str]:
        """With a file that cannot go stays all that lies in its directory."""
        files = super()._kept_out()
        groups = {group_of(path) for path in files} - {""}
        return files | {path for path in self._files() if group_of(path) in groups}

    def batched(self, batch: Batch) -> None:
        added = {each.repo_path: each.ticket for each in batch.operations if isinstance(each, Staged)}
        after = self.hub.repo.files | added
        for group in {group_of(path.removeprefix("incoming/")) for path in added} - {""}:
            assert any(self._is_there(group, state, after) for state in self.stood), f"{group} is half there"

    def _is_there(self, group: str, state: dict[str, bytes], after: Mapping[str, object]) -> bool:
        """Whether the Hub has all that the directory had when the disk was in this state."""
        places = {f"incoming/{path}": content for path, content in state.items() if group_of(path) == group}
        is_whole = all(after.get(in_repo) == content or in_repo in self.theirs for in_repo, content in places.items())
        return bool(places) and is_whole


TestDeleting = Deleting.TestCase
TestDeleting.settings = BOUNDS
TestArchiving = Archiving.TestCase
TestArchiving.settings = BOUNDS
TestGrouping = Grouping.TestCase
TestGrouping.settings = BOUNDS
