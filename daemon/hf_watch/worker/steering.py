"""Steering a worker while it runs: pause, retry, flush, and the barrier behind `flush --wait`.

On the worker's thread, between two of its turns.

A barrier is passed by a target in three steps. A cookie file is made and removed in its root, so that every event of
what happened before has come in when the cookie's has. Then the whole root is scanned, whatever the events said. What
waits or is in hand at the end of that scan was first hinted at by then; the barrier is passed when nothing is left that
was, for a path that fails keeps the time of its first hint. Deletes that are held do not hold it up, but are named.

When the Hub refuses meanwhile, it is asked once more at once, since the token is read anew for that. A barrier that
gives up is answered when it refuses again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from hf_watch.errors import LedgerError
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import within
from hf_watch.snapshots.setbacks import IGNORED_REASON
from hf_watch.threads.commands import Answer, Barrier, ConfirmDeletes, Flush, Held, Left, Pause, Request, Resume, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.pacing.pacing import Pacing
    from hf_watch.publish.publisher import Publisher
    from hf_watch.rules.settle import Waiting
    from hf_watch.targets.target import Target
    from hf_watch.worker.deletions import DeleteGuard

COOKIE_WAIT_S = 5.0  # a watch that is alive tells within milliseconds; the scan finds everything all the same
GONE_S = 5.0  # a root that is being replaced is there again sooner, and is looked for twice in it
MOST_LISTED = 1_000  # paths that an answer names
ENOUGH_REFUSALS = 2
LATE = "it was not published in time"
STOPPING = "the daemon is stopping"


class _Step(Enum):
    COOKIE = "waits for what happened before to be told"
    SCAN = "waits for a scan of the whole root"
    SENT = "waits for what was found to be on the Hub"
    PASSED = "passed"


@dataclass(slots=True)
class _Passage:
    """How far one target is through a barrier."""

    target: Target
    index: int
    step: _Step = _Step.COOKIE
    cookie: str | None = None
    cookie_until: float = 0.0
    taken_up: int = 0  # which watch of the root it relies on
    asked: float = 0.0  # the scan that counts begins after it
    mark: float = 0.0
    refusals: int = 0  # of the destination, before what was found was to be sent
    is_tried_again: bool = False
    gone_since: float | None = None  # since when its root is missing, as far as this barrier has seen

    @property
    def is_decided(self) -> bool:
        """Whether waiting longer would change nothing by itself: a paused target goes on when a person says so."""
        return self.step is _Step.PASSED or (self.step is _Step.SENT and self.target.is_paused)


@dataclass(slots=True)
class _Open:
    """A barrier that was not answered yet."""

    request: Request
    until: float | None
    gives_up: bool
    passages: list[_Passage] = field(default_factory=list)


class Steering:
    """Does what one destination's worker is asked to, beside publishing."""

    def __init__(
        self,
        *,
        targets: Sequence[Target],
        publisher: Publisher,
        guard: DeleteGuard,
        pacing: Pacing,
        ledger: Ledger,
        clock: Callable[[], float],
    ) -> None:
        self._targets = targets
        self._publisher = publisher
        self._guard = guard
        self._pacing = pacing
        self._ledger = ledger
        self._clock = clock
        self._open: list[_Open] = []

    def obey(self, requests: Sequence[Request]) -> bool:
        """Do what was asked. Whether what has settled is to go at once, whatever the pace."""
        at_once = [self._tried(request) for request in requests if not request.is_over()]
        return any(at_once)

    def _tried(self, request: Request) -> bool:
        try:
            return self._do(request)
        except LedgerError as error:
            request.refuse(error)  # the worker meets it again by itself
            return False

    def _do(self, request: Request) -> bool:
        now = self._clock()
        match request.command:
            case Pause(target):
                self._targets[target].is_paused = True  # first: it holds even if the ledger cannot be written now
                self._publisher.give_back()
                request.answer(Answer())
            case Resume(target):
                self._targets[target].is_paused = False
                request.answer(Answer())
            case Retry(target, path):
                self._pacing.insist()
                request.answer(Answer(self._retry(self._targets[target], path, now)))
                return True
            case ConfirmDeletes(target):
                request.answer(Answer(self._guard.confirm(self._targets[target])))
                return True
            case Flush():
                request.answer(Answer(sum(target.settler.hurry(now) for target in self._targets)))
                return True
            case Barrier(until, gives_up):
                passages = [self._begin(index, now) for index in range(len(self._targets))]
                self._open.append(_Open(request, until, gives_up, passages))
        return False

    def _retry(self, target: Target, path: str, now: float) -> int:
        """How many paths were taken out of quarantine, or waited and are hurried."""
        released = [each.path for each in self._ledger.quarantine.of(target.root) if within(each.path, path)]
        self._ledger.quarantine.release(target.root, released)
        for each in released:
            target.settler.note(Change(each, ChangeKind.FOUND, now))
        return max(target.settler.hurry(now, path), len(released))

    def check(self) -> bool:
        """Go on with the barriers. Whether what has settled is to go at once, whatever the pace."""
        hurries = [self._advance(passage) for each in self._open for passage in each.passages]
        self._open = [each for each in self._open if not self._is_over(each)]
        return any(hurries)

    def next_check(self) -> float | None:
        """When a barrier's time is up, or None; all else that moves one also makes the worker turn."""
        moments = [each.until for each in self._open if each.until is not None]
        moments += [
            passage.gone_since + GONE_S
            for each in self._open
            for passage in each.passages
            if each.gives_up and passage.gone_since is not None and self._clock() < passage.gone_since + GONE_S
        ]
        moments += [
            passage.cookie_until for each in self._open for passage in each.passages if passage.step is _Step.COOKIE
        ]
        return min(moments, default=None)

    def close(self, requests: Sequence[Request]) -> None:
        """The worker ends: nobody waits for an answer that does not come."""
        for request in requests:
            request.answer(_answer([Left(0, "", STOPPING)]))
        for each in self._open:
            left = [left for passage in each.passages for left in self._unpublished(passage)]
            each.request.answer(_answer(left or [Left(0, "", STOPPING)]))
        self._open = []

    def _begin(self, index: int, now: float) -> _Passage:
        target = self._targets[index]
        if target.is_lost:
            target.take_up(now)  # it may have been made a moment ago
        return _Passage(target, index, cookie=target.drop_cookie(), cookie_until=now + COOKIE_WAIT_S)

    def _advance(self, passage: _Passage) -> bool:
        """Go as far as it can; whether this brought it to where files are to be sent."""
        target, now = passage.target, self._clock()
        passage.gone_since = (passage.gone_since or now) if target.is_lost else None
        if passage.step is _Step.COOKIE and (not target.awaits(passage.cookie) or now >= passage.cookie_until):
            self._ask_for_scan(passage)
        if passage.step in {_Step.SCAN, _Step.SENT} and target.taken_up != passage.taken_up:
            self._ask_for_scan(passage)  # what waited was forgotten when the root was let go
        is_found = passage.step is _Step.SCAN and target.scanned_from >= passage.asked and not target.is_scanning
        if is_found:
            passage.step, passage.mark, passage.refusals = _Step.SENT, now, self._pacing.refusals
            passage.is_tried_again = False
            target.settler.hurry(now)
        is_still = not self._waits(passage) and not self._guard.decides(target)
        if passage.step is _Step.SENT and not target.is_lost and is_still:
            passage.step = _Step.PASSED
        return passage.step is _Step.SENT and (is_found or self._tries_again(passage))

    def _tries_again(self, passage: _Passage) -> bool:
        if passage.is_tried_again or not self._is_refused(passage, 1):
            return False
        passage.is_tried_again = True
        return True

    def _is_refused(self, passage: _Passage, times: int) -> bool:
        """Whether the Hub refused what was found so often, and no commit was taken since."""
        return self._pacing.is_refused and self._pacing.refusals - passage.refusals >= times

    def _ask_for_scan(self, passage: _Passage) -> None:
        passage.step, passage.asked, passage.taken_up = _Step.SCAN, self._clock(), passage.target.taken_up
        passage.target.scan_now(passage.asked)

    def _waits(self, passage: _Passage) -> bool:
        oldest = passage.target.settler.oldest()
        return (oldest is not None and oldest <= passage.mark) or any(
            True for _ in self._in_hand(passage.target, passage.mark)
        )

    def _in_hand(self, target: Target, mark: float) -> Iterator[Waiting]:
        for parcel in self._publisher.parcels:
            for each in parcel.ready:
                if each.origin.target is target and each.origin.waiting.since <= mark:
                    yield each.origin.waiting

    def _is_over(self, barrier: _Open) -> bool:
        """Whether a barrier is answered, or nobody waits for its answer any more."""
        if barrier.request.is_over():
            return True
        is_decided = all(
            passage.is_decided or (barrier.gives_up and self._is_hopeless(passage)) for passage in barrier.passages
        )
        if not is_decided and (barrier.until is None or self._clock() < barrier.until):
            return False
        barrier.request.answer(_answer(self._left(barrier.passages), self._held(barrier.passages)))
        return True

    def _held(self, passages: Sequence[_Passage]) -> list[Held]:
        held = [(passage.index, *self._guard.held(passage.target)) for passage in passages]
        return [Held(*each) for each in held if each[1]]

    def _is_hopeless(self, passage: _Passage) -> bool:
        """Whether only a person can help."""
        target = passage.target
        if target.is_lost:
            return passage.gone_since is not None and self._clock() >= passage.gone_since + GONE_S
        is_kept = target.refusal is not None or self._is_refused(passage, ENOUGH_REFUSALS)
        return passage.step is _Step.SENT and is_kept

    def _left(self, passages: Sequence[_Passage]) -> list[Left]:
        return [left for passage in passages for left in (*self._unpublished(passage), *self._set_aside(passage))]

    def _unpublished(self, passage: _Passage) -> Iterator[Left]:
        target, index = passage.target, passage.index
        if passage.step is not _Step.PASSED:
            if target.is_lost:
                yield Left(index, "", "the watched directory is missing")
            elif passage.step is not _Step.SENT:
                yield Left(index, "", "the watched directory was not scanned in time")
            mark = passage.mark if passage.step is _Step.SENT else self._clock()
            for waiting in [*target.settler.waits_since(mark), *self._in_hand(target, mark)]:
                yield Left(index, waiting.path, self._why(target, waiting))
        for directory in target.unreadable():
            yield Left(index, directory, "the directory cannot be read")

    def _why(self, target: Target, waiting: Waiting) -> str:
        if target.is_paused:
            return "the target is paused"
        if kept := waiting.trouble or target.refusal or (self._pacing.reason if self._pacing.is_refused else None):
            return kept
        return LATE if self._pacing.reason is None else f"{LATE}: {self._pacing.reason}"

    def _set_aside(self, passage: _Passage) -> Iterator[Left]:
        target = passage.target
        for each in self._ledger.quarantine.of(target.root):
            if each.reason != IGNORED_REASON and target.disk.is_file(each.path):
                yield Left(passage.index, each.path, each.reason)


def _answer(left: Sequence[Left], held: Sequence[Held] = ()) -> Answer:
    return Answer(left=tuple(left[:MOST_LISTED]), left_count=len(left), held=tuple(held))
