"""What a worker publishes of itself: frozen values that any thread may read without waiting for it.

Times are monotonic seconds of the worker's clock, so that a value stays true however old it is: an age is worked out
when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class TargetState(Enum):
    """What a worker does about a watched root."""

    STARTING = "starting"  # not looked at yet
    SCANNING = "scanning"  # something is still to be found out by looking
    WATCHING = "watching"
    LOST = "lost"  # there is no such directory, or another one stands in its place


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One watched root. `oldest` and `settled_since` are None when all is published."""

    name: str
    state: TargetState
    waiting: int = 0
    in_flight: int = 0  # read, and not answered for by the Hub yet
    oldest: float | None = None  # the first hint of the path that has been unpublished for longest
    settled_since: float | None = None  # since when something that could go has not gone; may lie ahead
    held_bytes: int = 0  # content in memory
    watched: int = 0  # directories that have a watch

    def lag_s(self, now: float) -> float:
        """For how long the longest settled content has been unpublished."""
        return 0.0 if self.settled_since is None else max(0.0, now - self.settled_since)


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One destination and its targets."""

    destination: str
    targets: tuple[TargetStatus, ...]
    reason: str | None = None  # why it waits
    is_refused: bool = False  # token, permission or repo: a person must act
    not_before: float = 0.0  # nothing goes to the Hub earlier
    next_due: float | None = None  # when the next path is due; None when nothing waits
