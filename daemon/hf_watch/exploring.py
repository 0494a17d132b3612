"""Finding out by scanning what is below a root: what is asked for, the scan under way, and when the next one is due.

Owned by the worker of its destination, as the target is that it belongs to.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import structlog

from hf_watch import relocation, scan
from hf_watch.dirty import ScanQueue
from hf_watch.errors import SourceError
from hf_watch.measured import Scanned
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import join, parent, printable
from hf_watch.plan import differences, look_alikes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.filters import Sizes
    from hf_watch.ground import Ground
    from hf_watch.journal import Journal
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.lookout import Lookout
    from hf_watch.measured import Observe
    from hf_watch.model import Fingerprint, Known
    from hf_watch.settle import Settler

log = structlog.get_logger()

MOST_WAITING = 20_000  # paths that settle at a time; what does not fit is scanned again when there is room
MOST_UNREADABLE = 1_000  # directories that are tried again with every poll; others wait for the rescan
RESCAN_SHARE = 100  # a rescan takes at most one hundredth of the time
COLLAPSED_SCAN_SHARE = 10  # scans that gaps ask for: at most a tenth of it, after the first
OVER = object()


class _Walk:
    """A scan under way: a step is a directory, or a pause while there is no room for what was found in it."""

    def __init__(self, top: str, steps: Iterator[None], clock: Callable[[], float]) -> None:
        self.top = top
        self.began = clock()
        self.took_s = 0.0
        self._steps = steps
        self._clock = clock

    def step(self) -> bool:
        """Whether it came to its end."""
        began = self._clock()
        is_over = next(self._steps, OVER) is OVER
        self.took_s += self._clock() - began
        return is_over


class Exploration:
    """The scans of one target. `begin` gives it a root to scan, `stop` takes it away."""

    def __init__(
        self,
        target: str,
        *,
        rescan_s: float,
        poll_s: float,
        sizes: Sizes,
        finds_all: bool,  # what is published already as well
        ledger: Ledger,
        lookout: Lookout,
        settler: Settler,
        journal: Journal,
        clock: Callable[[], float],
        observe: Observe,
    ) -> None:
        self.scanned_from = -math.inf  # when the last scan of the whole root began that came to its end
        self.next_rescan = 0.0
        self.next_poll = 0.0
        self._target = target
        self._rescan_s = rescan_s
        self._poll_s = poll_s
        self._sizes = sizes
        self._finds_all = finds_all
        self._ledger = ledger
        self._lookout = lookout
        self._settler = settler
        self._journal = journal
        self._clock = clock
        self._observe = observe
        self._ground: Ground | None = None
        self._asked = ScanQueue()
        self._walk: _Walk | None = None
        self._walked = 0  # directories, by the walk under way
        self._next_walk = 0.0
        self._unreadable: set[str] = set()

    @property
    def is_under_way(self) -> bool:
        """Whether something is still to be found out; nothing is without a root."""
        return self._ground is not None and (self._walk is not None or bool(self._asked))

    def begin(self, ground: Ground) -> None:
        """Scan this root from now on."""
        self._ground = ground

    def stop(self) -> None:
        """Forget what was asked for: there is no root."""
        self._ground = None
        self._walk = None
        self._asked.clear()

    def add(self, directory: str) -> None:
        """Ask for a scan of what is, or was, below `directory`."""
        self._asked.add(directory)

    def rescan(self, now: float) -> None:
        """Ask for a scan of the whole root."""
        self._asked.add("")
        self.next_rescan = now + self._rescan_s
        self.next_poll = now + self._poll_s

    def poll(self, now: float) -> None:
        """Ask for a scan of what has no watch, or could not be read."""
        self.next_poll = now + self._poll_s
        for directory in (*self._lookout.polled(), *self._unreadable):
            self._asked.add(directory)

    def hurry(self, now: float) -> None:
        """Go without a pause after the scan before."""
        self._next_walk = now

    def unreadable(self) -> list[str]:
        """The directories that could not be listed when they were scanned last."""
        return sorted(self._unreadable)

    def settle(self, change: Change) -> None:
        """Let a path settle; when too many do, it is found again later."""
        if self._has_room or change.path in self._settler:
            self._settler.note(change)
        else:
            self._asked.add(parent(change.path))

    @property
    def _has_room(self) -> bool:
        return len(self._settler) < MOST_WAITING

    def go_on(self, now: float, until: float) -> bool:
        """Go on with the scan under way, or begin the next one, until the clock says `until`.

        False: the root went while it was scanned.
        """
        while self._ground is not None and self._has_room and self._clock() < until:
            if self._walk is None:
                if not self._asked or now < self._next_walk:
                    return True
                self._walk = self._begun(self._ground)
            if self._walk.step() and not self._is_finished(self._walk, self._ground):
                return False
        return True

    def next_walk(self) -> float | None:
        """When `go_on` has something to do, or None."""
        if not self.is_under_way or not self._has_room:
            return None
        return 0.0 if self._walk is not None else self._next_walk

    def _begun(self, ground: Ground) -> _Walk:
        top = self._asked.pop()
        self._walked = 0
        return _Walk(top, self._steps(ground, top), self._clock)

    def _is_finished(self, walk: _Walk, ground: Ground) -> bool:
        self._walk = None
        if not ground.stands():
            return False
        if not walk.top:
            self._finish(walk, ground)
        return True

    def _finish(self, walk: _Walk, ground: Ground) -> None:
        """All of the root was scanned."""
        finished = self._clock()
        self.scanned_from = walk.began
        self._observe(Scanned(self._target, walk.took_s))
        log.info("target.scanned", target=self._target, duration_s=round(walk.took_s, 3))
        self._lookout.weigh(self._walked)
        self._tidy(ground)
        self.next_rescan = max(self.next_rescan, finished + RESCAN_SHARE * walk.took_s)
        self._next_walk = finished + COLLAPSED_SCAN_SHARE * walk.took_s

    def _steps(self, ground: Ground, top: str) -> Iterator[None]:
        """The scan in steps: a directory each, and again while there is no room for what was found in it.

        It goes on where it paused: were a directory scanned anew instead, its first files could keep the others out.
        """
        for found in ground.disk.walk(top, ground.wanted):
            self._walked += 1
            if isinstance(found, scan.Unreadable):
                self._name_unreadable(found)
            else:
                yield from self._compare(ground, found)
            yield
        if ground.stands():
            yield from self._miss_directories(ground, top)

    def _tidy(self, ground: Ground) -> None:
        """Keep the ledger as small as what it describes."""
        gone = [
            each
            for each in self._ledger.quarantine.of(ground.root)
            if not ground.wanted.reaches(each.path) or ground.disk.is_gone(each.path)
        ]
        for each in gone:
            if each.repo_path is not None:  # another file waits for it to go
                self.settle(Change(each.path, ChangeKind.GONE, self._clock()))
        if alone := [each.path for each in gone if each.repo_path is None]:
            self._ledger.quarantine.release(ground.root, alone)
        self._ledger.give_back_space()

    def _name_unreadable(self, found: scan.Unreadable) -> None:
        if found.directory in self._unreadable:
            return
        if len(self._unreadable) < MOST_UNREADABLE:
            self._unreadable.add(found.directory)
        self._journal.tell("warning", "directory.unreadable", found.directory, found.reason)

    def _compare(self, ground: Ground, listing: scan.Listing) -> Iterator[None]:
        self._unreadable.discard(listing.directory)
        known = self._ledger.files.directory(ground.root, listing.directory)
        found = differences(listing.files, known)
        self._restore(ground, listing)
        if found.changed:
            self._name_look_alikes(ground, listing, found.changed)
        # A published file that is to be archived or deleted is due as well: the disk is what remembers it.
        for name in listing.files if self._finds_all else found.changed:
            change = Change(join(listing.directory, name), ChangeKind.FOUND, self._clock())
            if self._sizes.why_not(listing.files[name].size_bytes) is None:
                yield from self._find(change, listing.files[name])
        yield from self._miss(ground, listing.directory, found.gone)
        self._move_to_generation(ground, listing, known)

    def _restore(self, ground: Ground, listing: scan.Listing) -> None:
        """A file that was being deleted when the process was killed: it is published anew, or goes for good."""
        for name in listing.leaving:
            try:
                relocation.restore(ground.path, listing.directory, name)
            except SourceError as error:
                self._journal.tell("warning", "path.stays", join(listing.directory, name), str(error))
            else:
                self._asked.add(listing.directory)

    def _name_look_alikes(self, ground: Ground, listing: scan.Listing, changed: tuple[str, ...]) -> None:
        for name, other in look_alikes([*listing.files, *listing.directories]):
            path = join(listing.directory, name)
            is_new_directory = name in listing.directories and not self._ledger.files.has_below(ground.root, path)
            if name in changed or other in changed or is_new_directory:
                reason = f"on macOS and Windows it is the same file as {printable(other)}"
                self._journal.tell("warning", "path.collided", path, reason)

    def _miss(self, ground: Ground, directory: str, names: tuple[str, ...]) -> Iterator[None]:
        for name in names:
            path = join(directory, name)
            if ground.wanted.reaches(path):
                yield from self._find(Change(path, ChangeKind.GONE, self._clock()), None)

    def _find(self, change: Change, looked: Fingerprint | None) -> Iterator[None]:
        while not self._has_room:
            yield
        self._settler.note(change, looked)

    def _miss_directories(self, ground: Ground, top: str) -> Iterator[None]:
        """Files of directories that the ledger knows and the disk does not have any more."""
        for directory in self._ledger.files.directories(ground.root, top):
            if directory and not ground.disk.is_directory(directory):
                yield from self._miss(ground, directory, tuple(self._ledger.files.directory(ground.root, directory)))

    def _move_to_generation(self, ground: Ground, listing: scan.Listing, known: dict[str, Known]) -> None:
        """A file that is still there belongs to this incarnation of the root: its loss would be a real one."""
        generation = ground.generation_at(join(listing.directory, ""))
        moved = [n for n, k in known.items() if k.generation != generation and n in listing.files]
        if moved and generation is not None:
            self._ledger.files.seen_in(ground.root, listing.directory, moved, generation)
