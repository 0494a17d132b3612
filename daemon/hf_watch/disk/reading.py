"""A file read and hashed: what comes out held still while it was read."""

from __future__ import annotations

import hashlib
import io
import os
import time
from typing import TYPE_CHECKING

from hf_watch.disk.opening import fingerprint, writers
from hf_watch.errors import NotSettledError, SourceError
from hf_watch.model import Digest, Fingerprint, Snapshot, Writers
from hf_watch.paths import printable

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_BYTES = 1 << 20
LARGEST_BLOB_BYTES = 10 << 20  # the Hub keeps larger files as LFS, which needs no git hash


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
