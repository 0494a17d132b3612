"""inotify: the libc calls that Python does not wrap, and the three descriptors that one watched root needs."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import sys
from typing import Protocol

from hf_watch.watches import limits
from hf_watch.watches.filesystems import MOUNTINFO

# include/uapi/linux/inotify.h
IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_UNMOUNT = 0x2000
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_DONT_FOLLOW = 0x2000000
IN_EXCL_UNLINK = 0x4000000
IN_ISDIR = 0x40000000

# Neither OPEN nor CLOSE_NOWRITE: our own scans would fill the queue.
MASK = (
    IN_MODIFY
    | IN_ATTRIB
    | IN_CLOSE_WRITE
    | IN_MOVED_FROM
    | IN_MOVED_TO
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
    | IN_ONLYDIR
    | IN_DONT_FOLLOW
    | IN_EXCL_UNLINK
)
GATHER_S = 0.002  # a file is created, written and closed within: one hint, one round; a full storm is 400 events
READ_BYTES = 1 << 16  # at most 2,048 events: a round is short, and few calls drain a full queue


class Watches(Protocol):
    """Who keeps watches on directories. Called from one thread at a time."""

    def add(self, path: bytes) -> int:
        """Watch a directory and return its watch descriptor, the same one for the same inode. Raises OSError."""

    def remove(self, wd: int) -> None:
        """Stop watching; a descriptor that the kernel has dropped already is none to complain about."""


class Kernel(Watches, Protocol):
    """What a watch needs of inotify. All but `wake` are called from one thread at a time."""

    def wait(self, timeout_s: float | None) -> bool:
        """Whether there is something to read; False after `timeout_s` and, for ever, after `wake`.

        When something comes, more is given a moment to come with it.
        """

    def read(self) -> bytes:
        """Whole events as the kernel packs them; empty when there are none."""

    def remounted(self) -> bool:
        """Whether the last `wait` ended because something was mounted or unmounted somewhere."""

    def wake(self) -> None:
        """End the current `wait` and all later ones. For other threads."""

    def close(self) -> None:
        """Give the descriptors back."""


class Inotify:
    """The Kernel of this machine."""

    def __init__(self, libc: ctypes.CDLL, queue: int, alarm: int, mounts: int) -> None:
        self._libc = libc
        self._queue = queue
        self._alarm = alarm
        self._mounts = mounts
        self._remounted = False
        self._ready = select.poll()
        self._ready.register(queue, select.POLLIN)
        self._ready.register(alarm, select.POLLIN)
        self._woken = select.poll()
        self._woken.register(alarm, select.POLLIN)
        self._ready.register(mounts, select.POLLPRI)  # proc_pid_mountinfo(5): once for each change

    def add(self, path: bytes) -> int:
        wd: int = self._libc.inotify_add_watch(self._queue, path, MASK)
        if wd < 0:
            raise _last_error(path)
        return wd

    def remove(self, wd: int) -> None:
        self._libc.inotify_rm_watch(self._queue, wd)

    def wait(self, timeout_s: float | None) -> bool:
        ready = {fd for fd, _ in self._ready.poll(None if timeout_s is None else timeout_s * 1000)}
        self._remounted = self._mounts in ready
        if self._queue not in ready:
            return False
        self._woken.poll(GATHER_S * 1000)
        return True

    def remounted(self) -> bool:
        return self._remounted

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._queue, READ_BYTES)
        return b""

    def wake(self) -> None:
        os.eventfd_write(self._alarm, 1)

    def close(self) -> None:
        for fd in (self._queue, self._alarm, self._mounts):
            os.close(fd)


def open_inotify() -> Kernel:
    """A queue of its own for one root.

    Raises OSError: EMFILE when the user has no instance or the process no descriptor left for watches, ENOSYS where
    there is no inotify.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if not limits.descriptors_left():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
    with contextlib.ExitStack() as opened:
        queue = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if queue < 0:
            raise _last_error(None)
        opened.callback(os.close, queue)
        alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        opened.callback(os.close, alarm)
        mounts = os.open(MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
        opened.pop_all()
    return Inotify(libc, queue, alarm, mounts)


def _last_error(path: bytes | None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
