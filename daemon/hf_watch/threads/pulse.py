"""Whether a thread gets on: it says when it will be heard of again, and another one compares that with the clock.

One attribute, replaced and never changed, written by one thread and read by any: no lock that a hung thread could hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WORKING = "working"


@dataclass(frozen=True, slots=True)
class Beat:
    """What a thread is at, and until when it may be at that, in monotonic seconds."""

    doing: str
    back_by: float


class Pulse:
    """The pulse of one thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.latest = Beat("not started", math.inf)
        self._clock = clock

    def beat(self, doing: str = WORKING, allowed_s: float = 0.0) -> None:
        """Say that what comes next takes no longer than `allowed_s`; work that takes no time worth naming: 0."""
        self.latest = Beat(doing, self._clock() + allowed_s)

    def rest(self, doing: str = "waiting") -> None:
        """Say that there is nothing to do, for however long."""
        self.latest = Beat(doing, math.inf)

    def late_s(self) -> float:
        """For how long the thread should have been heard of; 0 for one that is on time. From any thread."""
        return max(0.0, self._clock() - self.latest.back_by)
