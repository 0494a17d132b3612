"""Bytes that come from elsewhere than a watched directory: a file, a stream, a URL → something that can be published.

What is small stays in memory; what is not goes to a private temporary file that has no name.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

import httpx2

from hf_watch.disk import opening, reading
from hf_watch.errors import NotSettledError, SourceError
from hf_watch.model import Fingerprint, Snapshot, Upload, Writers
from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK_BYTES = 1 << 20
TIMEOUT = httpx2.Timeout(connect=10.0, read=60.0, write=60.0, pool=10.0)
MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """What is taken in at all, and how much of it is held in memory."""

    inline_bytes: int
    most_bytes: int


@contextmanager
def taken(
    what: str,
    path_for: Callable[[str | None], str],
    limits: IntakeLimits,
    standard_input: BinaryIO,
    tell: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Iterator[Upload]:
    """A file by its name, an http(s) URL, or `-`. `path_for` gives the path in the repo for what has this name.

    `tell` hears how many bytes are here, and of how many, when that was announced.
    """
    if what == "-":
        source = stream(_told(blocks_of(standard_input), tell, None), path_for(None), limits)
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", what):
        source = url(what, path_for(_name_in(what)), limits, tell)
    else:
        source = file(Path(what), path_for(Path(what).name), limits)
    with source as upload:
        yield upload


def _name_in(address: str) -> str | None:
    """The last part of an http(s) address's path; SourceError for what is no such address."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise SourceError(f"{address}: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise SourceError(f"{address}: only http:// and https:// are fetched")
    return PurePosixPath(unquote(parts.path)).name or None


@contextmanager
def file(path: Path, repo_path: str, limits: IntakeLimits) -> Iterator[Upload]:
    """A regular file that nobody is writing. Raises SourceError, or NotSettledError when somebody is."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise SourceError(f"{path}: not a regular file")
        if opening.writers(fd) is Writers.SOME:
            raise NotSettledError(f"{path}: some process has it open for writing")
        snapshot = reading.read(fd, str(path), opening.fingerprint(fd), limits.inline_bytes, open_allowed=False)
        yield Upload(repo_path, snapshot, f"/dev/fd/{fd}")
        if snapshot.content is None and opening.fingerprint(fd) != snapshot.fingerprint:
            raise NotSettledError(f"{path}: it changed while it was sent")
    finally:
        os.close(fd)


@contextmanager
def stream(blocks: Iterable[bytes], repo_path: str, limits: IntakeLimits) -> Iterator[Upload]:
    """Everything a stream gives until it ends; SourceError when it gives more than allowed."""
    with tempfile.SpooledTemporaryFile(max_size=limits.inline_bytes) as spool:
        size_bytes = 0
        for block in blocks:
            size_bytes += len(block)
            if size_bytes > limits.most_bytes:
                raise SourceError(f"more than {limits.most_bytes} bytes: nothing was published (see --max-bytes)")
            spool.write(block)
        spool.seek(0)
        if size_bytes <= limits.inline_bytes:
            content = spool.read()
            plain = Fingerprint(0, size_bytes, 0, 0)
            yield Upload(repo_path, Snapshot(repo_path, plain, reading.digest_of(content), content, time.time_ns()), "")
        else:
            spool.flush()
            fd = spool.fileno()
            snapshot = reading.read(fd, repo_path, opening.fingerprint(fd), 0, open_allowed=True)
            yield Upload(repo_path, snapshot, f"/dev/fd/{fd}")


def _told(blocks: Iterable[bytes], tell: Callable[[int, int | None], None], total: int | None) -> Iterator[bytes]:
    done = 0
    for block in blocks:
        done += len(block)
        tell(done, total)
        yield block


def blocks_of(source: BinaryIO) -> Iterator[bytes]:
    """A binary file, a block at a time."""
    while block := source.read(BLOCK_BYTES):
        yield block


@contextmanager
def url(
    address: str,
    repo_path: str,
    limits: IntakeLimits,
    tell: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Iterator[Upload]:
    """The content at an http(s) address, whole; SourceError when it cannot be had, or is larger than allowed."""
    with (
        httpx2.Client(timeout=TIMEOUT, follow_redirects=True, max_redirects=MOST_REDIRECTS) as client,
        stream(_fetched(client, address, limits, tell), repo_path, limits) as upload,
    ):
        yield upload


def _fetched(
    client: httpx2.Client, address: str, limits: IntakeLimits, tell: Callable[[int, int | None], None]
) -> Iterator[bytes]:
    # Compressed on the way, a size means nothing, and a server may send what expands without end.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"hf-watch/{__version__}"}
    try:
        with client.stream("GET", address, headers=headers) as answer:
            answer.raise_for_status()
            announced = answer.headers.get("Content-Length", "")
            total = int(announced) if announced.isdigit() else None
            if total is not None and total > limits.most_bytes:
                raise SourceError(f"{address}: {total} bytes, more than the {limits.most_bytes} allowed")
            yield from _told(answer.iter_bytes(BLOCK_BYTES), tell, total)
    except httpx2.HTTPStatusError as error:
        answer = error.response
        raise SourceError(f"{address}: {answer.status_code} {answer.reason_phrase}") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SourceError(f"{address}: {error}") from error
