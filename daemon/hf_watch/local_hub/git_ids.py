"""The ids that Git and Git LFS give to content."""

from __future__ import annotations

import hashlib


def blob_id(content: bytes) -> str:
    """The id that `git hash-object` prints: the client compares it with its own to skip what did not change."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def pointer(sha256: str, size_bytes: int) -> bytes:
    """The text that Git holds in place of a large file (Git LFS, specification version 1)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size_bytes}\n".encode()


def pointer_id(sha256: str, size_bytes: int) -> str:
    return blob_id(pointer(sha256, size_bytes))
