"""When is a path quiet? Pure: hints and times come in, due paths go out; no disk, no clock.

A path is due when it has been quiet for as long as a file of its size is to be, which `is_early` tells once the size is
known; at the latest `max_wait_s` after its first hint; at once when it came by rename, which is complete by
construction. Whether some process still has the file open is for the reader to find out: it gives a busy path back with
`look_again`.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from hf_watch.model import Change, ChangeKind, Writers
from hf_watch.paths import within

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.model import Fingerprint
    from hf_watch.rules.quiet import Quiet

TIMESTAMP_TICK_NS = 20_000_000  # kernels before 6.13 stamp files every 1 to 10 ms; doubled, as git does for its index
TOGETHER_S = 0.05  # how close to each other the two ends of a rename are hinted at
MOST_RENAMED = 1_000  # as many as one commit takes
MOST_PUT_OFF = 5_000  # unreadable or being written: more of them would leave no room for what can be published
LONGEST_BUSY_WAIT_S = 30.0  # a file held open is looked at again at least this often, should its close go unseen


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of one path that has not been looked at since its last hint."""

    path: str
    kind: ChangeKind
    since: float  # the first hint
    changed: float  # the latest one
    due: float
    seen_open: bool = False  # written to, and no close has been seen since
    looked: Fingerprint | None = None  # as the last look found it
    looks: int = 0  # how often it was found busy
    named: bool = False  # a person was told that it is busy
    settled: float | None = None  # when it was due first, if it was given back unpublished since
    hurried: bool = False  # somebody asked for it: it is not waited for, however large it is
    is_group: bool = False  # it stands for all that is in a directory

    @property
    def settled_since(self) -> float:
        """When it was, or is going to be, quiet."""
        return self.due if self.settled is None else self.settled

    @property
    def trouble(self) -> str | None:
        """What keeps it from being published that is the file's own, for a person; None: nothing that is known."""
        if self.looks:
            return "it is being written"
        return "it cannot be read" if self.named else None


class _Order:
    """The waiting paths by one of their times. What does not hold any more is skipped when it comes up."""

    def __init__(self, waiting: dict[str, Waiting], time_of: Callable[[Waiting], float | None]) -> None:
        self._waiting = waiting
        self._time_of = time_of
        self._heap: list[tuple[float, str]] = []

    def push(self, waiting: Waiting) -> None:
        """Take in a path whose time is new."""
        at = self._time_of(waiting)
        if at is None:
            return
        heapq.heappush(self._heap, (at, waiting.path))
        if len(self._heap) > 64 + 4 * len(self._waiting):
            times = ((self._time_of(each), path) for path, each in self._waiting.items())
            self._heap = [(at, path) for at, path in times if at is not None]
            heapq.heapify(self._heap)

    def first(self) -> Waiting | None:
        """The path whose time is the earliest."""
        while self._heap:
            at, path = self._heap[0]
            waiting = self._waiting.get(path)
            if waiting is not None and self._time_of(waiting) == at:
                return waiting
            heapq.heappop(self._heap)
        return None

    def clear(self) -> None:
        self._heap.clear()


class Settler:
    """The paths of one root that wait to become quiet. One thread owns it."""

    def __init__(self, quiet: Quiet, max_wait_s: float, most_put_off: int = MOST_PUT_OFF) -> None:
        self.changes = 0  # how often anything about what waits has changed
        self._quiet = quiet
        self._max_wait_s = max_wait_s
        self._most_put_off = most_put_off
        self._waiting: dict[str, Waiting] = {}
        self._by_due = _Order(self._waiting, lambda waiting: waiting.due)
        self._by_age = _Order(self._waiting, lambda waiting: waiting.since)
        self._by_settled = _Order(self._waiting, lambda waiting: waiting.settled)
        self._arrived_at = -TOGETHER_S
        self._put_off: set[str] = set()
        self._gone: deque[tuple[float, str]] = deque(maxlen=MOST_RENAMED)

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, path: str) -> bool:
        return path in self._waiting

    def note(self, change: Change, looked: Fingerprint | None = None) -> None:
        """Take a hint. `looked` is what a scan saw of the file, if it was a scan."""
        old = self._waiting.get(change.path)
        if old is not None and change.kind is ChangeKind.FOUND:
            return  # a scan knows less than the event that came before it
        since = change.at if old is None else old.since
        self._put_off.discard(change.path)
        self._put(
            Waiting(
                path=change.path,
                kind=_merged_kind(old, change.kind),
                since=since,
                changed=change.at,
                due=self._due(since, change, old, looked),
                seen_open=_seen_open(old, change.kind),
                looked=looked,
                looks=0,
                named=old is not None and old.named,
                settled=old.settled if old is not None else None,
            )
        )
        self._pair(change)

    def _pair(self, change: Change) -> None:
        """Make a renamed file's old name due with its new one, so that a rename is one commit."""
        if change.kind is ChangeKind.ARRIVED:
            self._arrived_at = change.at
            while self._gone:
                at, path = self._gone.popleft()
                if change.at - at <= TOGETHER_S:
                    self._hurry_gone(path, change.at)
        elif change.kind is ChangeKind.GONE and change.at - self._arrived_at <= TOGETHER_S:
            self._hurry_gone(change.path, change.at)
        elif change.kind is ChangeKind.GONE:
            self._gone.append((change.at, change.path))

    def _hurry_gone(self, path: str, due: float) -> None:
        waiting = self._waiting.get(path)
        if waiting is not None and waiting.kind is ChangeKind.GONE:
            self._put(replace(waiting, due=min(waiting.due, due)))

    def look_again(self, waiting: Waiting, now: float, looked: Fingerprint | None) -> None:
        """Give back a path that was due but busy; it is due again soon, later each time up to 30 s."""
        delay = min(max(self._quiet.shortest_s, 0.05) * 2.0 ** min(waiting.looks, 10), LONGEST_BUSY_WAIT_S)
        self.put_off(replace(waiting, looked=looked, looks=waiting.looks + 1), now + delay)

    def put_off(self, waiting: Waiting, due: float) -> None:
        """Give back a path that stands in its own way, to be looked at again at `due`.

        When too many do, it is dropped: its next hint, or the next scan of all, brings it back.
        """
        if not self._is_hinted_anew(waiting) and len(self._put_off) < self._most_put_off:
            self._put(replace(waiting, due=due))
            self._put_off.add(waiting.path)

    def put_back(self, waiting: Waiting, due: float) -> None:
        """Give back a path that could not be published, to be looked at again at `due`."""
        waiting = replace(waiting, settled=waiting.settled_since)
        if not self._is_hinted_anew(waiting):
            self._put(replace(waiting, due=due))

    def is_early(self, waiting: Waiting, size_bytes: int, now: float) -> bool:
        """Whether a due path of this size is to hold still for longer; then it was given back until it has.

        A directory that goes whole waits for it whatever its age.
        """
        if waiting.hurried or waiting.kind is ChangeKind.ARRIVED:
            return False
        due = waiting.changed + self._quiet.of(size_bytes)
        if not waiting.is_group:
            due = min(due, waiting.since + self._max_wait_s)
        if due <= now:
            return False
        if not self._is_hinted_anew(waiting):
            self._put(replace(waiting, due=due))
        return True

    def _is_hinted_anew(self, waiting: Waiting) -> bool:
        """Whether a newer hint of the path is waiting already; then that one has waited for as long as this one."""
        newer = self._waiting.get(waiting.path)
        if newer is None:
            return False
        since = min(newer.since, waiting.since)
        self._put(replace(newer, since=since, settled=waiting.settled if newer.settled is None else newer.settled))
        return True

    def hurry(self, now: float, below: str = "") -> int:
        """Make every path due that is not being written to: somebody asked to publish what is there. How many.

        Not directories that go whole: one that is being written must not go.
        """
        whole = (each for each in self._waiting.values() if not each.seen_open and not each.is_group)
        hurried = [each for each in whole if within(each.path, below)]
        for waiting in hurried:
            self._put(replace(waiting, due=min(waiting.due, now), hurried=True))
        return len(hurried)

    def take(self, now: float, limit: int) -> list[Waiting]:
        """Remove and return at most `limit` due paths, the longest due first."""
        taken: list[Waiting] = []
        while len(taken) < limit and (first := self._by_due.first()) is not None and first.due <= now:
            self.changes += 1
            taken.append(self._waiting.pop(first.path))
            self._put_off.discard(first.path)
        return taken

    def next_due(self) -> float | None:
        """When the next path is due, or None when nothing waits."""
        first = self._by_due.first()
        return None if first is None else first.due

    def count_due(self, now: float, most: int) -> int:
        """How many paths are due, as far as `most`; cheap while few are."""
        if len(self._waiting) < most:
            return 0
        return sum(waiting.due <= now for waiting in self._waiting.values())

    def count_gone(self, most: int) -> int:
        """How many paths wait that were removed, as far as one more than `most`."""
        gone = (True for waiting in self._waiting.values() if waiting.kind is ChangeKind.GONE)
        return sum(islice(gone, most + 1))

    def is_settling(self) -> bool:
        """Whether anything waits that was not found busy or put off: it may be published soon."""
        return any(not waiting.looks and not waiting.named for waiting in self._waiting.values())

    def oldest(self) -> float | None:
        """When the path that waits longest was first hinted at."""
        first = self._by_age.first()
        return None if first is None else first.since

    def settled_since(self) -> float | None:
        """Since when the path that could have gone first has been quiet; ahead when nothing is yet."""
        firsts = (self._by_due.first(), self._by_settled.first())
        return min((first.settled_since for first in firsts if first is not None), default=None)

    def waits(self) -> tuple[Waiting, ...]:
        """All that waits; some 0.1 ms for 20,000 paths."""
        return tuple(self._waiting.values())

    def waits_since(self, mark: float) -> list[Waiting]:
        """What was first hinted at no later than `mark`, the longest waiting first."""
        return sorted((each for each in self._waiting.values() if each.since <= mark), key=lambda each: each.since)

    def forget(self) -> None:
        """Drop everything: a scan of the root is going to find it again."""
        self.changes += 1
        self._waiting.clear()
        self._put_off.clear()
        for order in (self._by_due, self._by_age, self._by_settled):
            order.clear()

    def overdue(self, waiting: Waiting, now: float) -> bool:
        """Whether `max_wait_s` has passed since the first hint."""
        return now - waiting.since >= self._max_wait_s

    def _due(self, since: float, change: Change, old: Waiting | None, looked: Fingerprint | None) -> float:
        if change.kind is ChangeKind.ARRIVED:
            return change.at
        if change.kind is ChangeKind.TOUCHED and old is not None:
            return old.due  # a chmod neither completes nor disturbs what is settling
        quiet_s = self._quiet.shortest_s if looked is None else self._quiet.of(looked.size_bytes)
        return max(min(change.at + quiet_s, since + self._max_wait_s), change.at)

    def _put(self, waiting: Waiting) -> None:
        old = self._waiting.get(waiting.path)
        self.changes += 1
        self._waiting[waiting.path] = waiting
        self._by_due.push(waiting)
        if old is None or old.since != waiting.since:
            self._by_age.push(waiting)
        if old is None or old.settled != waiting.settled:
            self._by_settled.push(waiting)


def _merged_kind(old: Waiting | None, new: ChangeKind) -> ChangeKind:
    return old.kind if old is not None and new is ChangeKind.TOUCHED else new


def _seen_open(old: Waiting | None, new: ChangeKind) -> bool:
    if new is ChangeKind.WRITTEN:
        return True
    return new is ChangeKind.TOUCHED and old is not None and old.seen_open


def may_read(waiting: Waiting, writers: Writers, fingerprint: Fingerprint) -> bool:
    """Whether a due path is complete as far as can be known.

    Where the kernel does not tell about writers, a write without a later close counts as open, and a file that only a
    scan found must look the same twice.
    """
    if writers is not Writers.UNKNOWN:
        return writers is Writers.NONE
    if waiting.seen_open:
        return False
    return waiting.kind is not ChangeKind.FOUND or waiting.looked == fingerprint


def is_racy(ctime_ns: int, taken_ns: int) -> bool:
    """Whether a file could have changed again after its snapshot without its times telling.

    Only the change time counts: nobody can set it. A time beyond the tick in either direction is another clock's.
    """
    return abs(taken_ns - ctime_ns) < TIMESTAMP_TICK_NS
