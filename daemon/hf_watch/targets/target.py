"""One watched root: whether it is there, what is due of it, and when it is looked after."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

from hf_watch.disk import roots
from hf_watch.disk.disk import Disk
from hf_watch.disk.ignore_files import IgnoreFiles
from hf_watch.targets.ground import Ground
from hf_watch.targets.receiving import Receiver
from hf_watch.threads.measured import Missed
from hf_watch.threads.status import TargetState
from hf_watch.watches.reasons import NEW_DIRECTORY

if TYPE_CHECKING:
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.ledger.rows import Root
    from hf_watch.logs.journal import Journal
    from hf_watch.model import Destination, Gap
    from hf_watch.rules.settle import Settler, Waiting
    from hf_watch.targets.exploring import Exploration
    from hf_watch.targets.lookout import Lookout
    from hf_watch.targets.spec import TargetSpec
    from hf_watch.threads.inbox import Hints
    from hf_watch.threads.measured import Observe

log = structlog.get_logger()

LOST_ROOT_CHECK_S = 2.0  # one stat: how soon a root that comes back is taken up


class Target:
    """The live state of one target."""

    def __init__(
        self,
        *,
        spec: TargetSpec,
        destination: Destination,
        ledger: Ledger,
        lookout: Lookout,
        exploration: Exploration,
        settler: Settler,
        journal: Journal,
        observe: Observe,
    ) -> None:
        self.spec = spec
        self.root: Root  # known from `take_up` on
        self.settler = settler
        self.journal = journal
        self.path = spec.source  # resolved when the root is taken up
        self.disk = Disk(spec.source, follows=spec.follows_links)  # as above
        self.wanted = IgnoreFiles(spec.source, spec.wanted)  # as above
        self.is_paused = False  # it collects, and nothing of it is published
        self.refusal: str | None = None  # why nothing of it may be published now; the same, but a person must act
        self.taken_up = 0  # how often; what waited before was forgotten each time
        self.destination = destination
        self._ledger = ledger
        self._lookout = lookout
        self._exploration = exploration
        self._observe = observe
        self._ground: Ground | None = None  # what was taken up
        self._receiver: Receiver | None = None  # of what its watch says
        self._said_lost = False
        self._next_check = 0.0

    @property
    def is_lost(self) -> bool:
        """Whether the root is not there; nothing is published or deleted for it then."""
        return self._ground is None

    @property
    def is_scanning(self) -> bool:
        """Whether something is still to be found out by scanning; nothing is while the root is not there."""
        return self._exploration.is_under_way

    @property
    def scanned_from(self) -> float:
        """When the last scan of the whole root began that came to its end."""
        return self._exploration.scanned_from

    @property
    def state(self) -> TargetState:
        """What it is about, for people."""
        if self.is_lost:
            return TargetState.LOST if self._said_lost else TargetState.STARTING
        return TargetState.SCANNING if self.is_scanning else TargetState.WATCHING

    @property
    def is_held(self) -> bool:
        """Whether nothing of it is published for now."""
        return self.is_paused or self.refusal is not None

    def next_due(self) -> float | None:
        """When the next path may be published; None when nothing waits, or while it is paused."""
        return None if self.is_held else self.settler.next_due()

    def count_due(self, now: float, most: int) -> int:
        """How many paths may be published, as far as `most`."""
        return 0 if self.is_held else self.settler.count_due(now, most)

    def is_group(self, path: str) -> bool:
        """Whether what settled is a directory that goes in one commit."""
        if self.spec.group != "directory" or "/" in path:
            return False
        if self.disk.is_file(path):  # in its place; a mirror deletes what was in it first
            return self.spec.on_delete == "mirror" and self._ledger.files.has_below(self.root, path)
        return self.disk.is_directory(path) or self._ledger.files.has_below(self.root, path)

    def take_due(self, now: float) -> Waiting | None:
        """Take out the path that has been due for longest."""
        due = [] if self.is_held else self.settler.take(now, 1)
        return due[0] if due else None

    def take_up(self, now: float) -> None:
        """Watch the root and scan all of it, if it is there; otherwise look for it again soon."""
        self.root = self._ledger.roots.of(self.destination, self.spec.source, self.spec.mapping.key)
        self._next_check = now + LOST_ROOT_CHECK_S
        path = os.path.realpath(self.spec.source)
        identity = roots.identity(path, self.spec.root_marker)
        if identity is None or not self._lookout.start():
            self._say_lost(self._why_lost(path) if identity is None else "it cannot be watched")
            return
        self.path, self.disk = path, Disk(path, follows=self.spec.follows_links)
        self.wanted = IgnoreFiles(path, self.spec.wanted, self.disk.place)
        self._ground = Ground(self.root, self.disk, self.wanted, identity, self.spec.root_marker, self._ledger)
        self._receiver = Receiver(self._ground, self.spec, self._exploration, self._ledger)
        self._exploration.begin(self._ground)
        self.taken_up += 1
        if self._said_lost:
            self._said_lost = False
            log.info("target.found", target=self.spec.name)
        self.rescan(now)

    def _why_lost(self, path: str) -> str:
        return "there is no directory at this path" if roots.identity(path) is None else "its root_marker is not there"

    def let_go(self) -> None:
        """Stop watching; forget what was waiting: a scan finds it again."""
        self._lookout.stop()
        self._ground = self._receiver = None
        self._exploration.stop()
        self.settler.forget()

    def stop(self) -> None:
        """Stop watching; what was waiting stays, to be counted."""
        self._lookout.stop()
        self.journal.close()

    @property
    def settles(self) -> bool:
        """Whether anything waits that is going to be published soon, unlike a file that is being written."""
        return not self.is_held and self.settler.is_settling()

    def _say_lost(self, reason: str) -> None:
        if not self._said_lost:
            self._said_lost = True
            log.warning("target.lost", target=self.spec.name, path=self.spec.source, reason=reason)

    def stands(self) -> bool:
        """Whether the root that was taken up is still the one at its path."""
        return self._ground is not None and self._ground.stands()

    def rescan(self, now: float) -> None:
        """Ask for a scan of the whole root."""
        self._exploration.rescan(now)

    def scan_below(self, path: str) -> None:
        """Ask for a scan of what is, or was, below `path`."""
        self._exploration.add(path)

    def scan_now(self, now: float) -> None:
        """The same, without a pause after the scan before."""
        self._exploration.hurry(now)
        self.rescan(now)

    def watched(self) -> int:
        """How many directories have a watch."""
        return self._lookout.watched()

    def drop_cookie(self) -> str | None:
        """Make the watch tell of a file that comes and goes in the root; its path, None where no hint would come."""
        if self._receiver is None or not self._lookout.sees_root():
            return None
        return self._receiver.drop_cookie()

    def awaits(self, cookie: str | None) -> bool:
        """Whether the hint of a cookie is still to come."""
        return self._receiver is not None and cookie in self._receiver.cookies

    def unreadable(self) -> list[str]:
        """The directories that could not be listed when they were scanned last, and are still there."""
        return [each for each in self._exploration.unreadable() if self.disk.is_directory(each)]

    def check(self, now: float) -> None:
        """See to what is due by time: a lost root, a dead watch, the rescan, the polling, what was not told yet."""
        self.journal.sum_up()
        if self.is_lost:
            if now >= self._next_check:
                self.take_up(now)
            return
        if now >= self._exploration.next_rescan:
            self._look_after(now)
        if now >= self._exploration.next_poll:
            self._look_after(now, rescan=False)
            self._exploration.poll(now)
            if self._receiver is not None:
                self._receiver.poll(self._lookout.polled(), now)
        if (moment := self._lookout.next_start()) is not None and now >= moment:
            self._look_after(now, rescan=False)

    def _look_after(self, now: float, *, rescan: bool = True) -> None:
        """Take the root up anew if it went; rescan it if asked to, or if its watch missed something."""
        if not self.stands():
            self._lose("it is gone, or another directory stands in its place", now)
        elif self._lookout.tend(now):
            self._forget_cookies()  # what they would tell the old watch, the new one does not know
            self.rescan(now)
        elif rescan:
            self.rescan(now)

    def _lose(self, reason: str, now: float) -> None:
        self.let_go()
        self._say_lost(reason)
        self.take_up(now)

    def next_check(self) -> float:
        """When `check` has something to do."""
        moments = [self.journal.next_due()]
        if self.is_lost:
            moments.append(self._next_check)
        else:
            moments += [self._exploration.next_rescan, self._exploration.next_poll, self._lookout.next_start()]
        return min(moment for moment in moments if moment is not None)

    def receive(self, hints: Hints, now: float) -> None:
        """Take what the watch said: paths to settle, directories to scan."""
        if self.is_lost:
            return  # taking it up scans everything
        for gap in hints.gaps:
            self._say_gap(gap)
        if any(not gap.path for gap in hints.gaps):
            self._forget_cookies()  # their hints may be among what was lost
            self._look_after(now, rescan=False)
        if self._receiver is not None:
            self._receiver.receive(hints)

    def _say_gap(self, gap: Gap) -> None:
        """A directory that came is scanned too, for what came with it; nothing was missed, and many come in a day."""
        if gap.reason == NEW_DIRECTORY:
            log.debug("directory.appeared", target=self.spec.name, path=gap.path)
            return
        self.journal.tell("info", "watch.gap", gap.path, gap.reason)
        self._observe(Missed(self.spec.name, gap.reason))

    def _forget_cookies(self) -> None:
        if self._receiver is not None:
            self._receiver.cookies.clear()

    def explore(self, now: float, until: float) -> None:
        """Go on with the scan under way, or begin the next one, until the clock says `until`."""
        if not self._exploration.go_on(now, until):
            self._lose("it went while it was scanned", now)

    def next_walk(self) -> float | None:
        """When `explore` has something to do, or None."""
        return self._exploration.next_walk()

    def generation_at(self, path: str) -> int | None:
        """The incarnation of the root, and of the mount below it, that a file at `path` belongs to now."""
        return None if self._ground is None else self._ground.generation_at(path)

    def deletions_held(self) -> str | None:
        """Why nothing that is missing may be taken for deleted; None when it may."""
        if not self.stands():
            return "the watched directory is gone, or another one stands in its place"
        if roots.is_empty(self.path):
            return "the watched directory is empty"
        return None
