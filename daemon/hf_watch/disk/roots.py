"""The watched directory itself: which one stands there, whether it is empty, and the names in it that are ours."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from dataclasses import dataclass

from hf_watch.errors import SourceError
from hf_watch.paths import parents, printable

COOKIE_PREFIX = ".hf-watch-cookie-"  # a file that says, by its events, that all earlier ones have come in
LEAVING_PREFIX = ".hf-watch-leaving-"  # what a file is called between its name and nothing


@dataclass(frozen=True, slots=True)
class RootIdentity:
    """Which directory stands at a root's path; another one means that the root was replaced or unmounted."""

    device: int
    inode: int


def identity(root: str, marker: str = "") -> RootIdentity | None:
    """The directory at `root`, or None when there is none that can be reached, or its `marker` is not in it."""
    try:
        found = os.stat(root)
        if marker:
            os.lstat(os.path.join(root, marker))
    except OSError:
        return None
    return RootIdentity(found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def device_of(root: str, path: str) -> int | None:
    """The device that holds, or held, the file at `path`: that of the nearest directory above it that is there.

    It differs from the root's below a mount, and changes when that is unmounted. None when it cannot be told.
    """
    for above in (*parents(path), ""):
        try:
            return os.lstat(os.path.join(root, above)).st_dev
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                return None
    return None


def is_empty(root: str) -> bool:
    """Whether nothing but cookies of ours stands in the directory; SourceError when that cannot be told."""
    try:
        with os.scandir(root) as entries:
            return all(entry.name.startswith((COOKIE_PREFIX, LEAVING_PREFIX)) for entry in entries)
    except OSError as error:
        raise SourceError(f"{printable(root)}: {error.strerror}") from error


def drop_cookie(root: str) -> str | None:
    """Make and remove a file that no filter lets through; its name, None where none can be made."""
    name = f"{COOKIE_PREFIX}{uuid.uuid4().hex}.tmp"
    path = os.path.join(root, name)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.unlink(path)
    except OSError:
        return None  # not ours to write to, full, or gone
    return name
