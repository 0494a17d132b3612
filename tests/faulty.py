"""inotify that refuses, forgets or fails when a test says so."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from hf_watch.watches import kernel as k


def event(wd: int, mask: int, name: bytes = b"") -> bytes:
    """As inotify(7) packs it: the name filled up with zeros."""
    padded = name.ljust(-(-(len(name) + 1) // 16) * 16, b"\0") if name else b""
    return struct.pack("iIII", wd, mask, 0, len(padded)) + padded


OVERFLOW = event(-1, k.IN_Q_OVERFLOW)


class Faulty:
    """The real kernel, except for what a test scripts. `refused`: errno by the last segment of a directory's path."""

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        self.losing = False  # an overflow instead of the events
        self.failure: OSError | None = None  # instead of the next events
        self.before = b""  # these events before the next ones
        self.remountings: list[bool] = []  # something was mounted, says a round for each
        self.patience: list[float | None] = []
        self.watched: dict[str, int] = {}
        self._real: k.Kernel | None = None

    def open(self) -> k.Kernel:
        self._real = k.open_inotify()
        return self

    @property
    def real(self) -> k.Kernel:
        assert self._real is not None
        return self._real

    def add(self, path: bytes) -> int:
        name = Path(os.fsdecode(path)).name
        if name in self.refused:
            raise OSError(self.refused[name], os.strerror(self.refused[name]))
        self.watched[name] = self.real.add(path)
        return self.watched[name]

    def remove(self, wd: int) -> None:
        self.real.remove(wd)

    def wait(self, timeout_s: float | None) -> bool:
        self.patience.append(timeout_s)
        return self.real.wait(timeout_s)

    def read(self) -> bytes:
        events = self.real.read()
        if self.failure is not None:
            raise self.failure
        if self.losing:
            return OVERFLOW
        first, self.before = self.before, b""
        return first + events

    def remounted(self) -> bool:
        return bool(self.remountings and self.remountings.pop()) or self.real.remounted()

    def wake(self) -> None:
        self.real.wake()

    def close(self) -> None:
        self.real.close()
