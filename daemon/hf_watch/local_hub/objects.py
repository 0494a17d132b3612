"""Large content on disk, by its hash: LFS objects, xorbs, and files put together from xorbs."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import shards
from .refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

XORBS_HELD = 2  # unpacked at a time, 64 MiB each at most


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

    def put_together(self, sha256: str, segments: str) -> None:
        """A file from its xorbs; Refusal 400 when they do not make the file that the shard says."""
        digest = hashlib.sha256()
        held: dict[str, tuple[bytes, list[tuple[int, int]]]] = {}
        with self.writing(self.large(sha256)) as file:
            for xorb, first, last in json.loads(segments):
                if xorb not in held:
                    if len(held) >= XORBS_HELD:
                        del held[next(iter(held))]
                    held[xorb] = self._opened(xorb)
                content, spans = held[xorb]
                for start, end in spans[first:last]:
                    plain = shards.unpack_chunk(content[start:end])
                    digest.update(plain)
                    file.write(plain)
            if digest.hexdigest() != sha256:
                raise bad_request(f"sha256 of the file is {digest.hexdigest()}, not {sha256}")

    def _opened(self, xorb: str) -> tuple[bytes, list[tuple[int, int]]]:
        try:
            content = self.xorb(xorb).read_bytes()
        except FileNotFoundError as error:
            raise bad_request(f"xorb {xorb} was never uploaded") from error
        return content, shards.chunk_spans(content)

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        self.place.mkdir(parents=True, exist_ok=True)
        for leftover in self.place.glob("incoming-*"):
            os.unlink(leftover)  # noqa: PTH108  one line
