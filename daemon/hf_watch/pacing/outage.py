"""While the Hub does not answer, one worker asks for all of them; the others wait until it does.

Shared by the workers of one endpoint: a lock around one frozen value.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.rules.pace import LONGEST_BACKOFF_S, backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class _Down:
    attempts: int
    next_at: float  # when somebody may ask again


class Outage:
    """Whether the Hub is known not to answer, on a monotonic clock."""

    def __init__(self, clock: Callable[[], float], unit_random: Callable[[], float]) -> None:
        self._clock = clock
        self._unit_random = unit_random
        self._down: _Down | None = None
        self._on_end: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def on_end(self, wake: Callable[[], None]) -> None:
        """Call `wake`, which must not block, from whatever thread finds that the Hub answers again."""
        self._on_end.append(wake)

    @property
    def is_known(self) -> bool:
        """Whether the Hub did not answer when it was last asked."""
        return self._down is not None

    def wait_s(self) -> float:
        """How long until somebody may ask."""
        down = self._down
        return 0.0 if down is None else max(0.0, down.next_at - self._clock())

    def take_turn(self) -> bool:
        """Whether the caller is the one to ask now; the others wait for what it finds."""
        with self._lock:
            now = self._clock()
            if self._down is None or self._down.next_at > now:
                return self._down is None
            self._down = _Down(self._down.attempts, now + LONGEST_BACKOFF_S)
            return True

    def began(self, asked_at: float) -> None:
        """A request that was sent at `asked_at` got no answer."""
        with self._lock:
            attempts = 1 if self._down is None else self._down.attempts + 1
            self._down = _Down(attempts, asked_at + backoff_s(attempts, self._unit_random()))

    def ended(self) -> None:
        """The Hub answered."""
        with self._lock:
            was_down, self._down = self._down is not None, None
        for wake in self._on_end if was_down else ():
            wake()
