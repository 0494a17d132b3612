"""One destination's thread: hints come in, scans go on, what settled is published, and its status is told."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hf_watch.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.snapshots.recording import Recorder
    from hf_watch.snapshots.screening import Screening
    from hf_watch.targets.findings import Found, Lost
    from hf_watch.targets.target import Target
    from hf_watch.threads.inbox import Hints, Inbox
    from hf_watch.threads.pulse import Pulse
    from hf_watch.worker.committing import Committer
    from hf_watch.worker.deletions import DeleteGuard
    from hf_watch.worker.recovery import Recovery
    from hf_watch.worker.reporting import Reporter
    from hf_watch.worker.steering import Steering

SCAN_SLICE_S = 0.1  # how long a scan goes on before the inbox is looked at again
TAKE_UP_S = 900.0  # a million directories on a cold disk can be watched in it
CUT_SHORT = "it was stopped before everything was published"


class Worker:
    """Publishes the targets of one destination until it is told to stop; in a single pass, until nothing is left."""

    def __init__(
        self,
        *,
        single_pass: bool,
        targets: Sequence[Target],
        inbox: Inbox,
        committer: Committer,
        recovery: Recovery,
        recorder: Recorder,
        screening: Screening,
        guard: DeleteGuard,
        steering: Steering,
        reporter: Reporter,
        pulse: Pulse,
        clock: Callable[[], float],
    ) -> None:
        self._single_pass = single_pass
        self._targets = targets
        self._inbox = inbox
        self._committer = committer
        self._recovery = recovery
        self._recorder = recorder
        self._screening = screening
        self._guard = guard
        self._steering = steering
        self._reporter = reporter
        self._pulse = pulse
        self._clock = clock
        self._failure: str | None = None
        self._has_passed = False  # a single pass came to its end
        self._stop_by: float | None = None
        self._is_draining = False
        self._is_token_stale = False
        self.status = reporter.report()  # for other threads to read; replaced, never changed

    @property
    def failure(self) -> str | None:
        """Why a single pass gave up, or did not come to its end."""
        failure = self._failure or self._committer.failure or self._recovery.failure
        is_cut_short = self._single_pass and self._stop_by is not None and not self._has_passed
        return failure or (CUT_SHORT if is_cut_short else None)

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
        wait_s = self._recovery.wait_s()
        if wait_s is None:
            self._whatever_the_ledger(self._turn)
        elif wait_s > 0:
            self._await_hints(wait_s)  # what is hinted at meanwhile is found by the scan that comes
        else:
            self._whatever_the_ledger(self._recovery.reopen)

    def _begin(self) -> None:
        self._recovery.open()
        for target in self._targets:
            target.take_up(self._clock())

    def _leave(self) -> None:
        with contextlib.suppress(LedgerError):  # what is in doubt there stays so
            self._steering.close(self._inbox.requests())
            self._committer.give_back()
        for target in self._targets:
            target.stop()
        self.status = self._reporter.report()

    def _whatever_the_ledger(self, step: Callable[[], None]) -> None:
        try:
            step()
        except LedgerError as error:
            self._begin_anew(error)

    def _begin_anew(self, error: LedgerError) -> None:
        """Nothing may be committed that was not intended on disk: wait until the ledger can be written, and start over.

        All that is held in memory is let go of: the disk and what the ledger says then decide.
        """
        self._committer.let_go()
        self._recorder.let_go()
        self._guard.let_go()
        for target in self._targets:
            target.let_go()
        self._recovery.failed(error, self._stop_by)
        self.status = self._reporter.report()

    def _turn(self) -> None:
        self._receive(self._await_hints(self._idle_s()))
        is_asked = self._steering.obey(self._inbox.requests())
        self._look_after()
        self._guard.check()
        self._steer(is_asked=is_asked)
        if (moment := self._next_publish()) is not None and moment <= self._clock():
            self._committer.go_on(self._say_gathered)
            self._steer()

    def _await_hints(self, most_s: float) -> dict[int, Hints]:
        """All hints that came, as soon as there is one; none when it took longer than `most_s`."""
        self._pulse.beat("waiting", most_s)
        hints = self._inbox.take(most_s)
        self._pulse.beat()
        return hints

    def _receive(self, hints: dict[int, Hints]) -> None:
        now = self._clock()
        self._pulse.beat("looking after its directories", TAKE_UP_S)
        for index, found in hints.items():
            self._targets[index].receive(found, now)
        if self._stop_by is not None and not self._is_draining:
            self._is_draining = True
            for target in self._targets:
                target.rescan(now)  # what was written a moment ago may not have been hinted at yet

    def _look_after(self) -> None:
        """See to what is due by time, and go on with what is looked for on disk."""
        now = self._clock()
        for target in self._targets:
            target.check(now)
        self._pulse.beat()
        if self._is_token_stale:
            self._is_token_stale = False
            self._committer.renew_token()
        for target in self._targets:
            target.explore(now, now + SCAN_SLICE_S)
        self._recorder.second_look.go_on()
        self._screening.rest()

    def _steer(self, *, is_asked: bool = False) -> None:
        """See how far the barriers are, and publish the status, which is what every turn ends with."""
        if self._steering.check() or is_asked:
            self._committer.hurry()
        self.status = self._reporter.report()

    def _say_gathered(self, gathered: Iterable[Found | Lost] | None) -> None:
        self.status = self._reporter.report(gathered)

    def _is_through(self) -> bool:
        if self._stop_by is not None:
            is_drained = self._is_drained(self._stop_by)
            self._has_passed = is_drained and self._is_done()
            return is_drained
        if not self._single_pass:
            return False
        if self.failure is None and any(target.is_lost for target in self._targets):
            self._failure = "a watched directory is missing"
        if self.failure is not None:
            return True
        if not self._is_done():
            return False
        self._failure = next((target.refusal for target in self._targets if target.refusal is not None), None)
        self._has_passed = True
        return True

    def _is_done(self) -> bool:
        """Whether all that is known of is published, and nothing more may turn up."""
        return self._committer.is_open and not self._committer.left() and not self._is_looking()

    def _is_drained(self, stop_by: float) -> bool:
        """Whether to leave: the time is up, nothing is left, or what is left cannot go before the time is up."""
        moment = self._next_publish()
        if self._clock() >= stop_by or (moment is not None and moment >= stop_by):
            return True
        if not self._is_draining or self._committer.has_in_hand:
            return False
        return not self._is_looking() and not any(target.settles for target in self._targets)

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
            self._guard.next_check(), self._reporter.next_listing(), self._stop_by,
        )  # fmt: skip
        moments += [moment for moment in others if moment is not None]
        return max(0.0, min(moments) - self._clock())

    def _next_publish(self) -> float | None:
        """When to go on towards the Hub, or None when there is nothing to do there."""
        return self._committer.next_at(is_ending=self._stop_by is not None)
