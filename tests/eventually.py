"""Waiting for what another thread or process is about to do, without a fixed sleep."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_AGAIN_S = 0.01

T = TypeVar("T")


def eventually(check: Callable[[], T], what: str, timeout_s: float = 30.0) -> T:
    """Return what `check` returns as soon as it is true; AssertionError, naming `what`, after `timeout_s` seconds.

    The limit is for machines under load, not a statement about speed.
    """
    until = time.monotonic() + timeout_s
    never = threading.Event()
    while not (found := check()):
        if time.monotonic() >= until:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        never.wait(LOOK_AGAIN_S)
    return found
