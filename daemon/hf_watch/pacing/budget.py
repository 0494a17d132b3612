"""What the workers of one account share: its budget of commits and requests, and how fast bytes may go out.

An account is a token and an endpoint. With the inbox and the outage it is all that threads share; a lock around a few
frozen values.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hf_watch.rules.pace import Bucket, Throttle

TURN_KEPT_S = 5.0  # whoever was told to wait for its turn and does not come back gives it up
REQUESTS_KEPT = 50  # of the Hub's quota, for what is under way: one large commit takes about 30
REQUESTS_KEPT_SHARE = 10  # and never more than a tenth of it


class Budget:
    """The pace of one account, on a monotonic clock. `who` is the destination that asks."""

    def __init__(self, bucket: Bucket, throttle: Throttle, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._throttle = throttle
        self._clock = clock
        self._held_until = 0.0  # by the Hub's word
        self._kept_until = 0.0  # by its word to an earlier process
        self._turns: dict[str, float] = {}  # who waits for a commit, in order, and until when the turn is kept
        self._lock = threading.Lock()

    def restore(self, ages_s: Iterable[float], wait_s: float = 0.0) -> None:
        """Take into account the commits made before this process began, by how long ago they were.

        The bucket must have been full at a time before the first of them. `wait_s` is what is left of the time that
        the Hub asked to be left alone.
        """
        now = self._clock()
        with self._lock:
            self._kept_until = now + wait_s
            for age_s in _plausible(ages_s, self._bucket.burst):
                self._bucket = self._bucket.spent(now - age_s)

    @property
    def bucket(self) -> Bucket:
        """The commits that may go, as of now, for somebody who only wants to know."""
        with self._lock:
            return self._bucket.now(self._clock())

    def commit_wait_s(self, who: str) -> float:
        """How long until `who` may commit: the Hub lets the account, and those who asked before have had their turn."""
        now = self._clock()
        with self._lock:
            self._turns = {each: kept for each, kept in self._turns.items() if kept >= now}
            self._turns.setdefault(who, now)
            place = list(self._turns).index(who) + 1
            wait_s = max(self._bucket.wait_s(now, place), self._hold_s(now))
            self._turns[who] = now + wait_s + TURN_KEPT_S
            return wait_s

    def request_wait_s(self) -> float:
        """How long until any request may go."""
        with self._lock:
            return self._hold_s(self._clock())

    def _hold_s(self, now: float) -> float:
        return max(self._held_until - now, self._kept_until - now, 0.0)

    def insist(self) -> None:
        """Somebody wants it asked, whatever the Hub said to an earlier process; what it said to this one stands."""
        with self._lock:
            self._kept_until = 0.0

    def spend(self, who: str) -> None:
        """`who` made a commit, or may have made one; its next turn comes after all who wait."""
        with self._lock:
            self._bucket = self._bucket.spent(self._clock())
            self._turns.pop(who, None)

    def hold(self, wait_s: float) -> None:
        """The Hub refused the account for now: nobody asks it anything before `wait_s` has passed."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + wait_s)

    def see_quota(self, remaining: int, limit: int | None, reset_s: float) -> None:
        """What the Hub said of its quota of requests; from any thread. What is left is kept for what is under way."""
        kept = REQUESTS_KEPT if limit is None else min(REQUESTS_KEPT, limit // REQUESTS_KEPT_SHARE)
        if remaining <= kept:
            self.hold(reset_s)

    @property
    def commits_left(self) -> float:
        """How many commits may go at once; infinity where nothing limits them."""
        with self._lock:
            return max(0.0, self._bucket.now(self._clock()).tokens) if self._bucket.is_limited else math.inf

    @property
    def is_low(self) -> bool:
        """Whether commits are running short, so that each should take more."""
        with self._lock:
            return self._bucket.is_low(self._clock())

    def gathered(self, due: float) -> float:
        """When files that are due from `due` on have been gathered long enough for their commit."""
        now = self._clock()
        with self._lock:
            return due + self._bucket.gather_s(now)

    def sent(self, size_bytes: int) -> None:
        """Bytes went out."""
        with self._lock:
            self._throttle = self._throttle.sent(size_bytes, self._clock())

    def send_wait_s(self) -> float:
        """How long until more bytes may go out."""
        with self._lock:
            return self._throttle.wait_s(self._clock())


def _plausible(ages_s: Iterable[float], burst: float) -> list[float]:
    """The ages, oldest first. A wall clock that was set back leaves commits of the future, a day of them perhaps.

    Nobody knows how old those are: so many count, as made just now, that commits go one by one, none waits for days.
    """
    ages_s = sorted(ages_s, reverse=True)
    known = [age_s for age_s in ages_s if age_s >= 0]
    return known + [0.0] * min(len(ages_s) - len(known), int(burst))
