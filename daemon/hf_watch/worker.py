"""The loop of one destination: receive → settle → snapshot → plan → intend → commit → record.

One thread runs it and owns all it touches; the inbox and the budget are what it shares. Every retry in hf-watch is
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import AmbiguousError, HubError, MissingRepoError, RetryableError, UnauthorizedError
from hf_watch.pace import backoff_s
from hf_watch.settle import TOGETHER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.budget import Budget
    from hf_watch.gather import Gatherer
    from hf_watch.inbox import Hints, Inbox
    from hf_watch.opening import Opener
    from hf_watch.ports import Hub
    from hf_watch.publish import Publisher
    from hf_watch.pulse import Pulse
    from hf_watch.reporting import Reporter
    from hf_watch.snapshots import Found, Lost
    from hf_watch.status import WorkerStatus
    from hf_watch.steering import Steering
    from hf_watch.target import Target

log = structlog.get_logger()

SHORTEST_WAIT_S = 0.001  # what rounding leaves of a wait is too little to move a clock
SCAN_SLICE_S = 0.1  # how long a scan goes on before the inbox is looked at again
CLOSED_RETRY_S = 60.0  # a token or repo that was refused is tried again this often
CLOSED_NAMED_S = 3600.0  # and named again this often
TAKE_UP_S = 900.0  # a million directories on a cold disk can be watched in it
BUDGET_SPENT = "the budget of commits or bytes is spent"
GIVE_UP_ATTEMPTS = 6  # a single pass fails after this many in a row, about a minute of a Hub that does not answer


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What the loop is told."""

    name: str  # the destination, for the log
    most_files: int  # what makes a commit full
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
        opener: Opener,
        gatherer: Gatherer,
        publisher: Publisher,
        steering: Steering,
        reporter: Reporter,
        budget: Budget,
        pulse: Pulse,
        clock: Callable[[], float],
        unit_random: Callable[[], float],
    ) -> None:
        self.failure: str | None = None  # why a single pass gave up
        self._spec = spec
        self._targets = targets
        self._inbox = inbox
        self._hub = hub
        self._opener = opener
        self._gatherer = gatherer
        self._publisher = publisher
        self._steering = steering
        self._reporter = reporter
        self._budget = budget
        self._pulse = pulse
        self._clock = clock
        self._unit_random = unit_random
        self._is_open = False
        self._attempt = 0
        self._not_before = 0.0
        self._named_closed: float | None = None
        self._is_deferred = False
        self._stop_by: float | None = None
        self._is_draining = False
        self._is_hurried = False  # what is due goes without being gathered for longer
        self._reason: str | None = None  # why nothing goes at the moment
        self.status = self._report()  # for other threads to read; replaced, never changed

    def stop(self, by: float) -> None:
        """Ask it, from another thread, to publish what settles until `by` on its clock, and to return."""
        self._stop_by = by
        self._inbox.wake()

    def left(self) -> int:
        """How many paths wait to be published, as far as is known; from any thread."""
        return sum(len(target.settler) for target in self._targets) + self._publisher.in_hand

    def run(self, on_watching: Callable[[], None] = lambda: None) -> None:
        """Publish. Returns when told to stop, or when a single pass is through; leaves the watches stopped.

        `on_watching` is called once the watches stand and the first scan is asked for.
        """
        self._pulse.beat("beginning to watch", TAKE_UP_S)
        try:
            for target in self._targets:
                target.take_up(self._clock())
            on_watching()
            while not self._is_through():
                self._turn()
        finally:
            self._steering.close(self._inbox.requests())
            self._publisher.give_back()
            for target in self._targets:
                target.stop()

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
        for target in self._targets:
            target.explore(now, now + SCAN_SLICE_S)
        self._steer(is_asked=is_asked)
        if (moment := self._next_publish()) is not None and moment <= self._clock():
            self._publish()
            self._steer()

    def _steer(self, *, is_asked: bool = False) -> None:
        """See how far the barriers are, and publish the status, which is what every turn ends with."""
        if self._steering.check() or is_asked:
            self._is_hurried = True
            self._not_before = min(self._not_before, self._clock())
        self.status = self._report()

    def _report(self, gathered: Iterable[Found | Lost] | None = None) -> WorkerStatus:
        is_refused = self._named_closed is not None
        return self._reporter.report(
            reason=self._reason, is_refused=is_refused, not_before=self._not_before, gathered=gathered
        )

    def _say_gathered(self, gathered: Iterable[Found | Lost]) -> None:
        self.status = self._report(gathered)

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
        return self.failure is not None or (self._is_open and not self.left() and not self._is_scanning())

    def _is_drained(self, stop_by: float) -> bool:
        """Whether to leave: the time is up, nothing is left, or what is left cannot go before the time is up."""
        moment = self._next_publish()
        if self._clock() >= stop_by or (moment is not None and moment >= stop_by):
            return True
        if not self._is_draining:
            return False
        return not self._publisher.in_hand and not self._is_scanning() and not any(t.settles for t in self._targets)

    def _is_scanning(self) -> bool:
        return any(target.is_scanning for target in self._targets)

    def _idle_s(self) -> float:
        """How long there is nothing to do unless a hint comes."""
        moments = [target.next_check() for target in self._targets]
        moments += [moment for target in self._targets if (moment := target.next_walk()) is not None]
        moments += [moment for moment in (self._next_publish(), self._steering.next_check()) if moment is not None]
        if self._stop_by is not None:
            moments.append(self._stop_by)
        return max(0.0, min(moments) - self._clock())

    def _next_publish(self) -> float | None:
        """When to go on towards the Hub, or None when there is nothing to do there."""
        if not self._is_open:
            return self._not_before
        due = self._next_due()
        return None if due is None else max(due, self._not_before)

    def _next_due(self) -> float | None:
        """When the next commit would go if the Hub and the budget let it."""
        if self._publisher.in_hand:
            return 0.0
        dues = [due for target in self._targets if (due := target.next_due()) is not None]
        if not dues:
            return None
        due = min(dues) + TOGETHER_S
        if self._stop_by is not None or self._is_hurried or self._is_full():
            return due
        return self._budget.gathered(due)

    def _is_full(self) -> bool:
        """Whether what is due makes a commit that need not wait for more."""
        now = self._clock()
        return sum(target.count_due(now, self._spec.most_files) for target in self._targets) >= (self._spec.most_files)

    def _publish(self) -> None:
        """Go one step: open the destination, or make one commit. What the Hub says decides when the next one goes."""
        try:
            if not self._is_open:
                self._opener.open()
                self._is_open, self._named_closed = True, None
            elif (wait_s := max(self._budget.wait_s(), self._budget.send_wait_s())) > 0:
                self._defer(wait_s)
                return
            else:
                self._commit()
        except (UnauthorizedError, MissingRepoError) as error:
            self._close(error)
        except HubError as error:
            self._back_off(error)
        else:
            self._attempt = 0
            self._is_deferred = False
            self._reason = None
            self._is_hurried = self._is_hurried and self._is_anything_due()

    def _is_anything_due(self) -> bool:
        now = self._clock()
        return any((due := target.next_due()) is not None and due <= now for target in self._targets)

    def _commit(self) -> None:
        if not self._publisher.in_hand:
            self._publisher.prepare()
            self._publisher.put(self._gatherer.gather(self._say_gathered))
            self.status = self._report()
        if not self._publisher.in_hand:
            return
        held_bytes = self._publisher.held_bytes
        try:
            receipt = self._publisher.commit()
        except AmbiguousError:
            self._budget.spend()  # the Hub may have counted it
            raise
        if receipt is not None:
            self._budget.spend()
            self._budget.sent(held_bytes)

    def _defer(self, wait_s: float) -> None:
        """Wait for the pace that we set ourselves."""
        self._not_before = self._clock() + max(wait_s, SHORTEST_WAIT_S)
        self._reason = BUDGET_SPENT
        if not self._is_deferred:
            self._is_deferred = True
            log.info(
                "commit.deferred", destination=self._spec.name, reason=BUDGET_SPENT,
                not_before_s=round(wait_s, 1), files=self.left(),
            )  # fmt: skip

    def _back_off(self, error: HubError) -> None:
        """Try again later, and later each time."""
        self._attempt += 1
        asked_s = error.retry_after_s if isinstance(error, RetryableError) else None
        wait_s = backoff_s(self._attempt, self._unit_random(), asked_s)
        self._not_before = self._clock() + wait_s
        self._reason = str(error)
        if asked_s is not None:
            self._budget.hold(wait_s)
        log.warning(
            "commit.deferred", destination=self._spec.name, reason=str(error), attempt=self._attempt,
            not_before_s=round(wait_s, 1), files=self.left(),
        )  # fmt: skip
        if self._spec.single_pass and self._attempt >= GIVE_UP_ATTEMPTS:
            self.failure = str(error)

    def _close(self, error: HubError) -> None:
        """Stop publishing here until somebody acts; go on watching, and try again slowly with the token read anew."""
        self._publisher.give_back()
        self._is_open = False
        self._reason = str(error)
        self._hub.refresh_token()
        now = self._clock()
        self._not_before = now + CLOSED_RETRY_S
        if self._named_closed is None or now - self._named_closed >= CLOSED_NAMED_S:
            self._named_closed = now
            log.error(
                "destination.refused", destination=self._spec.name, reason=str(error), not_before_s=CLOSED_RETRY_S,
                files=self.left(),
            )  # fmt: skip
        if self._spec.single_pass:
            self.failure = str(error)
