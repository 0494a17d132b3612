"""A file below a root, opened: no link is followed at any step, no FIFO waited for, and whoever writes is asked for.

Where links are to be followed, whoever asks says where they lead: `disk`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hf_watch.disk.standing import GONE_ERRNOS, fingerprint_of, is_regular
from hf_watch.errors import SourceError
from hf_watch.model import Fingerprint, Writers
from hf_watch.paths import parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@contextmanager
def opened(root: str, path: str) -> Iterator[int | None]:
    """A descriptor of the regular file at `path`, closed afterwards; None when no such file is there.

    Raises SourceError when there is one that may not be read.
    """
    try:
        above = _enter(root, parent(path))
    except OSError:
        yield None
        return
    try:
        fd = _open_regular(path.rpartition("/")[2], above)
    finally:
        os.close(above)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _open_regular(name: str, above: int) -> int | None:
    if not is_regular(name, above):
        return None
    try:
        fd = os.open(name, OPEN_FLAGS, dir_fd=above)
    except OSError as error:
        if error.errno in GONE_ERRNOS:
            return None
        raise SourceError(error.strerror or str(error)) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return fd


def _enter(root: str, directory: str) -> int:
    """A descriptor of a directory below the root; OSError where there is none that is reached without a link.

    A link may be put in a directory's place at any moment, and could lead out of the root: each step is taken from the
    directory before it, and refuses a link.
    """
    step = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    fd = os.open(root, step)
    for name in directory.split("/") if directory else ():
        try:
            below = os.open(name, step | os.O_NOFOLLOW, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def fingerprint(fd: int) -> Fingerprint:
    """What `fstat` says now."""
    return fingerprint_of(os.fstat(fd))


def writers(fd: int) -> Writers:
    """Whether some process has the file open for writing or mapped writable; asks the kernel for a read lease.

    The lease is held no longer than the call. The signal that breaks it must not be SIGIO, whose default is death.
    """
    if sys.platform != "linux":
        return Writers.UNKNOWN
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return Writers.SOME if error.errno == errno.EAGAIN else Writers.UNKNOWN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return Writers.NONE


@contextmanager
def leased(fd: int) -> Iterator[Callable[[], bool]]:
    """Let whoever opens the file for writing wait, if the kernel gives a lease; tells whether a writer has come."""
    has_lease, is_written = False, False
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        has_lease = True
    except OSError as error:
        is_written = error.errno == errno.EAGAIN
    try:
        yield lambda: is_written or (has_lease and fcntl.fcntl(fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK)
    finally:
        if has_lease:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
