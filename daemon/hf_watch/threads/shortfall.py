"""What the watches of one process lack together: a setting is raised once, for all of them.

Shared by the workers: a lock around one dict.
"""

from __future__ import annotations

import threading


class Shortfall:
    """Who lacks how much of which setting."""

    def __init__(self) -> None:
        self._lacking: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def lacks(self, who: str, setting: str, missing: int) -> int:
        """`who` lacks so much of a setting, in the place of what was said before; what all lack of it."""
        with self._lock:
            self._lacking[who] = (setting, missing)
            return sum(each for name, each in self._lacking.values() if name == setting)

    def has_all(self, who: str) -> None:
        """`who` lacks nothing."""
        with self._lock:
            self._lacking.pop(who, None)
