"""What stands at a path below a root, without opening it and without following a link at its end."""

from __future__ import annotations

import errno
import os
import stat

from hf_watch.model import Fingerprint

GONE_ERRNOS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE, errno.ENODEV})


def look(root: str, path: str) -> Fingerprint | None:
    """What stands at `path` below root, without opening it; None when it is no regular file, or cannot be told."""
    try:
        found = os.lstat(os.path.join(root, path))
    except OSError:
        return None
    return fingerprint_of(found) if stat.S_ISREG(found.st_mode) else None


def is_file(root: str, path: str) -> bool:
    """Whether a regular file stands at `path` below root."""
    return is_regular(os.path.join(root, path))


def is_directory(root: str, path: str) -> bool:
    """Whether a directory stands at `path` below root, or could for all that is known."""
    try:
        return stat.S_ISDIR(os.lstat(os.path.join(root, path)).st_mode)
    except OSError as error:
        return error.errno not in GONE_ERRNOS


def size_bytes(root: str, path: str) -> int:
    """The size of what stands at `path` below root, 0 when that cannot be told."""
    try:
        return os.lstat(os.path.join(root, path)).st_size
    except OSError:
        return 0


def file_is_gone(root: str, path: str) -> bool:
    """Whether no regular file is at `path` any more, for certain: one that cannot be looked at is not gone."""
    try:
        return not stat.S_ISREG(os.lstat(os.path.join(root, path)).st_mode)
    except OSError as error:
        return error.errno in {errno.ENOENT, errno.ENOTDIR}


def fingerprint_of(found: os.stat_result) -> Fingerprint:
    return Fingerprint(found.st_ino, found.st_size, _wrapped(found.st_mtime_ns), _wrapped(found.st_ctime_ns))


def _wrapped(time_ns: int) -> int:
    """In 64 bits, as the ledger keeps it: a file may be dated 2446, and 2262 is where nanoseconds end."""
    return (time_ns + (1 << 63)) % (1 << 64) - (1 << 63)


def is_regular(place: str, above: int | None = None) -> bool:
    """Asked before it is opened: opening a device or a FIFO can have effects of its own."""
    try:
        return stat.S_ISREG(os.stat(place, dir_fd=above, follow_symlinks=False).st_mode)
    except OSError as error:
        return error.errno not in GONE_ERRNOS  # the open says what is wrong
