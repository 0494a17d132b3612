"""What becomes of a source file once the Hub holds it: it stays, or it is archived or deleted.

Nothing is remembered about it. A file goes when three things agree: the ledger vouches for it, the Hub's own answer has
the same content at its path, and the disk still has the file that was read. Before it goes the ledger forgets it, so
that its absence is nobody's deletion; a process killed in between finds a file that the Hub holds already, and goes on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

from hf_watch.afterwards.receipts import SIDECAR_SUFFIX
from hf_watch.disk import relocation, standing, walking
from hf_watch.errors import SourceError
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import RemoteFile
    from hf_watch.ports import Hub
    from hf_watch.targets.findings import Found, Leaving
    from hf_watch.targets.target import Target

log = structlog.get_logger()

FILES_AT_A_TIME = 500  # one call of the Hub, and one transaction before they go


class AfterUpload:
    """Archives or deletes what was published, on the worker's thread, for the targets that ask for it."""

    def __init__(self, hub: Hub, ledger: Ledger, *, clock: Callable[[], float], beat: Callable[[], None]) -> None:
        self.stayed: dict[str, str] = {}  # files that could not go, by local path, and why
        self._hub = hub
        self._ledger = ledger
        self._clock = clock
        self._beat = beat
        self._waiting: list[Leaving] = []
        self._markers: dict[tuple[int, str], Leaving] = {}  # without them the rest would never be complete again

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, leaving: Leaving) -> None:
        """Take a file that the ledger vouches for; it goes at the next `act`."""
        if leaving.is_marker:
            self._markers[leaving.target.root.id, leaving.path] = leaving
        else:
            self._waiting.append(leaving)

    def published(self, found: Iterable[Found]) -> None:
        """Take what the ledger vouches for by now, where it is to go; what is racy is read once more first."""
        for each in found:
            if each.target.spec.puts_away and not each.is_racy:
                self.add(each.leaving)

    def let_go(self) -> None:
        """Forget what waits: a scan finds it again."""
        self._waiting.clear()
        self._markers.clear()

    def act(self) -> None:
        """Let everything go that may. What waits stays so when it raises HubError or LedgerError."""
        self._act()
        if last := [each for each in self._markers.values() if _is_alone(each)]:
            for each in last:
                del self._markers[each.target.root.id, each.path]
            self._waiting += last
            self._act()

    def _act(self) -> None:
        while self._waiting:
            batch = self._waiting[:FILES_AT_A_TIME]
            remote = {file.repo_path: file for file in self._hub.paths_info([each.repo_path for each in batch])}
            for target in {id(each.target): each.target for each in batch}.values():
                mine = {each.path: each for each in batch if each.target is target}
                self._see_off(target, mine, remote)
            del self._waiting[: len(batch)]

    def _see_off(self, target: Target, mine: Mapping[str, Leaving], remote: Mapping[str, RemoteFile]) -> None:
        held = [each for each in mine.values() if _is_held(each, remote)]
        doubtful = mine.keys() - {each.path for each in held}
        if not target.stands():
            return  # what stands there now is scanned
        going = [each for each in held if standing.look(target.path, each.path) == each.fingerprint]
        self._ledger.files.record(target.root, (), [*doubtful, *(each.path for each in going)])
        for path in doubtful:
            self._say_stays(target, path, "what the Hub holds there is not what was published")
        gone, failed = self._take_away(target, going)
        self._ledger.files.record(target.root, [mine[path].recorded for path in failed])
        for path in mine.keys() - gone - failed:
            target.settler.note(Change(path, ChangeKind.FOUND, self._clock()))  # another file by now: looked at anew
        if target.spec.remove_empty_dirs:
            for directory in {parent(path) for path in gone}:
                relocation.remove_empty(target.path, directory)
        if gone:
            log.info("files.put_away", target=target.spec.name, files=len(gone), reason=target.spec.after_upload)

    def _take_away(self, target: Target, going: Sequence[Leaving]) -> tuple[set[str], set[str]]:
        """The paths of those that went, and of those that this process may not move or delete."""
        gone: set[str] = set()
        failed: set[str] = set()
        for each in going:
            self._beat()
            try:
                if self._goes(target, each):
                    gone.add(each.path)
            except SourceError as error:
                failed.add(each.path)
                self._say_stays(target, each.path, str(error))
        return gone, failed

    def _goes(self, target: Target, leaving: Leaving) -> bool:
        if target.spec.after_upload == "delete":
            return relocation.remove(target.path, leaving.path, leaving.fingerprint)
        new = os.path.join(target.spec.archive_dir, leaving.path)  # noqa: PTH118  the name need not be UTF-8
        place = relocation.move(target.path, leaving.path, leaving.fingerprint, new)
        sidecar = leaving.path + SIDECAR_SUFFIX
        if place is not None and (beside := standing.look(target.path, sidecar)) is not None:
            relocation.move(target.path, sidecar, beside, place + SIDECAR_SUFFIX)
        return place is not None

    def _say_stays(self, target: Target, path: str, reason: str) -> None:
        local = os.path.join(target.path, path)  # noqa: PTH118  as above
        self.stayed[local] = reason
        target.journal.tell("warning", "path.stays", path, reason)


def _is_alone(leaving: Leaving) -> bool:
    """Whether nothing but the marker is left of its group."""
    target = leaving.target
    found = walking.walk(target.path, target.spec.group_of(leaving.path), target.wanted)
    return all(isinstance(each, walking.Listing) and not {*each.files} - {_name_in(each, leaving)} for each in found)


def _name_in(listing: walking.Listing, leaving: Leaving) -> str:
    """The marker's name in its own directory; no name in others."""
    return leaving.path.rpartition("/")[2] if parent(leaving.path) == listing.directory else ""


def _is_held(leaving: Leaving, remote: Mapping[str, RemoteFile]) -> bool:
    """Whether the Hub says itself that it holds what was read."""
    found = remote.get(leaving.repo_path)
    return found is not None and found.holds(leaving.digest)
