"""How long a file is to hold still before it is published, by its size. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Quiet:
    """Steps `(bytes, seconds)`: from so many bytes on, up to the next step. The first one begins at 0 bytes."""

    steps: tuple[tuple[int, float], ...]

    @property
    def shortest_s(self) -> float:
        """No file is due earlier, whatever its size."""
        return min(seconds for _, seconds in self.steps)

    @property
    def longest_s(self) -> float:
        """Every file is due by then, whatever its size."""
        return max(seconds for _, seconds in self.steps)

    def step(self, size_bytes: int) -> tuple[int, float]:
        """The step that a file of this size is on."""
        return self.steps[bisect_right(self.steps, size_bytes, key=lambda step: step[0]) - 1]

    def of(self, size_bytes: int) -> float:
        """For how long a file of this size is to hold still, in seconds."""
        return self.step(size_bytes)[1]


def always(seconds: float) -> Quiet:
    """The same for every size."""
    return Quiet(((0, seconds),))


def by_size(table: Mapping[int, float]) -> Quiet:
    """From a size in bytes on, so many seconds; ValueError unless it says something of the smallest files."""
    steps = tuple(sorted(table.items()))
    if not steps or steps[0][0] != 0:
        raise ValueError('it should say what files of "0" bytes wait, and may say more for larger ones')
    return Quiet(steps)
