"""Moves and removes files of a watched root: never over another file, never one that somebody writes to.

While a file is taken away its read lease is held, so that whoever opens it for writing waits; where the kernel gives no
lease (another user's file, some network file systems) only its fingerprint vouches for it.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import itertools
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.disk import opening, reading
from hf_watch.disk.roots import LEAVING_PREFIX
from hf_watch.disk.syncing import sync_directory
from hf_watch.errors import SourceError
from hf_watch.paths import parent, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.model import Fingerprint

AT_FDCWD = -100  # include/uapi/linux/fcntl.h
RENAME_NOREPLACE = 1  # include/uapi/linux/fs.h
NOT_BY_RENAME = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
)  # another file system, an old one
LONGEST_NAME_BYTES = 255
ARRIVING_PREFIX = ".hf-watch-arriving-"
PRIVATE_SUFFIX = ".tmp"

_libc = ctypes.CDLL(None, use_errno=True)


def rename_new(old: str, new: str, old_dir_fd: int = AT_FDCWD, new_dir_fd: int = AT_FDCWD) -> None:
    """Rename, unless something stands at `new`: FileExistsError then. Other OSErrors as rename(2) has them."""
    if _libc.renameat2(old_dir_fd, os.fsencode(old), new_dir_fd, os.fsencode(new), RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old, None, new)


@dataclass(frozen=True, slots=True)
class _Held:
    """A file that is open while it is taken away."""

    fd: int
    fingerprint: Fingerprint
    has_come: Callable[[], bool]  # a writer

    def is_at(self, place: str) -> bool:
        """Whether it is what stands there, as it was, and nobody writes to it; FileNotFoundError where nothing is.

        Other files may take its place at any moment, and the descriptor does not tell.
        """
        is_untouched = not self.has_come() and _is_same(opening.fingerprint(self.fd), self.fingerprint)
        return is_untouched and os.path.samestat(os.lstat(place), os.fstat(self.fd))


@contextmanager
def _held(root: str, path: str, fingerprint: Fingerprint) -> Iterator[_Held | None]:
    """The file with this fingerprint, opened; None when it is another one by now, or somebody writes to it.

    Raises SourceError when it may not be read.
    """
    with opening.opened(root, path) as fd:
        if fd is None:
            yield None
            return
        with opening.leased(fd) as has_come:
            yield None if has_come() or opening.fingerprint(fd) != fingerprint else _Held(fd, fingerprint, has_come)


def remove(root: str, path: str, fingerprint: Fingerprint) -> bool:
    """Delete the file if it is still the one with this fingerprint, and nobody writes to it; whether that was done.

    Raises SourceError when it cannot be deleted.
    """
    with _held(root, path, fingerprint) as held, _told(path, "deleted"):
        return held is not None and _unlinked(os.path.join(root, path), held)


def _unlinked(place: str, held: _Held) -> bool:
    """Delete the file, unless something else has taken its place, or somebody has come to write to it.

    It gets another name first, so that either is noticed while it can be given back; a name that is too long for that
    is looked at right before it goes.
    """
    leaving = _leaving(place)
    try:
        _rename_to_leave(place, leaving)
        is_same = held.is_at(leaving)
    except FileNotFoundError:
        return False
    if is_same:
        os.unlink(leaving)
    else:
        _give_back(leaving, place)
    return is_same


def move(root: str, path: str, fingerprint: Fingerprint, new: str) -> str | None:
    """Move the file to `new`, or to a numbered name where something stands; where it is, None if it stayed.

    So does a directory above it get a number where a file stands that was moved before it.

    It stays when it is not the file with this fingerprint any more, or somebody writes to it. A file that stands there
    with the same content is what an earlier attempt left: then only the source goes. SourceError when it cannot be
    done.
    """
    with _held(root, path, fingerprint) as held, _told(path, "moved"):
        if held is None:
            return None
        free = os.path.join(_directory(os.path.dirname(new)), os.path.basename(new))
        try:
            return _moved_to_free(os.path.join(root, path), free, held)
        except FileNotFoundError:
            return None


def _directory(place: str) -> str:
    """The directory, made with all above it; one with a numbered name where something else stands."""
    if os.path.isdir(place):
        return place
    above, name = os.path.split(place)
    wanted = os.path.join(_directory(above), name)
    for number in itertools.count():
        directory = numbered(wanted, number)
        with suppress(FileExistsError):
            os.mkdir(directory)
        if os.path.isdir(directory):
            return directory
    raise AssertionError


def _moved_to_free(place: str, new: str, held: _Held) -> str | None:
    for number in itertools.count():
        free = numbered(new, number)
        try:
            return free if _moved(place, free, held) else None
        except FileExistsError:
            if _holds(free, held.fd):
                return free if _unlinked(place, held) else None
    raise AssertionError


def _moved(place: str, new: str, held: _Held) -> bool:
    try:
        rename_new(place, new)
    except OSError as error:
        if error.errno not in NOT_BY_RENAME:
            raise
        return _copied(place, new, held)
    if not held.is_at(new):
        with suppress(FileExistsError):  # a new file stands there already: then it is the archive's
            rename_new(new, place)
            return False
    return True


def _copied(place: str, new: str, held: _Held) -> bool:
    """Copy, sync, rename, unlink: at any moment the content is whole at one of the two places, or at both."""
    short = hashlib.sha256(os.fsencode(new)).hexdigest()[:32]
    arriving = os.path.join(os.path.dirname(new), f"{ARRIVING_PREFIX}{short}{PRIVATE_SUFFIX}")
    with open(arriving, "wb", opener=_fresh) as copy, open(held.fd, "rb", closefd=False) as source:
        source.seek(0)
        shutil.copyfileobj(source, copy, reading.BLOCK_BYTES)
        found = os.fstat(held.fd)
        os.fchmod(copy.fileno(), stat.S_IMODE(found.st_mode))
        copy.flush()
        os.utime(copy.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fsync(copy.fileno())
    try:
        if not held.is_at(place):
            return False
        name_new(arriving, new)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(arriving)
    sync_directory(os.path.dirname(new))
    return _unlinked(place, held)


def name_new(old: str, new: str, old_dir_fd: int = AT_FDCWD, new_dir_fd: int = AT_FDCWD) -> None:
    """Give a file whose name only we use another one, unless something stands there: FileExistsError then.

    By a link where no rename can be told so (NFS, and much of FUSE): whoever is killed meanwhile leaves both names.
    """
    try:
        rename_new(old, new, old_dir_fd, new_dir_fd)
    except OSError as error:
        if error.errno not in NOT_BY_RENAME:
            raise
        os.link(old, new, src_dir_fd=old_dir_fd, dst_dir_fd=new_dir_fd, follow_symlinks=False)
        os.unlink(old, dir_fd=old_dir_fd)


def _fresh(path: str, _flags: int) -> int:
    with suppress(FileNotFoundError):
        os.unlink(path)  # what an attempt left that was cut short
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _holds(place: str, fd: int) -> bool:
    """Whether a regular file at `place` has the content of an open one."""
    with opening.opened(os.path.dirname(place), os.path.basename(place)) as other:
        if other is None or os.fstat(other).st_size != os.fstat(fd).st_size:
            return False
        os.lseek(fd, 0, os.SEEK_SET)
        return reading.digest(other).sha256 == reading.digest(fd).sha256


def numbered(place: str, number: int) -> str:
    """`place` itself, then `NAME-1.SUFFIX` and so on."""
    if not number:
        return place
    stem, suffix = os.path.splitext(place)
    return f"{stem}-{number}{suffix}"


def _is_same(found: Fingerprint, before: Fingerprint) -> bool:
    """But for the change time, which a rename moves."""
    return (found.inode, found.size_bytes, found.mtime_ns) == (before.inode, before.size_bytes, before.mtime_ns)


def _leaving(path: str) -> str:
    directory, slash, name = path.rpartition("/")
    private = f"{LEAVING_PREFIX}{name}{PRIVATE_SUFFIX}"
    return path if len(os.fsencode(private)) > LONGEST_NAME_BYTES else f"{directory}{slash}{private}"


def _rename_to_leave(place: str, leaving: str) -> None:
    """What stands at our own name was cut short while it left, and is given back: nobody knows what it is."""
    if leaving == place:
        return
    if os.path.lexists(leaving):
        _give_back(leaving, place)
    os.rename(place, leaving)


def _give_back(leaving: str, place: str) -> str:
    """Give a file its name back, or a numbered one where another file has come."""
    if leaving == place:
        return place
    for number in itertools.count():
        new = numbered(place, number)
        if _is_at_both(leaving, new):
            os.unlink(leaving)
            return new
        with suppress(FileExistsError):
            name_new(leaving, new)
            return new
    raise AssertionError


def _is_at_both(old: str, new: str) -> bool:
    """Whether `name_new` was cut short between its link and the end of the old name."""
    try:
        return os.path.samestat(os.lstat(old), os.lstat(new))
    except FileNotFoundError:
        return False


def left_behind(name: str) -> str | None:
    """The name of the file that was cut short while it left under this private `name`; None for any other name."""
    if not (name.startswith(LEAVING_PREFIX) and name.endswith(PRIVATE_SUFFIX)):
        return None
    return name.removeprefix(LEAVING_PREFIX).removesuffix(PRIVATE_SUFFIX)


def restore(root: str, directory: str, private: str) -> None:
    """Give a file its name back whose process was killed while it deleted it; SourceError when that cannot be done."""
    name = left_behind(private)
    above = os.path.join(root, directory)
    if name:
        with _told(private, "renamed"):
            _give_back(os.path.join(above, private), os.path.join(above, name))


def remove_empty(root: str, directory: str) -> None:
    """Remove a directory below the root and those above it, as far as they are empty."""
    while directory:
        try:
            os.rmdir(os.path.join(root, directory))
        except OSError:
            return  # not empty, or not ours to remove
        directory = parent(directory)


def free(place: str) -> str:
    """`place`, or its first numbered name at which nothing stands."""
    return next(new for number in itertools.count() if not os.path.lexists(new := numbered(place, number)))


def write_text(place: str, text: str) -> None:
    """Write a whole small file, durably, in place of an older one of the same name; SourceError when that fails."""
    arriving = f"{place}{PRIVATE_SUFFIX}"
    with _told(place, "written"):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(arriving, "w", encoding="utf-8", opener=_fresh) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(arriving, place)


@contextmanager
def _told(path: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{printable(path)}: it cannot be {what} ({error.strerror or error})") from error
