"""The loop of one destination: receive → settle → snapshot → plan → intend → commit → record.

One thread runs it and owns all it touches; the inbox and the budget are what it shares. Every retry in hf-watch is
here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import (
    AmbiguousError,
    HubError,
    LedgerError,
    MissingRepoError,
    UnauthorizedError,
    UnreachableError,
)
from hf_watch.pace import backoff_s
from hf_watch.pacing import NAMED_AGAIN_S
from hf_watch.settle import TOGETHER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.after_upload import AfterUpload
    from hf_watch.deletions import DeleteGuard
    from hf_watch.findings import Found, Lost
    from hf_watch.gather import Gatherer
    from hf_watch.inbox import Hints, Inbox
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.opening import Opener
    from hf_watch.pacing import Pacing
    from hf_watch.ports import Hub
    from hf_watch.publish.publisher import Publisher
    from hf_watch.publish.unanswered import Unanswered
    from hf_watch.pulse import Pulse
    from hf_watch.reporting import Reporter
    from hf_watch.snapshots.recording import Recorder
    from hf_watch.snapshots.snapshots import Snapshots
    from hf_watch.status import WorkerStatus
    from hf_watch.steering import Steering
    from hf_watch.target import Target

log = structlog.get_logger()

SCAN_SLICE_S = 0.1  # how long a scan goes on before the inbox is looked at again
TAKE_UP_S = 900.0  # a million directories on a cold disk can be watched in it
GIVE_UP_ATTEMPTS = 6  # a single pass fails after this many in a row, about a minute of a Hub that does not answer


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What the loop is told."""

    name: str  # the destination, for the log
    single_pass: bool  # return when nothing is left; what cannot be published now is a failure


class Worker:
    """Publishes the targets of one destination until it is told to stop; in a single pass, until nothing is left."""

    def __init__(
        self,
        *,
        spec: WorkerSpec,
        targets: Sequence[Target],
        inbox: Inbox,
        hub: Hub,
        ledger: Ledger,
        snapshots: Snapshots,
        recorder: Recorder,
        opener: Opener,
        gatherer: Gatherer,
        publisher: Publisher,
        unanswered: Unanswered,
        after_upload: AfterUpload,
        guard: DeleteGuard,
        steering: Steering,
        reporter: Reporter,
        pacing: Pacing,
        pulse: Pulse,
        clock: Callable[[], float],
        unit_random: Callable[[], float],
    ) -> None:
        self.failure: str | None = None  # why a single pass gave up
        self._spec = spec
        self._targets = targets
        self._inbox = inbox
        self._hub = hub
        self._ledger = ledger
        self._snapshots = snapshots
        self._recorder = recorder
        self._opener = opener
        self._gatherer = gatherer
        self._publisher = publisher
        self._unanswered = unanswered
        self._after_upload = after_upload
        self._guard = guard
        self._steering = steering
        self._reporter = reporter
        self._pacing = pacing
        self._pulse = pulse
        self._clock = clock
        self._unit_random = unit_random
        self._is_open = False
        self._ledger_attempt = 0
        self._named_ledger: float | None = None
        self._ledger_reason: str | None = None
        self._ledger_at: float | None = None  # when it is opened anew
        self._stop_by: float | None = None
        self._is_draining = False
        self._is_token_stale = False
        self._is_hurried = False  # what is due goes without being gathered for longer
        self.status = self._report()  # for other threads to read; replaced, never changed

    def stop(self, by: float) -> None:
        """Ask it, from another thread, to publish what settles until `by` on its clock, and to return."""
        self._stop_by = by
        self._inbox.wake()

    def read_token_again(self) -> None:
        """Ask it, from another thread, to read the token anew; where it was refused, to try at once."""
        self._is_token_stale = True
        self._inbox.wake()

    def left(self) -> int:
        """How many paths wait to be published or are under way, as far as is known; from any thread."""
        return sum(target.waiting + target.in_flight for target in self.status.targets)

    def _left(self) -> int:
        """The same on the worker's own thread, between two calls of the Hub, without what is refused."""
        waiting = sum(len(target.settler) for target in self._targets if target.refusal is None)
        return waiting + self._publisher.in_hand + len(self._after_upload)

    def run(self, on_watching: Callable[[], None] = lambda: None) -> None:
        """Publish. Returns when told to stop, or when a single pass is through; leaves the watches stopped.

        `on_watching` is called once the watches stand and the first scan is asked for.
        """
        self._pulse.beat("beginning to watch", TAKE_UP_S)
        try:
            self._whatever_the_ledger(self._begin)
            on_watching()
            while not self._is_through():
                self.turn()
        finally:
            self._leave()

    def turn(self) -> None:
        """One round: what came in, what is due by time, a slice of a scan, a step towards the Hub."""
        if self._ledger_at is None:
            self._whatever_the_ledger(self._turn)
        elif (wait_s := self._ledger_at - self._clock()) > 0:
            self._await_hints(wait_s)  # what is hinted at meanwhile is found by the scan that comes
        else:
            self._ledger_at = None
            self._whatever_the_ledger(self._ledger.reopen)

    def _begin(self) -> None:
        self._ledger.open_once()
        for target in self._targets:
            target.take_up(self._clock())

    def _leave(self) -> None:
        with contextlib.suppress(LedgerError):  # what is in doubt there stays so
            self._steering.close(self._inbox.requests())
            self._publisher.give_back()
        for target in self._targets:
            target.stop()
        self.status = self._report()

    def _whatever_the_ledger(self, step: Callable[[], None]) -> None:
        try:
            step()
        except LedgerError as error:
            self._begin_anew(error)

    def _turn(self) -> None:
        hints = self._await_hints(self._idle_s())
        now = self._clock()
        self._pulse.beat("looking after its directories", TAKE_UP_S)
        for index, found in hints.items():
            self._targets[index].receive(found, now)
        if self._stop_by is not None and not self._is_draining:
            self._is_draining = True
            for target in self._targets:
                target.rescan(now)  # what was written a moment ago may not have been hinted at yet
        is_asked = self._steering.obey(self._inbox.requests())
        for target in self._targets:
            target.check(now)
        self._pulse.beat()
        if self._is_token_stale:
            self._renew_token()
        for target in self._targets:
            target.explore(now, now + SCAN_SLICE_S)
        self._recorder.second_look.go_on()
        self._snapshots.rest()
        self._guard.check()
        self._steer(is_asked=is_asked)
        if (moment := self._next_publish()) is not None and moment <= self._clock():
            self._publish()
            self._steer()

    def _steer(self, *, is_asked: bool = False) -> None:
        """See how far the barriers are, and publish the status, which is what every turn ends with."""
        if self._steering.check() or is_asked:
            self._is_hurried = True
            self._pacing.hurry()
        self.status = self._report()

    def _report(self, gathered: Iterable[Found | Lost] | None = None) -> WorkerStatus:
        pacing = self._pacing
        return self._reporter.report(
            reason=self._ledger_reason or pacing.reason, is_refused=pacing.is_refused, not_before=pacing.not_before,
            committed_at=pacing.committed_at, gathered=gathered,
        )  # fmt: skip

    def _say_gathered(self, gathered: Iterable[Found | Lost]) -> None:
        self.status = self._report(gathered)

    def _renew_token(self) -> None:
        self._is_token_stale = False
        self._hub.refresh_token()
        if not self._is_open:
            self._pacing.hurry()

    def _await_hints(self, most_s: float) -> dict[int, Hints]:
        """All hints that came, as soon as there is one; none when it took longer than `most_s`."""
        self._pulse.beat("waiting", most_s)
        hints = self._inbox.take(most_s)
        self._pulse.beat()
        return hints

    def _is_through(self) -> bool:
        if self._stop_by is not None:
            return self._is_drained(self._stop_by)
        if not self._spec.single_pass:
            return False
        if self.failure is None and any(target.is_lost for target in self._targets):
            self.failure = "a watched directory is missing"
        if self.failure is not None:
            return True
        if not self._is_open or self._left() or self._is_looking():
            return False
        self.failure = next((target.refusal for target in self._targets if target.refusal is not None), None)
        return True

    def _is_drained(self, stop_by: float) -> bool:
        """Whether to leave: the time is up, nothing is left, or what is left cannot go before the time is up."""
        moment = self._next_publish()
        if self._clock() >= stop_by or (moment is not None and moment >= stop_by):
            return True
        if not self._is_draining:
            return False
        if self._publisher.in_hand or self._after_upload:
            return False
        return not self._is_looking() and not any(t.settles for t in self._targets)

    def _is_looking(self) -> bool:
        """Whether something may still turn up that is to be published."""
        return (
            bool(self._recorder.second_look)
            or self._guard.is_undecided
            or any(target.is_scanning for target in self._targets)
        )

    def _idle_s(self) -> float:
        """How long there is nothing to do unless a hint comes."""
        moments = [target.next_check() for target in self._targets]
        moments += [moment for target in self._targets if (moment := target.next_walk()) is not None]
        others = (
            self._next_publish(), self._steering.next_check(), self._recorder.second_look.next_due(),
            self._guard.next_check(), self._reporter.next_listing(),
        )  # fmt: skip
        moments += [moment for moment in others if moment is not None]
        if self._stop_by is not None:
            moments.append(self._stop_by)
        return max(0.0, min(moments) - self._clock())

    def _next_publish(self) -> float | None:
        """When to go on towards the Hub, or None when there is nothing to do there."""
        due = self._next_due() if self._is_open else 0.0
        return None if due is None else self._pacing.next_at(due)

    def _next_due(self) -> float | None:
        """When the next commit would go if the Hub and the budget let it."""
        if self._publisher.in_hand or self._after_upload:
            return 0.0
        dues = [due for target in self._targets if (due := target.next_due()) is not None]
        overtaken = self._unanswered.next_overtaken() if self._stop_by is None else None
        if overtaken is not None and (not dues or overtaken <= min(dues)):
            return overtaken
        if not dues:
            return self._opener.next_look()
        due = min(dues) + TOGETHER_S
        if self._stop_by is not None or self._is_hurried or self._is_full():
            return due
        return self._pacing.gathered(due)

    def _is_full(self) -> bool:
        """Whether what is due makes a commit that need not wait for more."""
        now, files = self._clock(), self._pacing.size.files
        return sum(target.count_due(now, files) for target in self._targets) >= files

    def _publish(self) -> None:
        """Go one step: open the destination, or make one commit. What the Hub says decides when the next one goes."""
        if not (self._pacing.may_commit(self._left()) if self._is_open else self._pacing.may_ask(self._left())):
            return
        began = self._clock()
        try:
            self._step()
        except (UnauthorizedError, MissingRepoError) as error:
            self._close(error)
        except HubError as error:
            self._back_off(error, began)
        else:
            self._pacing.went_well()
            self._is_hurried = self._is_hurried and self._is_anything_due()

    def _is_anything_due(self) -> bool:
        now = self._clock()
        return any((due := target.next_due()) is not None and due <= now for target in self._targets)

    def _step(self) -> None:
        if self._pacing.is_outage:
            self._probe()
        if self._is_open:
            self._commit()
        else:
            self._open()

    def _probe(self) -> None:
        """Ask for as little as can be whether the Hub is back, before anything is read and sent."""
        try:
            self._hub.head()
        except UnreachableError:
            raise
        except HubError as error:
            log.debug("outage.ended", destination=self._spec.name, reason=str(error))
        self._pacing.answered()

    def _open(self) -> None:
        if self._pacing.is_refused:
            self._hub.refresh_token()
        self._opener.open()
        self._is_open = True
        self._pacing.opened()

    def _commit(self) -> None:
        self._after_upload.act()  # what an earlier step could not finish
        self._make_commit()
        self._after_upload.act()

    def _make_commit(self) -> None:
        if self._opener.look_again() and self._publisher.holds_refused():
            self._publisher.give_back()
        if not self._publisher.in_hand:
            if self._unanswered.look_for_overtaken():
                self._opener.compare()
            self._unanswered.prepare()
            self._publisher.put(self._gatherer.gather(self._pacing.size.files, self._say_gathered))
            self.status = self._report()
        if not self._publisher.in_hand:
            return
        files, held_bytes = self._publisher.next_batch()
        began = self._clock()
        try:
            receipt = self._publisher.commit()
        except AmbiguousError:
            self._pacing.not_answered()
            raise
        if receipt is None:
            self._pacing.parted()
            return
        self._pacing.committed(files, held_bytes, self._clock() - began)
        self._say_ledger_works()

    def _back_off(self, error: HubError, began: float) -> None:
        self._pacing.back_off(error, began, self._left())
        if self._spec.single_pass and self._pacing.attempt >= GIVE_UP_ATTEMPTS:
            self.failure = str(error)

    def _close(self, error: HubError) -> None:
        """Stop publishing here until somebody acts; go on watching, and try again slowly with the token read anew."""
        self._publisher.give_back()
        self._is_open = False
        self._pacing.refused(error, self._left())
        if self._spec.single_pass:
            self.failure = str(error)

    def _begin_anew(self, error: LedgerError) -> None:
        """Nothing may be committed that was not intended on disk: wait until the ledger can be written, and start over.

        All that is held in memory is let go of: the disk and what the ledger says then decide.
        """
        self._publisher.let_go()
        self._recorder.let_go()
        self._guard.let_go()
        for target in self._targets:
            target.let_go()
        self._is_open = False
        self._ledger_attempt += 1
        wait_s = backoff_s(self._ledger_attempt, self._unit_random())
        self._ledger_reason = str(error)
        self._name_ledger(error, wait_s)
        if self._spec.single_pass and self._ledger_attempt >= GIVE_UP_ATTEMPTS:
            self.failure = str(error)
        self._ledger_at = self._clock() + wait_s
        if self._stop_by is not None:
            self._ledger_at = min(self._ledger_at, self._stop_by)
        self.status = self._report()

    def _name_ledger(self, error: LedgerError, wait_s: float) -> None:
        now = self._clock()
        if self._named_ledger is None or now - self._named_ledger >= NAMED_AGAIN_S:
            self._named_ledger = now
            log.error(
                "ledger.failed", destination=self._spec.name, reason=str(error), attempt=self._ledger_attempt,
                not_before_s=round(wait_s, 1),
            )  # fmt: skip

    def _say_ledger_works(self) -> None:
        """A batch was intended and recorded."""
        if self._ledger_attempt:
            log.info("ledger.recovered", destination=self._spec.name, attempt=self._ledger_attempt)
        self._ledger_attempt, self._named_ledger, self._ledger_reason = 0, None, None
