"""One daemon a state directory: a lock that the kernel drops with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hf_watch.errors import AlreadyRunningError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_NAME = "lock"


@contextmanager
def held(state_dir: Path) -> Iterator[None]:
    """Hold the state directory, made if it is missing; AlreadyRunningError names the process that has it.

    LedgerError when nothing can be kept there.
    """
    fd = _opened(state_dir)
    try:
        _take(fd, state_dir)
        os.truncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(fd)


def _opened(state_dir: Path) -> int:
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"{state_dir}: no state can be kept there ({error.strerror})") from error


def _take(fd: int, state_dir: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        raise AlreadyRunningError(f"{state_dir}: held by another hf-watch, process {holder}") from error
