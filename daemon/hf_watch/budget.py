"""What the workers of one account share: its hourly budget of commits, and how fast bytes may go out.

The only thing besides the inbox that threads share; a lock around two frozen values.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hf_watch.pace import Bucket, Throttle


class Budget:
    """The pace of one account, on a monotonic clock."""

    def __init__(self, bucket: Bucket, throttle: Throttle, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._throttle = throttle
        self._clock = clock
        self._held_until = 0.0
        self._lock = threading.Lock()

    def restore(self, ages_s: Iterable[float]) -> None:
        """Take into account the commits made before this process began, by how long ago they were.

        The bucket must have been full at a time before the first of them.
        """
        now = self._clock()
        with self._lock:
            for age_s in _plausible(ages_s, self._bucket.burst):
                self._bucket = self._bucket.spent(now - age_s)

    def wait_s(self) -> float:
        """How long until a commit may go."""
        now = self._clock()
        with self._lock:
            return max(self._bucket.wait_s(now), self._held_until - now, 0.0)

    def spend(self) -> None:
        """A commit was made, or may have been."""
        with self._lock:
            self._bucket = self._bucket.spent(self._clock())

    def hold(self, wait_s: float) -> None:
        """The Hub refused the account for now: nobody commits before `wait_s` has passed."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + wait_s)

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
