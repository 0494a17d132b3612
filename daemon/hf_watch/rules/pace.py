"""When may the next commit go? Pure: time and chance come in as arguments.

The Hub takes about 128 commits an hour from one account and then refuses for up to an hour. A token bucket stays below
that; while it is full a file goes at once, and the emptier it gets the longer files are gathered for the next commit,
so that a steady stream makes fewer, larger commits instead of running into the wall.
"""

from __future__ import annotations

from dataclasses import dataclass

HUB_PER_HOUR = 128  # commits of one account, as the Hub's refusals say
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0  # an outage costs one light attempt a minute, and ends within a minute of the Hub's return
# The end of an outage of a minute is found within half of one, which leaves the other half to publish what gathered.
# That takes nine requests in the first two minutes, the first of them included; later ones are a minute apart.
BACKOFFS_S = (FIRST_BACKOFF_S, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0, LONGEST_BACKOFF_S)
FAST_COMMIT_S = 15.0  # a quarter of what the Hub allows: twice the files still end well
SLOW_COMMIT_S = 30.0  # half of what the Hub allows
SMALLEST_COMMIT = 50  # what the Hub's documentation recommends for slow ones


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

    def wait_s(self, now: float, count: int = 1) -> float:
        """How long until `count` commits may go."""
        if not self.is_limited:
            return 0.0
        return max(0.0, count - self.now(now).tokens) * 3600.0 / self.per_hour

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.per_hour > 0

    def is_low(self, now: float) -> bool:
        """Whether less than half of the burst is left."""
        return self.is_limited and self.now(now).tokens < self.burst / 2

    def gather_s(self, now: float) -> float:
        """How long files should be gathered before a commit that is not full.

        Nothing with a full bucket, the time of one token with an empty one; the cube keeps it below a second until
        two thirds of the burst are left.
        """
        if not self.is_limited:
            return 0.0
        empty = 1.0 - max(self.now(now).tokens, 0.0) / self.burst
        return empty**3 * 3600.0 / self.per_hour


def full_bucket(per_hour: float, burst: float, now: float) -> Bucket:
    """The bucket of an account that has not committed lately."""
    return Bucket(per_hour, burst, burst, now)


def backoff_s(attempt: int, unit_random: float, retry_after_s: float | None = None) -> float:
    """How long after attempt number `attempt` began the next one may begin (1 is the first), `unit_random` from [0, 1).

    Grows up to 60 s, half of it jitter on the way there and none at the end, where one a minute is the promise; what
    the Hub asks for is waited in full, plus a little jitter.
    """
    ceiling = BACKOFFS_S[min(attempt, len(BACKOFFS_S)) - 1]
    own = ceiling if ceiling == LONGEST_BACKOFF_S else ceiling * (0.5 + 0.5 * unit_random)
    return own if retry_after_s is None else max(own, retry_after_s + min(1.0, ceiling) * unit_random)


@dataclass(frozen=True, slots=True)
class CommitSize:
    """How many files the next commit may take: `usual`, or under a backlog step by step up to `most`.

    The Hub cuts a commit off at 60 s, so it doubles only after one that took a quarter of that, and halves after one
    that took half of it or did not get through.
    """

    usual: int
    most: int
    files: int

    def after(self, files: int, duration_s: float, *, short: bool) -> CommitSize:
        """The size after a commit of `files`; `short`: the budget of commits is running low."""
        if duration_s > SLOW_COMMIT_S:
            return self.smaller()
        if not short:
            return self._with(self.usual) if self.files > self.usual else self._with(self.files * 2, self.usual)
        if files >= self.files and duration_s <= FAST_COMMIT_S:
            return self._with(self.files * 2)
        return self

    def smaller(self) -> CommitSize:
        """The size after a commit that was slow or did not get through."""
        return self._with(max(self.files // 2, min(SMALLEST_COMMIT, self.usual)))

    def _with(self, files: int, most: int | None = None) -> CommitSize:
        return CommitSize(self.usual, self.most, min(files, self.most if most is None else most))


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
