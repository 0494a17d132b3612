"""One watched root: what is dirty below it, and whether it is there at all. Owned by the worker of its destination."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

from hf_watch import scan
from hf_watch.dirty import ScanQueue
from hf_watch.errors import SourceError
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import join, printable
from hf_watch.plan import differences
from hf_watch.settle import Settler
from hf_watch.status import TargetState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.filters import Filter
    from hf_watch.inbox import Hints
    from hf_watch.ledger import Ledger, Root
    from hf_watch.model import Destination, Fingerprint, Known
    from hf_watch.ports import Watch
    from hf_watch.settle import Waiting

log = structlog.get_logger()

MOST_WAITING = 20_000  # paths that settle at a time; what does not fit is scanned again when there is room
LOST_ROOT_CHECK_S = 2.0  # one stat: how soon a root that comes back is taken up
RESCAN_SHARE = 100  # a rescan takes at most one hundredth of the time
COLLAPSED_SCAN_SHARE = 10  # scans that gaps ask for: at most a tenth of it, after the first


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What one target is told: the settings, already checked, and nothing it does not need."""

    name: str
    source: str
    prefix: str
    wanted: Filter
    quiet_s: float
    max_wait_s: float
    publish_open: bool
    rescan_s: float
    poll_s: float
    on_delete: Literal["keep", "mirror"]


class Target:
    """The live state of one target. `watch` is None for a single pass, which only scans."""

    def __init__(
        self, spec: TargetSpec, destination: Destination, ledger: Ledger, watch: Watch | None,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self.spec = spec
        self.root: Root  # known from `take_up` on
        self.settler = Settler(spec.quiet_s, spec.max_wait_s)
        self.path = spec.source  # resolved when the root is taken up
        self.generation = 0
        self.is_paused = False  # it collects, and nothing of it is published
        self.taken_up = 0  # how often; what waited before was forgotten each time
        self.scanned_from = -math.inf  # when the last scan of the whole root began that came to its end
        self._destination = destination
        self._ledger = ledger
        self._watch = watch
        self._clock = clock
        self._identity: scan.RootIdentity | None = None
        self._said_lost = False
        self._scans = ScanQueue()
        self._walk: Iterator[scan.Listing | scan.Unreadable] | None = None
        self._walk_top = ""
        self._walk_began = 0.0
        self._walk_s = 0.0  # what the walk under way has taken so far
        self._next_check = 0.0
        self._next_rescan = 0.0
        self._next_poll = 0.0
        self._next_walk = 0.0
        self._unreadable: set[str] = set()
        self._cookies: set[str] = set()

    @property
    def is_lost(self) -> bool:
        """Whether the root is not there; nothing is published or deleted for it then."""
        return self._identity is None

    @property
    def is_scanning(self) -> bool:
        """Whether something is still to be found out by scanning; nothing is while the root is not there."""
        return not self.is_lost and (self._walk is not None or bool(self._scans))

    @property
    def state(self) -> TargetState:
        """What it is about, for people."""
        if self.is_lost:
            return TargetState.LOST if self._said_lost else TargetState.STARTING
        return TargetState.SCANNING if self.is_scanning else TargetState.WATCHING

    def next_due(self) -> float | None:
        """When the next path may be published; None when nothing waits, or while it is paused."""
        return None if self.is_paused else self.settler.next_due()

    def count_due(self, now: float, most: int) -> int:
        """How many paths may be published, as far as `most`."""
        return 0 if self.is_paused else self.settler.count_due(now, most)

    def take_due(self, now: float) -> Waiting | None:
        """Take out the path that has been due for longest."""
        due = [] if self.is_paused else self.settler.take(now, 1)
        return due[0] if due else None

    def take_up(self, now: float) -> None:
        """Watch the root and scan all of it, if it is there; otherwise look for it again soon."""
        self.root = self._ledger.root(self._destination, self.spec.source, self.spec.prefix)
        self._next_check = now + LOST_ROOT_CHECK_S
        path = os.path.realpath(self.spec.source)
        identity = scan.identity(path)
        if identity is None or not self._started_watching():
            self._say_lost("there is no directory at this path" if identity is None else "it cannot be watched")
            return
        self.path, self._identity = path, identity
        self.taken_up += 1
        self.generation = self._ledger.generation(self.root, identity.device, identity.inode)
        if self._said_lost:
            self._said_lost = False
            log.info("target.found", target=self.spec.name)
        self.rescan(now)

    def _started_watching(self) -> bool:
        if self._watch is None:
            return True
        try:
            self._watch.start()
        except SourceError as error:
            log.warning("watch.refused", target=self.spec.name, reason=str(error))
            return False
        return True

    def let_go(self) -> None:
        """Stop watching; forget what was waiting: a scan finds it again."""
        if self._watch is not None:
            self._watch.stop()
        self._identity = None
        self._walk = None
        self._scans.clear()
        self._cookies.clear()
        self.settler.forget()

    def stop(self) -> None:
        """Stop watching; what was waiting stays, to be counted."""
        if self._watch is not None:
            self._watch.stop()

    @property
    def settles(self) -> bool:
        """Whether anything waits that is going to be published soon, unlike a file that is being written."""
        return not self.is_paused and self.settler.is_settling()

    def _say_lost(self, reason: str) -> None:
        if not self._said_lost:
            self._said_lost = True
            log.warning("target.lost", target=self.spec.name, path=printable(self.spec.source), reason=reason)

    def stands(self) -> bool:
        """Whether the root that was taken up is still the one at its path."""
        return self._identity is not None and scan.identity(self.path) == self._identity

    def rescan(self, now: float) -> None:
        """Ask for a scan of the whole root."""
        self._scans.add("")
        self._next_rescan = now + self.spec.rescan_s
        self._next_poll = now + self.spec.poll_s

    def scan_now(self, now: float) -> None:
        """The same, without a pause after the scan before."""
        self._next_walk = now
        self.rescan(now)

    def drop_cookie(self) -> str | None:
        """Make the watch tell of a file that comes and goes in the root; its path, None where no hint would come."""
        if self.is_lost or self._watch is None or "" in self._watch.polled():
            return None
        cookie = scan.drop_cookie(self.path)
        if cookie is not None:
            self._cookies.add(cookie)
        return cookie

    def awaits(self, cookie: str | None) -> bool:
        """Whether the hint of a cookie is still to come."""
        return cookie in self._cookies

    def unreadable(self) -> list[str]:
        """The directories that could not be listed when they were scanned last, and are still there."""
        return [each for each in sorted(self._unreadable) if scan.is_directory(self.path, each)]

    def check(self, now: float) -> None:
        """See to what is due by time: a lost root, a dead watch, the rescan, the polling."""
        if self.is_lost:
            if now >= self._next_check:
                self.take_up(now)
            return
        if now >= self._next_rescan:
            self._look_after(now)
        if now >= self._next_poll:
            self._next_poll = now + self.spec.poll_s
            self._look_after(now, rescan=False)
            for directory in self._watch.polled() if self._watch is not None else ():
                self._scans.add(directory)

    def _look_after(self, now: float, *, rescan: bool = True) -> None:
        """Take the root up anew if it went or its watch died; otherwise rescan it if asked to."""
        if not self.stands():
            self._lose("it is gone, or another directory stands in its place", now)
        elif self._watch is not None and not self._watch.is_alive():
            self._lose("its watch ended", now)
        elif rescan:
            self.rescan(now)

    def _lose(self, reason: str, now: float) -> None:
        self.let_go()
        self._say_lost(reason)
        self.take_up(now)

    def next_check(self) -> float:
        """When `check` has something to do."""
        return self._next_check if self.is_lost else min(self._next_rescan, self._next_poll)

    def receive(self, hints: Hints, now: float) -> None:
        """Take what the watch said: paths to settle, directories to scan."""
        if self.is_lost:
            return  # taking it up scans everything
        for gap in hints.gaps:
            log.info("watch.gap", target=self.spec.name, path=printable(gap.path), reason=gap.reason)
        if any(not gap.path for gap in hints.gaps):
            self._cookies.clear()  # their hints may be among what was lost
            self._look_after(now, rescan=False)
        for gap in hints.gaps:
            self._scans.add(gap.path)
        for change in hints.changes:
            self._note(change)

    def _note(self, change: Change) -> None:
        if not self.spec.wanted.reaches(change.path):
            self._cookies.discard(change.path)
            return
        if change.kind is ChangeKind.GONE and self._ledger.has_below(self.root, change.path):
            self._scans.add(change.path)  # it was a directory
        self._settle(change, None)

    def _settle(self, change: Change, looked: Fingerprint | None) -> bool:
        if len(self.settler) >= MOST_WAITING and change.path not in self.settler:
            self._scans.add(change.path.rpartition("/")[0])
            return False
        self.settler.note(change, looked)
        return True

    def explore(self, now: float, until: float) -> None:
        """Go on with the scan under way, or begin the next one, until the clock says `until`."""
        if self.is_lost or len(self.settler) >= MOST_WAITING:
            return
        while self._clock() < until and len(self.settler) < MOST_WAITING:
            if self._walk is None:
                if not self._scans or now < self._next_walk:
                    return
                self._begin_walk()
            self._step(now)

    def next_walk(self) -> float | None:
        """When `explore` has something to do, or None."""
        if self.is_lost or not self.is_scanning or len(self.settler) >= MOST_WAITING:
            return None
        return 0.0 if self._walk is not None else self._next_walk

    def _begin_walk(self) -> None:
        self._walk_top = self._scans.pop()
        self._walk_began = self._clock()
        self._walk_s = 0.0
        self._walk = scan.walk(self.path, self._walk_top, self.spec.wanted)

    def _step(self, now: float) -> None:
        began = self._clock()
        found = next(self._walk, None) if self._walk is not None else None
        if found is None:
            self._end_walk(now)
        elif isinstance(found, scan.Unreadable):
            self._name_unreadable(found)
        else:
            self._compare(found, now)
        self._walk_s += self._clock() - began

    def _end_walk(self, now: float) -> None:
        self._walk = None
        if not self.stands():
            self._lose("it went while it was scanned", now)
            return
        self._miss_directories(now)
        finished = self._clock()
        if not self._walk_top:
            self.scanned_from = self._walk_began
            log.info("target.scanned", target=self.spec.name, duration_s=round(self._walk_s, 3))
            self._tidy()
            self._next_rescan = max(self._next_rescan, finished + RESCAN_SHARE * self._walk_s)
            self._next_walk = finished + COLLAPSED_SCAN_SHARE * self._walk_s

    def _tidy(self) -> None:
        """Keep the ledger as small as what it describes."""
        aside = (each.path for each in self._ledger.quarantined(self.root))
        if gone := [path for path in aside if scan.file_is_gone(self.path, path)]:
            self._ledger.release(self.root, gone)
        self._ledger.give_back_space()

    def _name_unreadable(self, found: scan.Unreadable) -> None:
        if found.directory not in self._unreadable:
            self._unreadable.add(found.directory)
            log.warning(
                "directory.unreadable", target=self.spec.name, path=printable(found.directory), reason=found.reason
            )

    def _compare(self, listing: scan.Listing, now: float) -> None:
        self._unreadable.discard(listing.directory)
        known = self._ledger.directory(self.root, listing.directory)
        found = differences(listing.files, known)
        for name in found.changed:
            change = Change(join(listing.directory, name), ChangeKind.FOUND, now)
            if not self._settle(change, listing.files[name]):
                break  # no room: the directory is scanned again
        self._miss(listing.directory, found.gone, now)
        self._move_to_generation(listing, known)

    def _miss(self, directory: str, names: tuple[str, ...], now: float) -> None:
        for name in names:
            path = join(directory, name)
            if self.spec.wanted.reaches(path):
                self._settle(Change(path, ChangeKind.GONE, now), None)

    def _miss_directories(self, now: float) -> None:
        """Files of directories that the ledger knows and the disk does not have any more."""
        for directory in self._ledger.directories(self.root, self._walk_top):
            if directory and not scan.is_directory(self.path, directory):
                self._miss(directory, tuple(self._ledger.directory(self.root, directory)), now)

    def _move_to_generation(self, listing: scan.Listing, known: dict[str, Known]) -> None:
        """A file that is still there belongs to this incarnation of the root: its loss would be a real one."""
        moved = [n for n, k in known.items() if k.generation != self.generation and n in listing.files]
        if moved:
            self._ledger.seen_in(self.root, listing.directory, moved, self.generation)

    def deletions_held(self) -> str | None:
        """Why nothing that is missing may be taken for deleted; None when it may."""
        if not self.stands():
            return "the watched directory is gone, or another one stands in its place"
        if scan.is_empty(self.path):
            return "the watched directory is empty"
        return None
