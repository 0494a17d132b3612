"""When one destination may go on towards the Hub, why it waits, and how much goes at a time.

On its worker's thread. What several destinations share, the account's budget and the outage, is asked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import UnreachableError
from hf_watch.logs.repeats import Repeats
from hf_watch.rules.pace import CommitSize, backoff_s
from hf_watch.threads.measured import PutOff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hf_watch.errors import HubError
    from hf_watch.ledger.waits import Waits
    from hf_watch.logs.repeats import Repeated
    from hf_watch.pacing.budget import Budget
    from hf_watch.pacing.outage import Outage
    from hf_watch.threads.measured import Observe

log = structlog.get_logger()

SHORTEST_WAIT_S = 0.001  # what rounding leaves of a wait is too little to move a clock
REFUSED_RETRY_S = 60.0  # a token or repo that was refused is tried again this often
GIVE_UP_ATTEMPTS = 6  # a single pass fails after this many in a row, about a minute of a Hub that does not answer
NAMED_AGAIN_S = 3600.0  # what a person must see to is named again this often
DEFERRED = "commit.deferred"
BUDGET_SPENT = "the budget of commits or bytes is spent"
HUB_ASKED = "the Hub asked to be left alone"


class Pacing:
    """The pace of one destination, called `name` in the log and in the account's line."""

    def __init__(
        self,
        name: str,
        endpoint: str,
        size: CommitSize,
        *,
        budget: Budget,
        waits: Waits,
        outage: Outage,
        clock: Callable[[], float],
        unit_random: Callable[[], float],
        observe: Observe,
    ) -> None:
        self.size = size
        self.attempt = 0  # how often in a row it was put off
        self.not_before = 0.0
        self.reason: str | None = None  # why nothing goes at the moment
        self.refusals = 0  # how often a person was said to have to act
        self.committed_at: float | None = None  # the last commit, on its clock
        self._name = name
        self._endpoint = endpoint
        self._budget = budget
        self._waits = waits
        self._outage = outage
        self._clock = clock
        self._unit_random = unit_random
        self._observe = observe
        self._is_deferred = False
        self._named_at: float | None = None
        self._repeats = Repeats()  # since the last step that was made

    @property
    def is_refused(self) -> bool:
        """Whether a person must act before anything goes."""
        return self._named_at is not None

    def next_at(self, due: float) -> float:
        """When what is due may go, as far as is known."""
        outage_s = self._outage.wait_s() if self._outage.is_known else 0.0
        return max(due, self.not_before, self._clock() + outage_s)

    def gathered(self, due: float) -> float:
        """When files that are due from `due` on have been gathered long enough for their commit."""
        return self._budget.gathered(due)

    def hurry(self) -> None:
        """Somebody asked: do not wait for a pace of our own."""
        self.not_before = min(self.not_before, self._clock())

    def insist(self) -> None:
        """A person asked: do not wait for what the Hub said to an earlier process either; LedgerError."""
        self._budget.insist()
        self._waits.forget(self._endpoint)

    def may_ask(self, files: int) -> bool:
        """Whether a request may go now; `files` wait for it."""
        return self._may_go(self._budget.request_wait_s(), files)

    def may_commit(self, files: int) -> bool:
        """Whether a commit may go now; `files` wait for it."""
        return self._may_go(max(self._budget.commit_wait_s(self._name), self._budget.send_wait_s()), files)

    def _may_go(self, wait_s: float, files: int) -> bool:
        if wait_s > 0:
            self._defer(wait_s, files)
            return False
        return self._outage.take_turn()  # else another worker asks, and wakes this one

    def _defer(self, wait_s: float, files: int) -> None:
        self.not_before = self._clock() + max(wait_s, SHORTEST_WAIT_S)
        self.reason = HUB_ASKED if self._budget.request_wait_s() else BUDGET_SPENT
        if not self._is_deferred:
            self._is_deferred = True
            log.info(DEFERRED, destination=self._name, reason=self.reason, **_waits(wait_s, files))

    @property
    def is_outage(self) -> bool:
        """Whether the Hub did not answer when it was last asked: ask it lightly before anything else."""
        return self._outage.is_known

    def answered(self) -> None:
        """The Hub answers, whatever it says."""
        self._outage.ended()

    def opened(self) -> None:
        """The destination takes commits."""
        self._named_at = None

    def went_well(self) -> None:
        """A step towards the Hub was made."""
        if self.attempt:
            self._sum_up(self._repeats.rest())
            self._repeats = Repeats()
        self.attempt = 0
        self.reason = None
        self._is_deferred = False

    def committed(self, files: int, held_bytes: int, duration_s: float) -> None:
        """A commit of so many files was made; `held_bytes` went out inside it."""
        self._budget.spend(self._name)
        self._budget.sent(held_bytes)
        self.committed_at = self._clock()
        self.size = self.size.after(files, duration_s, short=self._budget.is_low)

    def parted(self) -> None:
        """A commit was refused as a whole: it drew nothing, and the next one is smaller."""
        self.size = self.size.smaller()

    def not_answered(self) -> None:
        """A commit got no answer; the Hub may have counted it."""
        self._budget.spend(self._name)
        self.size = self.size.smaller()

    def back_off(self, error: HubError, began: float, files: int) -> None:
        """Try again later, and later each time; the attempt that failed was begun at `began`.

        What the Hub asked to wait is written down, for whoever comes after a restart: LedgerError.
        """
        self.attempt += 1
        self._observe(PutOff(self._name, _cause(error)))
        asked_s = error.retry_after_s
        self.not_before = began + backoff_s(self.attempt, self._unit_random(), asked_s)
        self.reason = str(error)
        wait_s = max(0.0, self.not_before - self._clock())
        if isinstance(error, UnreachableError):
            self._outage.began(began)
        if asked_s is not None:
            self._budget.hold(wait_s)
            self._waits.note(self._endpoint, wait_s)
        if self._repeats.tells(DEFERRED, self.reason, "", self._clock()):
            log.warning(
                DEFERRED, destination=self._name, reason=self.reason, attempt=self.attempt, **_waits(wait_s, files)
            )
        self._sum_up(self._repeats.due(self._clock()))

    def _sum_up(self, sums: Iterable[Repeated]) -> None:
        for each in sums:
            log.warning(DEFERRED, destination=self._name, reason=each.reason, repeated=each.count, attempt=self.attempt)

    def refused(self, error: HubError, files: int) -> None:
        """A person must act: try again slowly; say so at once, and then every hour."""
        now = self._clock()
        self.refusals += 1
        self.not_before = now + REFUSED_RETRY_S
        self.reason = str(error)
        self._observe(PutOff(self._name, _cause(error)))
        if self._named_at is None or now - self._named_at >= NAMED_AGAIN_S:
            self._named_at = now
            log.error(
                "destination.refused", destination=self._name, reason=self.reason, not_before_s=REFUSED_RETRY_S,
                files=files,
            )  # fmt: skip


def _cause(error: HubError) -> str:
    return type(error).__name__.removesuffix("Error").lower()


def _waits(wait_s: float, files: int) -> dict[str, object]:
    says = f"next commit in {wait_s:.0f} s, {files} file{'s' * (files != 1)} waiting"
    return {"not_before_s": round(wait_s, 1), "files": files, "says": says}
