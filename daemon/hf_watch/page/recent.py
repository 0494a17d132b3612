"""What was published in the last hour, minute by minute, for the chart: differences of running totals. Pure."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hf_watch.ledger.records import Made

MINUTE_S = 60.0
MINUTES = 60


class Totals(NamedTuple):
    """Running totals: files, bytes, and the sum and number of the seconds until files were visible."""

    files: float
    size_bytes: float
    visible_s: float
    visible_count: float


class Minute(NamedTuple):
    """One minute, or what there was of it; `latency_s`: close to visible on average, None where it is not known."""

    files: int = 0
    size_bytes: int = 0
    latency_s: float | None = None


class Recent:
    """The totals of the last hour, one a minute; `past` is what was before them. One thread owns it."""

    def __init__(self, totals: Totals, past: Sequence[Minute] = ()) -> None:
        self._past = past
        self._marks: deque[Totals] = deque([totals], maxlen=MINUTES)

    def mark(self, totals: Totals) -> None:
        """A minute is over."""
        self._marks.append(totals)

    def minutes(self, totals: Totals) -> list[Minute]:
        """The last hour, oldest first; the last one is still under way."""
        marks = [*self._marks, totals]
        return [*self._past, *(_between(before, after) for before, after in pairwise(marks))][-MINUTES:]


def past_minutes(made: Iterable[Made], now_s: float) -> list[Minute]:
    """The full minutes of the hour until `now_s` of the wall clock, from the commits of it, whoever made them."""
    found = [Minute()] * (MINUTES - 1)
    for each in made:
        ago = int(max(0.0, now_s - each.at_s) // MINUTE_S) + 1
        if ago <= len(found):
            minute = found[-ago]
            found[-ago] = Minute(minute.files + each.files, minute.size_bytes + each.size_bytes)
    return found


def _between(before: Totals, after: Totals) -> Minute:
    count = after.visible_count - before.visible_count
    latency_s = (after.visible_s - before.visible_s) / count if count else None
    return Minute(int(after.files - before.files), int(after.size_bytes - before.size_bytes), latency_s)
