"""When may the next commit go? Pure: time and chance come in as arguments.

The Hub takes about 128 commits an hour from one account and then refuses for up to an hour. A token bucket stays below
that; while it is full a file goes at once, and the emptier it gets the longer files are gathered for the next commit,
so that a steady stream makes fewer, larger commits instead of running into the wall.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0  # an outage costs one light attempt a minute, and ends within a minute of the Hub's return


@dataclass(frozen=True, slots=True)
class Bucket:
    """`tokens` commits may go at once at `at`; `per_hour` more come in an hour, up to `burst`. 0 an hour: no limit."""

    per_hour: float
    burst: float
    tokens: float
    at: float

    def now(self, now: float) -> Bucket:
        """The bucket as it is at `now`."""
        gained = max(now - self.at, 0.0) * self.per_hour / 3600.0
        return Bucket(self.per_hour, self.burst, min(self.burst, self.tokens + gained), max(now, self.at))

    def spent(self, now: float) -> Bucket:
        """The bucket after a commit at `now`; it may go into debt, which is paid back first."""
        current = self.now(now)
        return Bucket(self.per_hour, self.burst, current.tokens - 1.0, current.at)

    def wait_s(self, now: float) -> float:
        """How long until one commit may go."""
        if not self.per_hour:
            return 0.0
        return max(0.0, 1.0 - self.now(now).tokens) * 3600.0 / self.per_hour

    def gather_s(self, now: float) -> float:
        """How long files should be gathered before a commit that is not full.

        Nothing with a full bucket, the time of one token with an empty one; the cube keeps it below a second until
        two thirds of the burst are left.
        """
        if not self.per_hour:
            return 0.0
        empty = 1.0 - max(self.now(now).tokens, 0.0) / self.burst
        return empty**3 * 3600.0 / self.per_hour


def full_bucket(per_hour: float, burst: float, now: float) -> Bucket:
    """The bucket of an account that has not committed lately."""
    return Bucket(per_hour, burst, burst, now)


def backoff_s(attempt: int, unit_random: float, retry_after_s: float | None = None) -> float:
    """How long to wait before attempt number `attempt` (1 is the first retry), `unit_random` from [0, 1).

    Doubles from 1 s to 60 s with half of it jitter; what the Hub asks for is waited in full, plus a little jitter.
    """
    ceiling = min(FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 10), LONGEST_BACKOFF_S)
    own = ceiling * (0.5 + 0.5 * unit_random)
    return own if retry_after_s is None else max(own, retry_after_s + min(1.0, ceiling) * unit_random)


@dataclass(frozen=True, slots=True)
class Throttle:
    """An average rate of bytes: what was sent is waited for afterwards. 0 bytes a second: no limit."""

    bytes_per_s: float
    free_at: float = 0.0

    def sent(self, size_bytes: int, now: float) -> Throttle:
        """The throttle after `size_bytes` went out, beginning at `now`."""
        if not self.bytes_per_s:
            return self
        return Throttle(self.bytes_per_s, max(self.free_at, now) + size_bytes / self.bytes_per_s)

    def wait_s(self, now: float) -> float:
        """How long until more may be sent."""
        return max(0.0, self.free_at - now)
