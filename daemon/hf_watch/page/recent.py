"""What was published in the last hour, minute by minute, for the chart: differences of running totals. Pure."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import NamedTuple

MINUTE_S = 60.0
MINUTES = 60


class Totals(NamedTuple):
    """Running totals: files, bytes, and the sum and number of the seconds until files were visible."""

    files: float
    size_bytes: float
    visible_s: float
    visible_count: float


class Minute(NamedTuple):
    """One minute, or what there was of it; `latency_s`: close to visible on average, None without files."""

    files: int
    size_bytes: int
    latency_s: float | None


class Recent:
    """The totals of the last hour, one a minute. One thread owns it."""

    def __init__(self, totals: Totals) -> None:
        self._marks: deque[Totals] = deque([totals], maxlen=MINUTES)

    def mark(self, totals: Totals) -> None:
        """A minute is over."""
        self._marks.append(totals)

    def minutes(self, totals: Totals) -> list[Minute]:
        """The last hour, oldest first; the last one is still under way."""
        marks = [*self._marks, totals]
        return [_between(before, after) for before, after in pairwise(marks)]


def _between(before: Totals, after: Totals) -> Minute:
    count = after.visible_count - before.visible_count
    latency_s = (after.visible_s - before.visible_s) / count if count else None
    return Minute(int(after.files - before.files), int(after.size_bytes - before.size_bytes), latency_s)
