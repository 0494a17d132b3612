"""One watched root: what is dirty below it, and whether it is there at all. Owned by the worker of its destination."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

from hf_watch import ignore_files, relocation, scan
from hf_watch.dirty import ScanQueue
from hf_watch.errors import SourceError
from hf_watch.filters import ANY_SIZE, NOTHING
from hf_watch.grouping import group_of
from hf_watch.ignore_files import IgnoreFiles
from hf_watch.measured import Missed, Scanned
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import join, parent, printable
from hf_watch.plan import MostDeletes, differences, look_alikes
from hf_watch.status import TargetState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.filters import Filter, Sizes
    from hf_watch.inbox import Hints
    from hf_watch.journal import Journal
    from hf_watch.ledger import Ledger, Root
    from hf_watch.lookout import Lookout
    from hf_watch.mapping import Mapping
    from hf_watch.measured import Observe
    from hf_watch.model import Destination, Fingerprint, Known
    from hf_watch.settings import ReceiptsMode
    from hf_watch.settle import Settler, Waiting

log = structlog.get_logger()

MOST_WAITING = 20_000  # paths that settle at a time; what does not fit is scanned again when there is room
MOST_UNREADABLE = 1_000  # directories that are tried again with every poll; others wait for the rescan
LOST_ROOT_CHECK_S = 2.0  # one stat: how soon a root that comes back is taken up
RESCAN_SHARE = 100  # a rescan takes at most one hundredth of the time
OVER = object()
COLLAPSED_SCAN_SHARE = 10  # scans that gaps ask for: at most a tenth of it, after the first


USUAL_DELETES = MostDeletes(100, 0.1)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What one target is told: the settings, already checked, and nothing it does not need."""

    name: str
    source: str
    mapping: Mapping
    wanted: Filter
    quiet_s: float
    max_wait_s: float
    publish_open: bool
    rescan_s: float
    poll_s: float
    on_delete: Literal["keep", "mirror"]
    group: Literal["none", "directory"] = "none"
    ready_marker: str = ""  # a group is complete when this file is in it; none: when it is quiet
    max_delete: MostDeletes = USUAL_DELETES
    root_marker: str = ""  # without this file the root counts as missing
    after_upload: Literal["keep", "archive", "delete"] = "keep"
    archive_dir: str = ""
    remove_empty_dirs: bool = False
    quarantine_dir: str = ""  # none: what cannot be published stays
    receipts: ReceiptsMode = "off"
    on_clash: Literal["set_aside", "newest"] = "set_aside"
    sizes: Sizes = ANY_SIZE
    allow_public: bool = True
    secrets: Literal["block", "warn", "off"] = "off"
    secrets_allow: Filter = NOTHING

    @property
    def puts_away(self) -> bool:
        """Whether a published file leaves the root."""
        return self.after_upload != "keep"


class Target:
    """The live state of one target."""

    def __init__(
        self,
        *,
        spec: TargetSpec,
        destination: Destination,
        ledger: Ledger,
        lookout: Lookout,
        settler: Settler,
        journal: Journal,
        clock: Callable[[], float],
        observe: Observe,
    ) -> None:
        self.spec = spec
        self.root: Root  # known from `take_up` on
        self.settler = settler
        self.journal = journal
        self.path = spec.source  # resolved when the root is taken up
        self.wanted = IgnoreFiles(spec.source, spec.wanted)  # as above
        self._generations: dict[int, int] = {}  # by device: one of the root, and one of each mount below it
        self.is_paused = False  # it collects, and nothing of it is published
        self.refusal: str | None = None  # why nothing of it may be published now; the same, but a person must act
        self.taken_up = 0  # how often; what waited before was forgotten each time
        self.scanned_from = -math.inf  # when the last scan of the whole root began that came to its end
        self.destination = destination
        self._ledger = ledger
        self._lookout = lookout
        self._clock = clock
        self._observe = observe
        self._identity: scan.RootIdentity | None = None
        self._said_lost = False
        self._scans = ScanQueue()
        self._walk: Iterator[None] | None = None
        self._walk_top = ""
        self._walk_began = 0.0
        self._walked = 0  # directories, by the walk under way
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

    def group_of(self, path: str) -> str:
        """The directory that the file is published with, in one commit; `""` when it goes by itself."""
        return group_of(path) if self.spec.group == "directory" else ""

    def is_group(self, path: str) -> bool:
        """Whether what settled is a directory that goes in one commit."""
        if self.spec.group != "directory" or "/" in path or scan.is_file(self.path, path):
            return False
        return scan.is_directory(self.path, path) or self._ledger.has_below(self.root, path)

    def take_due(self, now: float) -> Waiting | None:
        """Take out the path that has been due for longest."""
        due = [] if self.is_held else self.settler.take(now, 1)
        return due[0] if due else None

    def take_up(self, now: float) -> None:
        """Watch the root and scan all of it, if it is there; otherwise look for it again soon."""
        self.root = self._ledger.root(self.destination, self.spec.source, self.spec.mapping.key)
        self._next_check = now + LOST_ROOT_CHECK_S
        path = os.path.realpath(self.spec.source)
        identity = scan.identity(path, self.spec.root_marker)
        if identity is None or not self._lookout.start():
            self._say_lost(self._why_lost(path) if identity is None else "it cannot be watched")
            return
        self.path, self._identity = path, identity
        self.wanted = IgnoreFiles(path, self.spec.wanted)
        self.taken_up += 1
        self._generations = {}
        if self._said_lost:
            self._said_lost = False
            log.info("target.found", target=self.spec.name)
        self.rescan(now)

    def _why_lost(self, path: str) -> str:
        return "there is no directory at this path" if scan.identity(path) is None else "its root_marker is not there"

    def let_go(self) -> None:
        """Stop watching; forget what was waiting: a scan finds it again."""
        self._lookout.stop()
        self._identity = None
        self._walk = None
        self._scans.clear()
        self._cookies.clear()
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
            log.warning("target.lost", target=self.spec.name, path=printable(self.spec.source), reason=reason)

    def stands(self) -> bool:
        """Whether the root that was taken up is still the one at its path."""
        return self._identity is not None and scan.identity(self.path, self.spec.root_marker) == self._identity

    def rescan(self, now: float) -> None:
        """Ask for a scan of the whole root."""
        self._scans.add("")
        self._next_rescan = now + self.spec.rescan_s
        self._next_poll = now + self.spec.poll_s

    def scan_below(self, path: str) -> None:
        """Ask for a scan of what is, or was, below `path`."""
        self._scans.add(path)

    def scan_now(self, now: float) -> None:
        """The same, without a pause after the scan before."""
        self._next_walk = now
        self.rescan(now)

    def watched(self) -> int:
        """How many directories have a watch."""
        return self._lookout.watched()

    def drop_cookie(self) -> str | None:
        """Make the watch tell of a file that comes and goes in the root; its path, None where no hint would come."""
        if self.is_lost or not self._lookout.sees_root():
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
        """See to what is due by time: a lost root, a dead watch, the rescan, the polling, what was not told yet."""
        self.journal.sum_up()
        if self.is_lost:
            if now >= self._next_check:
                self.take_up(now)
            return
        if now >= self._next_rescan:
            self._look_after(now)
        if now >= self._next_poll:
            self._next_poll = now + self.spec.poll_s
            self._look_after(now, rescan=False)
            for directory in (*self._lookout.polled(), *self._unreadable):
                self._scans.add(directory)
        if (moment := self._lookout.next_start()) is not None and now >= moment:
            self._look_after(now, rescan=False)

    def _look_after(self, now: float, *, rescan: bool = True) -> None:
        """Take the root up anew if it went; rescan it if asked to, or if its watch missed something."""
        if not self.stands():
            self._lose("it is gone, or another directory stands in its place", now)
        elif self._lookout.tend(now):
            self._cookies.clear()  # what they would tell the old watch, the new one does not know
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
            moments += [self._next_rescan, self._next_poll, self._lookout.next_start()]
        return min(moment for moment in moments if moment is not None)

    def receive(self, hints: Hints, now: float) -> None:
        """Take what the watch said: paths to settle, directories to scan."""
        if self.is_lost:
            return  # taking it up scans everything
        for gap in hints.gaps:
            self.journal.tell("info", "watch.gap", gap.path, gap.reason)
            self._observe(Missed(self.spec.name, gap.reason))
        if any(not gap.path for gap in hints.gaps):
            self._cookies.clear()  # their hints may be among what was lost
            self._look_after(now, rescan=False)
        for gap in hints.gaps:
            self._scan_below(gap.path)
        for change in hints.changes:
            self._note(change)

    def _note(self, change: Change) -> None:
        if change.path.rpartition("/")[2] == ignore_files.NAME:
            self._scan_below(parent(change.path))  # it may say something else now
        is_marker = bool(self.spec.ready_marker) and change.path == join(
            self.group_of(change.path), self.spec.ready_marker
        )
        if not self.wanted.reaches(change.path) and not is_marker:
            self._cookies.discard(change.path)
            return
        if change.kind is ChangeKind.GONE and self._ledger.has_below(self.root, change.path):
            self._scans.add(change.path)  # it was a directory
        self._settle(change)

    def _scan_below(self, directory: str) -> None:
        """The watch knows nothing of ignore files, and tells of what they leave out as well."""
        if self.wanted.leads_into(directory):
            self._scans.add(directory)

    def _settle(self, change: Change) -> None:
        if self._has_room or change.path in self.settler:
            self.settler.note(change)
        else:
            self._scans.add(parent(change.path))

    @property
    def _has_room(self) -> bool:
        return len(self.settler) < MOST_WAITING

    def explore(self, now: float, until: float) -> None:
        """Go on with the scan under way, or begin the next one, until the clock says `until`."""
        while not self.is_lost and self._has_room and self._clock() < until:
            if self._walk is None:
                if not self._scans or now < self._next_walk:
                    return
                self._begin_walk()
            self._step(now)

    def next_walk(self) -> float | None:
        """When `explore` has something to do, or None."""
        if self.is_lost or not self.is_scanning or not self._has_room:
            return None
        return 0.0 if self._walk is not None else self._next_walk

    def _begin_walk(self) -> None:
        self._walk_top = self._scans.pop()
        self._walk_began = self._clock()
        self._walk_s = 0.0
        self._walked = 0
        self._walk = self._walking()

    def _step(self, now: float) -> None:
        began = self._clock()
        is_over = self._walk is None or next(self._walk, OVER) is OVER
        self._walk_s += self._clock() - began
        if is_over:
            self._end_walk(now)

    def _walking(self) -> Iterator[None]:
        """The scan in steps: a directory each, and again while there is no room for what was found in it.

        It goes on where it paused: were a directory scanned anew instead, its first files could keep the others out.
        """
        for found in scan.walk(self.path, self._walk_top, self.wanted):
            self._walked += 1
            if isinstance(found, scan.Unreadable):
                self._name_unreadable(found)
            else:
                yield from self._compare(found)
            yield
        if self.stands():
            yield from self._miss_directories()

    def _end_walk(self, now: float) -> None:
        self._walk = None
        if not self.stands():
            self._lose("it went while it was scanned", now)
            return
        finished = self._clock()
        if not self._walk_top:
            self.scanned_from = self._walk_began
            self._observe(Scanned(self.spec.name, self._walk_s))
            log.info("target.scanned", target=self.spec.name, duration_s=round(self._walk_s, 3))
            self._lookout.weigh(self._walked)
            self._tidy()
            self._next_rescan = max(self._next_rescan, finished + RESCAN_SHARE * self._walk_s)
            self._next_walk = finished + COLLAPSED_SCAN_SHARE * self._walk_s

    def _tidy(self) -> None:
        """Keep the ledger as small as what it describes."""
        gone = [
            each
            for each in self._ledger.quarantined(self.root)
            if not self.wanted.reaches(each.path) or scan.file_is_gone(self.path, each.path)
        ]
        for each in gone:
            if each.repo_path is not None:  # another file waits for it to go
                self._settle(Change(each.path, ChangeKind.GONE, self._clock()))
        if alone := [each.path for each in gone if each.repo_path is None]:
            self._ledger.release(self.root, alone)
        self._ledger.give_back_space()

    def _name_unreadable(self, found: scan.Unreadable) -> None:
        if found.directory in self._unreadable:
            return
        if len(self._unreadable) < MOST_UNREADABLE:
            self._unreadable.add(found.directory)
        self.journal.tell("warning", "directory.unreadable", found.directory, found.reason)

    def _compare(self, listing: scan.Listing) -> Iterator[None]:
        self._unreadable.discard(listing.directory)
        known = self._ledger.directory(self.root, listing.directory)
        found = differences(listing.files, known)
        self._restore(listing)
        if found.changed:
            self._name_look_alikes(listing, found.changed)
        # A published file that is to be archived or deleted is due as well: the disk is what remembers it.
        for name in listing.files if self.spec.puts_away else found.changed:
            change = Change(join(listing.directory, name), ChangeKind.FOUND, self._clock())
            if self.spec.sizes.why_not(listing.files[name].size_bytes) is None:
                yield from self._find(change, listing.files[name])
        yield from self._miss(listing.directory, found.gone)
        self._move_to_generation(listing, known)

    def _restore(self, listing: scan.Listing) -> None:
        """A file that was being deleted when the process was killed: it is published anew, or goes for good."""
        for name in listing.leaving:
            try:
                relocation.restore(self.path, listing.directory, name)
            except SourceError as error:
                self.journal.tell("warning", "path.stays", join(listing.directory, name), str(error))
            else:
                self._scans.add(listing.directory)

    def _name_look_alikes(self, listing: scan.Listing, changed: tuple[str, ...]) -> None:
        for name, other in look_alikes([*listing.files, *listing.directories]):
            path = join(listing.directory, name)
            is_new_directory = name in listing.directories and not self._ledger.has_below(self.root, path)
            if name in changed or other in changed or is_new_directory:
                reason = f"on macOS and Windows it is the same file as {printable(other)}"
                self.journal.tell("warning", "path.collided", path, reason)

    def _miss(self, directory: str, names: tuple[str, ...]) -> Iterator[None]:
        for name in names:
            path = join(directory, name)
            if self.wanted.reaches(path):
                yield from self._find(Change(path, ChangeKind.GONE, self._clock()), None)

    def _find(self, change: Change, looked: Fingerprint | None) -> Iterator[None]:
        while not self._has_room:
            yield
        self.settler.note(change, looked)

    def _miss_directories(self) -> Iterator[None]:
        """Files of directories that the ledger knows and the disk does not have any more."""
        for directory in self._ledger.directories(self.root, self._walk_top):
            if directory and not scan.is_directory(self.path, directory):
                yield from self._miss(directory, tuple(self._ledger.directory(self.root, directory)))

    def _move_to_generation(self, listing: scan.Listing, known: dict[str, Known]) -> None:
        """A file that is still there belongs to this incarnation of the root: its loss would be a real one."""
        generation = self.generation_at(join(listing.directory, ""))
        moved = [n for n, k in known.items() if k.generation != generation and n in listing.files]
        if moved and generation is not None:
            self._ledger.seen_in(self.root, listing.directory, moved, generation)

    def generation_at(self, path: str) -> int | None:
        """The incarnation of the root, and of the mount below it, that a file at `path` belongs to now."""
        device = scan.device_of(self.path, path)
        if device is None or self._identity is None:
            return None
        if device not in self._generations:
            self._generations[device] = self._ledger.generation(self.root, device, self._identity.inode)
        return self._generations[device]

    def deletions_held(self) -> str | None:
        """Why nothing that is missing may be taken for deleted; None when it may."""
        if not self.stands():
            return "the watched directory is gone, or another one stands in its place"
        if scan.is_empty(self.path):
            return "the watched directory is empty"
        return None
