"""What the watch of a root says: paths to settle, directories to scan, and the same for the links that lead there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hf_watch.disk import ignore_files, roots
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import parent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.targets.exploring import Exploration
    from hf_watch.targets.ground import Ground
    from hf_watch.targets.spec import TargetSpec
    from hf_watch.threads.inbox import Hints


@dataclass(frozen=True, slots=True)
class Receiver:
    """For as long as a root is taken up, on its worker's thread."""

    ground: Ground
    spec: TargetSpec
    exploration: Exploration
    ledger: Ledger
    cookies: set[str] = field(default_factory=set)  # files that came and went, whose hints are still to come

    def drop_cookie(self) -> str | None:
        """Make the watch tell of a file that comes and goes in the root; its path, None where none can be made."""
        cookie = roots.drop_cookie(self.ground.path)
        if cookie is not None:
            self.cookies.add(cookie)
        return cookie

    def receive(self, hints: Hints) -> None:
        """Take what the watch said."""
        for gap in hints.gaps:
            self._scan_below(gap.path)
            self._note_led(gap.path, gap.at)
        for change in hints.changes:
            self._note(change)
            for path in self.ground.disk.to(change.path):
                self._note(replace(change, path=path), is_of_link=False)
            self._note_through(change.path, change.at)

    def poll(self, directories: Iterable[str], now: float) -> None:
        """Nothing is said of these: look at what links lead into them, too."""
        for directory in directories:
            self._note_led(directory, now)

    def _note_led(self, directory: str, at: float) -> None:
        """Something happened below a directory that cannot be said any closer: the same for the links into it."""
        for path in self.ground.disk.to(directory):
            self._scan_below(path)
        self._note_through(directory, at)

    def _note_through(self, path: str, at: float) -> None:
        for link in self.ground.disk.through(path):
            self._note(Change(link, ChangeKind.FOUND, at))

    def _note(self, change: Change, *, is_of_link: bool = True) -> None:
        if is_of_link and self.ground.disk.note_link(change.path):
            if not self.ground.disk.is_file(change.path):
                self._scan_below(change.path)  # it may lead to another directory than before
            change = replace(change, kind=ChangeKind.FOUND)  # of those who write to a file its links say nothing
        if change.path.rpartition("/")[2] == ignore_files.NAME:
            self._scan_below(parent(change.path))  # it may say something else now
        if not self.ground.wanted.reaches(change.path) and not self.spec.is_marker(change.path):
            self.cookies.discard(change.path)
            return
        if change.kind is ChangeKind.GONE and self.ledger.files.has_below(self.ground.root, change.path):
            self.exploration.add(change.path)  # it was a directory
        self.exploration.settle(change)

    def _scan_below(self, directory: str) -> None:
        """The watch knows nothing of ignore files, and tells of what they leave out as well."""
        if self.ground.wanted.leads_into(directory):
            self.exploration.add(directory)
