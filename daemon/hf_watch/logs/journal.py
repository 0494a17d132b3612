"""What is logged about the paths of one target: the like of what was told often enough becomes a line with a count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

from hf_watch.logs.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hf_watch.logs.repeats import Repeated

log = structlog.get_logger()

Level = Literal["info", "warning", "error"]


class Journal:
    """Writes to the log, on the thread of the target's worker."""

    def __init__(self, target: str, clock: Callable[[], float]) -> None:
        self._target = target
        self._clock = clock
        self._repeats = Repeats()
        self._levels: dict[str, Level] = {}

    def tell(self, level: Level, event: str, path: str, reason: str, **fields: object) -> None:
        """Log that something was the case with `path`, or count it; the `fields` are lost in the count."""
        self._levels[event] = level
        if self._repeats.tells(event, reason, path, self._clock()):
            getattr(log, level)(event, target=self._target, path=path, reason=reason, **fields)

    def sum_up(self) -> None:
        """Log the counts that are due."""
        self._write(self._repeats.due(self._clock()))

    def close(self) -> None:
        """Log all counts."""
        self._write(self._repeats.rest())

    def next_due(self) -> float | None:
        """When `sum_up` has something to do."""
        return self._repeats.next_due()

    def _write(self, sums: Iterable[Repeated]) -> None:
        for each in sums:
            getattr(log, self._levels[each.event])(
                each.event, target=self._target, path=each.path, reason=each.reason, repeated=each.count
            )
