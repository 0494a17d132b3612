"""A script of faults for tests: what happens to which request, and how often."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """What a request meets.

    `status` is answered instead of working, or, `after_effect`, after the work is done. `delay_s` passes first. `hang`
    waits until `Faults.release`. `cut` ends the connection in the middle of the answer. `slow_s` is what a commit takes
    once it has begun; as on the Hub it is refused with 412 if another one lands meanwhile.
    """

    status: int | None = None
    body: str = '{"error": "a fault of the script"}'
    headers: tuple[tuple[str, str], ...] = ()
    after_effect: bool = False
    delay_s: float = 0.0
    hang: bool = False
    cut: bool = False
    slow_s: float = 0.0


@dataclass(slots=True)
class _Rule:
    method: str
    path: re.Pattern[str]
    fault: Fault
    left: int | None


@dataclass(slots=True)
class Faults:
    """Rules in the order they were added; the first that matches and is not used up counts. Safe from any thread."""

    met: int = 0  # how many requests a fault has come upon
    _rules: list[_Rule] = field(default_factory=list)
    _releases: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, path: str, fault: Fault, *, method: str = "", times: int | None = 1) -> None:
        """Let the next `times` requests (None: all) whose path matches the regular expression meet the fault."""
        with self._lock:
            self._rules.append(_Rule(method, re.compile(path), fault, times))

    def clear(self) -> None:
        """No faults from now on; what hangs is released."""
        with self._lock:
            self._rules.clear()
        self.release()

    def release(self) -> None:
        """Let go on what hangs now."""
        self._releases += 1

    @property
    def releases(self) -> int:
        """How often that was done: whoever began to hang before waits for a change."""
        return self._releases

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.left != 0 and rule.method in {"", method} and rule.path.search(path):
                    if rule.left is not None:
                        rule.left -= 1
                    self.met += 1
                    return rule.fault
        return None
