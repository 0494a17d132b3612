"""Which of many like events are told one by one, and when the others are told as a number. Pure.

The first ten of a kind are told; the rest are counted, and the count is told a minute later, then after twice as long
each time, up to an hour. After an hour without one everything begins anew. A kind is an event with its reason; where
each has a reason of its own, those beyond the twentieth are one kind, so that what is remembered stays small.
"""

from __future__ import annotations

from dataclasses import dataclass

TOLD_FIRST = 10
FIRST_SUM_S = 60.0
LONGEST_SUM_S = 3_600.0
MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Repeated:
    """`count` more of a kind since the last word of it; `path` and `reason` are those of the latest."""

    event: str
    reason: str
    path: str
    count: int


@dataclass(slots=True)
class _Kind:
    seen_at: float
    told: int = 0
    untold: int = 0
    path: str = ""
    reason: str = ""
    sum_at: float = 0.0
    sum_s: float = FIRST_SUM_S


class Repeats:
    """The kinds of one target. One thread owns it."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str | None], _Kind] = {}

    def tells(self, event: str, reason: str, path: str, now: float) -> bool:
        """Whether to tell this one by itself; it is counted otherwise."""
        kind = self._kind(event, reason, now)
        kind.seen_at = now
        if kind.told < TOLD_FIRST:
            kind.told += 1
            return True
        if not kind.untold:
            kind.sum_at = now + kind.sum_s
        kind.untold += 1
        kind.path, kind.reason = path, reason
        return False

    def due(self, now: float) -> list[Repeated]:
        """The counts that are to be told by now."""
        return [
            self._sum(event, kind) for (event, _), kind in self._kinds.items() if kind.untold and kind.sum_at <= now
        ]

    def rest(self) -> list[Repeated]:
        """All counts that were not told yet."""
        return [self._sum(event, kind) for (event, _), kind in self._kinds.items() if kind.untold]

    def next_due(self) -> float | None:
        """When the next count is to be told."""
        return min((kind.sum_at for kind in self._kinds.values() if kind.untold), default=None)

    def _kind(self, event: str, reason: str, now: float) -> _Kind:
        key: tuple[str, str | None] = (event, reason)
        if key not in self._kinds and sum(name == event for name, _ in self._kinds) >= MOST_REASONS:
            key = (event, None)
        kind = self._kinds.get(key)
        if kind is None or (not kind.untold and now - kind.seen_at >= LONGEST_SUM_S):
            kind = self._kinds[key] = _Kind(now)
        return kind

    def _sum(self, event: str, kind: _Kind) -> Repeated:
        repeated = Repeated(event, kind.reason, kind.path, kind.untold)
        kind.untold = 0
        kind.sum_s = min(2 * kind.sum_s, LONGEST_SUM_S)
        return repeated
