"""Threads for which the kernel cannot do what it can for others, by a filter of theirs (seccomp); without root."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2  # include/uapi/linux/prctl.h, seccomp.h
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000  # include/uapi/linux/seccomp.h
LOAD, SKIP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # include/uapi/linux/bpf_common.h
NUMBER_AT, ARCHITECTURE_AT, FIFTH_ARGUMENT_AT = 0, 4, 16 + 4 * 8  # in struct seccomp_data
RENAMEAT2 = {"x86_64": (0xC000003E, 316), "aarch64": (0xC00000B7, 276)}  # include/uapi/linux/audit.h, unistd.h


def without_rename_flags(act: Callable[[], object]) -> None:
    """Act on a thread of its own, where each file system is one that cannot rename unless something is there.

    As NFS and ntfs-3g do, it says EINVAL to a renameat2(2) with flags. What `act` raises is raised here.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _refuse_rename_flags()
            act()
        except BaseException as error:  # noqa: BLE001  it is raised below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def _refuse_rename_flags() -> None:
    architecture, number = RENAMEAT2[platform.machine()]
    steps = (
        (LOAD, 0, 0, ARCHITECTURE_AT), (SKIP_IF_EQUAL, 0, 5, architecture),
        (LOAD, 0, 0, NUMBER_AT), (SKIP_IF_EQUAL, 0, 3, number),
        (LOAD, 0, 0, FIFTH_ARGUMENT_AT), (SKIP_IF_EQUAL, 1, 0, 0),
        (RETURN, 0, 0, FAIL_WITH | errno.EINVAL), (RETURN, 0, 0, ALLOW),
    )  # fmt: skip
    content = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in steps))
    program = _Program(len(steps), ctypes.cast(content, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
