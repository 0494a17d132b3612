"""Large content on disk, by its hash: LFS objects, xorbs, and files put together from xorbs."""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import shards
from .refusals import bad_request, pointer_to_nothing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .shards import Chunk, Segment

TABLES_HELD = 64  # of xorbs, about a thousand chunks each


@dataclass(frozen=True, slots=True)
class Objects:
    """Files by hash below a directory; one appears whole or not at all."""

    place: Path

    def large(self, sha256: str) -> Path:
        return self.place / "lfs" / sha256[:2] / sha256

    def xorb(self, name: str) -> Path:
        return self.place / "xorbs" / name[:2] / name

    def has(self, sha256: str) -> bool:
        return self.large(sha256).is_file()

    def has_xorb(self, name: str) -> bool:
        return self.xorb(name).is_file()

    @contextmanager
    def writing(self, target: Path) -> Iterator[BinaryIO]:
        """A file that becomes `target` when the block ends well."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.place, prefix="incoming-", delete=False) as file:
            try:
                yield file  # type: ignore[misc]  # the wrapper is one in all but name
                file.flush()
            except BaseException:
                Path(file.name).unlink()
                raise
        Path(file.name).replace(target)

    async def receive_large(self, sha256: str, blocks: AsyncIterator[bytes]) -> int:
        """Keep an LFS object; Refusal 400 when its bytes are not what its name says. Returns its size."""
        digest, size_bytes = hashlib.sha256(), 0
        with self.writing(self.large(sha256)) as file:
            async for block in blocks:
                digest.update(block)
                size_bytes += len(block)
                file.write(block)
            if digest.hexdigest() != sha256:
                raise bad_request(f"sha256 of the content is {digest.hexdigest()}, not {sha256}")
        return size_bytes

    def join_parts(self, sha256: str, parts: list[Path]) -> None:
        """An LFS object from the parts of a multipart upload; Refusal 400 as above."""
        digest = hashlib.sha256()
        with self.writing(self.large(sha256)) as file:
            for part in parts:
                content = part.read_bytes()
                digest.update(content)
                file.write(content)
            if digest.hexdigest() != sha256:
                raise bad_request(f"sha256 of the parts is {digest.hexdigest()}, not {sha256}")

    async def receive_xorb(self, name: str, blocks: AsyncIterator[bytes]) -> tuple[bool, int]:
        """Keep a xorb; Refusal 400 when it is none. Returns whether it is new, and its size."""
        is_new, size_bytes = not self.has_xorb(name), 0
        with self.writing(self.xorb(name)) as file:
            async for block in blocks:
                size_bytes += len(block)
                file.write(block)
            file.flush()
            _read_chunks(Path(file.name))
        return is_new, size_bytes

    def chunks(self, xorb: str) -> list[Chunk]:
        """Where the chunks of a xorb are; Refusal 400 when it is not here."""
        if not self.has_xorb(xorb):
            raise pointer_to_nothing()
        return _chunks(self.xorb(xorb))

    def put_together(self, sha256: str, segments: list[Segment]) -> None:
        """A file from its xorbs; Refusal 400 when they do not make the file that the shard says."""
        digest = hashlib.sha256()
        with self.writing(self.large(sha256)) as file:
            for segment in segments:
                wanted = self.chunks(segment.xorb)[segment.first : segment.last]
                with self.xorb(segment.xorb).open("rb") as xorb:
                    for chunk in wanted:
                        xorb.seek(chunk.start)
                        plain = shards.unpack_chunk(xorb.read(chunk.end - chunk.start))
                        digest.update(plain)
                        file.write(plain)
            if digest.hexdigest() != sha256:
                raise bad_request(f"sha256 of the file is {digest.hexdigest()}, not {sha256}")

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        self.place.mkdir(parents=True, exist_ok=True)
        for leftover in self.place.glob("incoming-*"):
            os.unlink(leftover)  # noqa: PTH108  one line


@lru_cache(maxsize=TABLES_HELD)
def _chunks(xorb: Path) -> list[Chunk]:
    return _read_chunks(xorb)


def _read_chunks(xorb: Path) -> list[Chunk]:
    try:
        with xorb.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return shards.chunks(content)
    except (shards.FormatError, ValueError) as error:  # a file without a byte cannot be mapped
        raise bad_request(f"this is no xorb: {error}") from error
