"""Somebody who does something to the disk right before this process changes it, by the interpreter's audit events.

A hook cannot be taken away again, so there is one for all tests, and it does nothing without an intruder.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Door:
    """Who waits for which event."""

    event: str | None = None
    skip = 0
    act: Callable[[], object] | None = None
    is_installed = False


def _watch(event: str, _arguments: tuple[object, ...]) -> None:
    if event != _Door.event:
        return
    act, _Door.skip = _Door.act, _Door.skip - 1
    if act is not None and _Door.skip < 0:
        _Door.act = None
        act()


@contextmanager
def before(event: str, act: Callable[[], object], skip: int = 0) -> Iterator[None]:
    """Let `act` happen right before such an event (`os.rename`, `os.remove`, `os.mkdir` …), which must come.

    The first `skip` ones pass.
    """
    if not _Door.is_installed:
        sys.addaudithook(_watch)
        _Door.is_installed = True
    _Door.event, _Door.act, _Door.skip = event, act, skip
    try:
        yield
        assert _Door.act is None, f"no {event} came"
    finally:
        _Door.event = _Door.act = None
