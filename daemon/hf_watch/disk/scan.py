"""The disk: walk, look, read and hash. What comes out held still while it was read.

Nothing here follows a symbolic link below the root, blocks on a FIFO, or opens for writing. Where links are to be
followed, whoever asks says where they lead: `disk`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import signal
import stat
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hf_watch.errors import NotSettledError, SourceError
from hf_watch.model import Digest, Fingerprint, Snapshot, Writers
from hf_watch.paths import join, parent, parents, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.disk.links import Links
    from hf_watch.rules.filters import Wanted

BLOCK_BYTES = 1 << 20
LARGEST_BLOB_BYTES = 10 << 20  # the Hub keeps larger files as LFS, which needs no git hash
COOKIE_PREFIX = ".hf-watch-cookie-"  # a file that says, by its events, that all earlier ones have come in
LEAVING_PREFIX = ".hf-watch-leaving-"  # what a file is called between its name and nothing
OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
GONE_ERRNOS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE, errno.ENODEV})


@dataclass(frozen=True, slots=True)
class Listing:
    """The published files of one directory, by name, and the names of the directories below it that are entered.

    `others` are the names that are neither file nor directory: links that are not followed, and special files.
    `led` says where those of the directories lie that a link leads to.
    """

    directory: str
    files: dict[str, Fingerprint]
    directories: tuple[str, ...]
    others: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()  # private names of files that were being deleted when the process was killed
    led: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A directory that exists and could not be listed. What is in it is unknown, not gone."""

    directory: str
    reason: str


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


def walk(root: str, start: str, wanted: Wanted, links: Links | None = None) -> Iterator[Listing | Unreadable]:
    """The directory `start` and all below it, each once, in no particular order. A missing directory yields nothing.

    With `links` the directories and files that they lead to are among it, once for each path.
    """
    pending = [(start, links.place(start) if links is not None and start else start)]
    while pending:
        directory, place = pending.pop()
        if place is None:
            continue
        try:
            listing = _listing(root, directory, place, wanted, links)
        except OSError as error:
            if error.errno not in GONE_ERRNOS:
                yield Unreadable(directory, error.strerror or str(error))
            continue
        pending.extend(
            (join(directory, name), listing.led.get(name, join(place, name))) for name in listing.directories
        )
        yield listing


def _listing(root: str, directory: str, place: str, wanted: Wanted, links: Links | None) -> Listing:
    """What it lists are hints: that a link may be put in the way of `place` meanwhile matters to none of them."""
    files: dict[str, Fingerprint] = {}
    directories: list[str] = []
    others: list[str] = []
    leaving: list[str] = []
    fd = os.open(os.path.join(root, place), OPEN_FLAGS | os.O_DIRECTORY) if place else os.open(root, OPEN_FLAGS)
    inside = wanted.inside(directory)
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                path = join(directory, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if inside.enters(path):
                        directories.append(entry.name)
                elif not entry.is_file(follow_symlinks=False):
                    others.append(entry.name)
                elif entry.name.startswith(LEAVING_PREFIX):
                    leaving.append(entry.name)
                elif inside.takes(path):
                    _add(files, entry)
    finally:
        os.close(fd)
    listing = Listing(directory, files, tuple(directories), tuple(others), tuple(leaving))
    return listing if links is None else _with_led(root, listing, inside, links)


def _with_led(root: str, listing: Listing, inside: Wanted, links: Links) -> Listing:
    """The same with what links lead to, under the links' names."""
    files, led = dict(listing.files), dict[str, str]()
    taken: set[str] = set()
    for name in listing.others:
        path = join(listing.directory, name)
        place = links.note(path).place
        if place is None:
            continue
        looked = look(root, place)
        if looked is not None:
            taken.add(name)
            if inside.takes(path):
                files[name] = looked
        elif is_directory(root, place):
            taken.add(name)
            if inside.enters(path):
                led[name] = place
    others = tuple(name for name in listing.others if name not in taken)
    return replace(listing, files=files, directories=(*listing.directories, *led), others=others, led=led)


def _add(files: dict[str, Fingerprint], entry: os.DirEntry[str]) -> None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # it went between the listing and the look; its event says so
    files[entry.name] = fingerprint_of(found)


def fingerprint_of(found: os.stat_result) -> Fingerprint:
    return Fingerprint(found.st_ino, found.st_size, _wrapped(found.st_mtime_ns), _wrapped(found.st_ctime_ns))


def _wrapped(time_ns: int) -> int:
    """In 64 bits, as the ledger keeps it: a file may be dated 2446, and 2262 is where nanoseconds end."""
    return (time_ns + (1 << 63)) % (1 << 64) - (1 << 63)


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
    if not _is_regular(name, above):
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


def _is_regular(place: str, above: int | None = None) -> bool:
    """Asked before it is opened: opening a device or a FIFO can have effects of its own."""
    try:
        return stat.S_ISREG(os.stat(place, dir_fd=above, follow_symlinks=False).st_mode)
    except OSError as error:
        return error.errno not in GONE_ERRNOS  # the open says what is wrong


def is_directory(root: str, path: str) -> bool:
    """Whether a directory stands at `path` below root, or could for all that is known."""
    try:
        return stat.S_ISDIR(os.lstat(os.path.join(root, path)).st_mode)
    except OSError as error:
        return error.errno not in GONE_ERRNOS


def look(root: str, path: str) -> Fingerprint | None:
    """What stands at `path` below root, without opening it; None when it is no regular file, or cannot be told."""
    try:
        found = os.lstat(os.path.join(root, path))
    except OSError:
        return None
    return fingerprint_of(found) if stat.S_ISREG(found.st_mode) else None


def is_file(root: str, path: str) -> bool:
    """Whether a regular file stands at `path` below root."""
    return _is_regular(os.path.join(root, path))


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


def read(
    fd: int,
    path: str,
    before: Fingerprint,
    inline_bytes: int,
    *,
    open_allowed: bool,
    wall_clock_ns: Callable[[], int] = time.time_ns,
) -> Snapshot:
    """Read and hash the whole file; its bytes are kept when they are at most `inline_bytes`.

    Raises NotSettledError when the file moved meanwhile or, unless `open_allowed`, a writer came; SourceError when it
    cannot be read.
    """
    try:
        content, digest = _hashed(fd, before.size_bytes, inline_bytes)
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error
    if not open_allowed and writers(fd) is Writers.SOME:
        raise NotSettledError(f"{printable(path)}: a writer came while it was read")
    if fingerprint(fd) != before:
        raise NotSettledError(f"{printable(path)}: it changed while it was read")
    return Snapshot(path, before, digest, content, wall_clock_ns())


def digest(fd: int) -> Digest:
    """The hashes of an open file as it is now; SourceError when it cannot be read."""
    try:
        return _hashed(fd, os.fstat(fd).st_size, LARGEST_BLOB_BYTES)[1]
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error


def _hashed(fd: int, size_bytes: int, inline_bytes: int) -> tuple[bytes | None, Digest]:
    if size_bytes <= inline_bytes:
        content = io.BufferedReader(io.FileIO(fd, closefd=False)).read(size_bytes + 1)
        return content, digest_of(content)
    whole = hashlib.sha256()
    file = io.FileIO(fd, closefd=False)
    while block := file.read(BLOCK_BYTES):
        whole.update(block)
    return None, Digest(whole.digest(), None)


def digest_of(content: bytes) -> Digest:
    """Both hashes of a content held in memory; no git hash above what the Hub keeps as a git blob."""
    blob = None
    if len(content) <= LARGEST_BLOB_BYTES:
        blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
        blob.update(content)
    return Digest(hashlib.sha256(content).digest(), blob.digest() if blob else None)
