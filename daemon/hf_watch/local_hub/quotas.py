"""How much one account may do: so many in a window, and the Hub's own words when it was too much."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Quota:
    """At most `limit` in `window_s` seconds; None: no limit. Safe from any thread."""

    limit: int | None
    window_s: float
    _times: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """Count one; False when it is one too many."""
        now = time.monotonic()
        with self._lock:
            while self._times and now - self._times[0] >= self.window_s:
                self._times.popleft()
            if self.limit is not None and len(self._times) >= self.limit:
                return False
            self._times.append(now)
            return True

    def remaining(self) -> int:
        return max(0, (self.limit if self.limit is not None else 1_000_000) - len(self._times))

    def reset_s(self) -> int:
        """Seconds until some of it is free again."""
        with self._lock:
            return max(1, int(self.window_s - (time.monotonic() - self._times[0]))) if self._times else 1
