"""Putting a file into a watched directory: whole or not at all, and nowhere else.

Written under a temporary name in the root, on the same file system, and renamed into place when it is complete. Every
directory on the way is opened by its name in the one before, links not followed: no path leaves the root.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.disk.relocation import name_new
from hf_watch.errors import HfWatchError
from hf_watch.paths import printable
from hf_watch.rules.mapping import Unpublishable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from hf_watch.control.daemon import Steered

PREFIX, SUFFIX = ".hf-watch-", ".part"  # never published: on the built-in list of partial files
LONGEST_NAME_BYTES = 255
LONGEST_PATH_BYTES = 1_024
LEFT_BEHIND_S = 86_400.0
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class RefusedError(HfWatchError):
    """The file is not taken; `status` is HTTP's word for why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def checked(target: Steered, path: str) -> str:
    """`path` as it is below the target's root; RefusedError when it leads out of it or would never be published."""
    segments = path.split("/")
    if not path or any(segment in {"", ".", ".."} for segment in segments) or "\0" in path:
        raise RefusedError(422, f"{printable(path)!r} is no path below the watched directory")
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise RefusedError(422, f"{printable(path)}: the name is not UTF-8") from error
    if len(encoded) > LONGEST_PATH_BYTES or any(len(each.encode()) > LONGEST_NAME_BYTES for each in segments):
        raise RefusedError(422, "the name is too long")
    try:
        target.mapping.repo_path(path)
    except Unpublishable as error:
        raise RefusedError(422, f"{printable(path)}: {error}") from error
    if not target.wanted.reaches(path):
        raise RefusedError(422, f"{printable(path)} is filtered out, it would never be published")
    return path


@dataclass(slots=True)
class Landing:
    """A file on its way into a root; blocks are written in order, on one thread at a time."""

    root_fd: int
    temporary: str
    fd: int
    size_bytes: int = 0

    def write(self, block: bytes) -> None:
        """Append; RefusedError when there is no room."""
        with _translated():
            view = memoryview(block)
            while view:
                view = view[os.write(self.fd, view) :]
        self.size_bytes += len(block)

    def place(self, path: str, *, may_replace: bool, naming: AbstractContextManager[None]) -> None:
        """Give it the name `path`, which `checked` gave, within `naming`.

        RefusedError 409 when something is there, or comes there at the same time: nothing is replaced unasked.
        """
        directory, _, name = path.rpartition("/")
        with _translated():
            os.fsync(self.fd)  # it is said to be there: it must survive power loss
            fd = _opened_below(self.root_fd, directory.split("/") if directory else [])
            try:
                if not may_replace and _is_there(fd, name):
                    raise RefusedError(409, f"{printable(path)} is there already")
                with naming:
                    if may_replace:
                        os.rename(self.temporary, name, src_dir_fd=self.root_fd, dst_dir_fd=fd)
                    else:
                        name_new(self.temporary, name, self.root_fd, fd)
                os.fsync(fd)
            finally:
                os.close(fd)


@contextmanager
def landing(root: str, expected_bytes: int) -> Iterator[Landing]:
    """A temporary file in `root`; gone afterwards unless it was placed. RefusedError when there is no place for it."""
    with _translated():
        root_fd = os.open(root, _DIRECTORY)
    try:
        with _translated():
            room = os.fstatvfs(root_fd)
            if expected_bytes > room.f_bavail * room.f_frsize:
                raise RefusedError(507, "there is no room for it on the file system")
            temporary = f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=root_fd)
        try:
            yield Landing(root_fd, temporary, fd)
        finally:
            os.close(fd)
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=root_fd)
    finally:
        os.close(root_fd)


def sweep(root: str, now_s: float) -> None:
    """Remove what a killed daemon left a day ago or earlier; what cannot be listed is left alone."""
    with suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            is_ours = entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)
            if is_ours and now_s - entry.stat(follow_symlinks=False).st_mtime > LEFT_BEHIND_S:
                os.unlink(entry.path)  # noqa: PTH108  the root's name need not be UTF-8


def _opened_below(root_fd: int, names: list[str]) -> int:
    """A descriptor of the directory at these names below the root, made where it is missing."""
    fd = os.dup(root_fd)
    for name in names:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=fd)
            os.fsync(fd)
        try:
            below = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _is_there(fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        status = _STATUSES.get(error.errno or 0, 500)
        raise RefusedError(status, f"it cannot be written: {error.strerror}") from error


_STATUSES = {
    errno.ENOSPC: 507, errno.EDQUOT: 507, errno.EFBIG: 507, errno.ENOENT: 503, errno.EROFS: 503, errno.EACCES: 503,
    errno.EPERM: 503, errno.EIO: 503, errno.EMFILE: 503, errno.ENFILE: 503, errno.ENOTDIR: 409, errno.ELOOP: 409,
    errno.EISDIR: 409, errno.ENOTEMPTY: 409, errno.EEXIST: 409, errno.EXDEV: 409, errno.ENAMETOOLONG: 422,
    errno.EINVAL: 422,
}  # fmt: skip
