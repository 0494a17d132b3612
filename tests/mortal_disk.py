"""Kills the process before any of its changes to the disk, by the interpreter's own audit events.

A hook cannot be taken away again, so there is one for all tests, and it does nothing without a fate.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.mortal import Crash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mortal import Fate

CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.utime", "os.truncate"})
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class _Grave:
    """Who is to die, and whether that has happened: nothing a dead process does has an effect."""

    fate: Fate | None = None
    thread = 0
    is_dead = False
    is_installed = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    fate = _Grave.fate
    if fate is None or threading.get_ident() != _Grave.thread or not _is_change(event, arguments):
        return
    if _Grave.is_dead:
        raise Crash
    try:
        fate.step("disk")
    except Crash:
        _Grave.is_dead = True
        raise


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    if event in CHANGES:
        return True
    if event != "open" or len(arguments) < 3:
        return False
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & WRITING)


@contextmanager
def mortal_disk(fate: Fate) -> Iterator[None]:
    """Let every change that this thread makes to the disk be one of the steps at which it may die."""
    if not _Grave.is_installed:
        sys.addaudithook(_watch)
        _Grave.is_installed = True
    _Grave.fate, _Grave.thread, _Grave.is_dead = fate, threading.get_ident(), False
    try:
        yield
    finally:
        _Grave.fate = None
