"""The formats of the content store: a xorb is a run of compressed chunks, a shard says which chunks make a file.

Source: xet-core's specification, and what hf_xet 1.8.0 sends. Nothing here touches the disk.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lz4.frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

CHUNK_HEADER_BYTES = 8
SHARD_HEADER_BYTES = 48
ENTRY_BYTES = 48
XORB_FOOTER = b"XETBLOB"
LAST_HASH = b"\xff" * 32
HAS_VERIFICATION = 1 << 31
HAS_METADATA = 1 << 30
GROUP = 4  # bytes are grouped by their position modulo 4 in scheme 2


class FormatError(ValueError):
    """The bytes are not what the format asks for."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of chunks `first` … `last` (exclusive) of one xorb, and how many bytes they are unpacked."""

    xorb: str
    first: int
    last: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file of a shard: its Xet hash, its sha256 where the shard says it, and its segments in order."""

    hash: str
    sha256: str | None
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes `start` … `end` (exclusive) of a xorb, and how many they are unpacked."""

    start: int
    end: int
    size_bytes: int


def hash_text(raw: bytes) -> str:
    """A hash as the API writes it: four little-endian 64-bit numbers in hex."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def parse_shard(shard: bytes) -> list[FileInfo]:
    """The files that a shard describes; FormatError for anything else."""
    try:
        return list(_files(shard))
    except (struct.error, IndexError) as error:
        raise FormatError("this is no shard") from error


def _files(shard: bytes) -> Iterator[FileInfo]:
    at = SHARD_HEADER_BYTES
    while (raw := shard[at : at + 32]) != LAST_HASH:
        if len(raw) < 32:
            raise FormatError("the shard ends early")
        flags, count = struct.unpack_from("<II", shard, at + 32)
        at += ENTRY_BYTES
        segments = tuple(_segment(shard, at + number * ENTRY_BYTES) for number in range(count))
        at += count * ENTRY_BYTES * (2 if flags & HAS_VERIFICATION else 1)
        sha256 = None
        if flags & HAS_METADATA:
            sha256 = _sha256_text(shard[at : at + 32])
            at += ENTRY_BYTES
        yield FileInfo(hash_text(raw), sha256, segments)


def _segment(shard: bytes, at: int) -> Segment:
    _flags, size_bytes, first, last = struct.unpack_from("<IIII", shard, at + 32)
    return Segment(hash_text(shard[at : at + 32]), first, last, size_bytes)


def _sha256_text(raw: bytes) -> str:
    """A sha256 is kept like the other hashes, in four numbers; written out they are the usual hex."""
    return hash_text(raw)


def chunks(xorb: bytes | mmap) -> list[Chunk]:
    """Where each chunk of a xorb is; FormatError when it is none."""
    found = []
    at = 0
    while at < len(xorb) and xorb[at : at + len(XORB_FOOTER)] != XORB_FOOTER:
        header = xorb[at : at + CHUNK_HEADER_BYTES]
        end = at + CHUNK_HEADER_BYTES + int.from_bytes(header[1:4], "little")
        if end > len(xorb):
            raise FormatError("the xorb ends in a chunk")
        found.append(Chunk(at, end, int.from_bytes(header[5:8], "little")))
        at = end
    return found


def unpack_chunk(chunk: bytes) -> bytes:
    """A chunk's plain bytes; FormatError when they do not have the length that its header says."""
    scheme, plain_bytes = chunk[4], int.from_bytes(chunk[5:8], "little")
    stored = chunk[CHUNK_HEADER_BYTES:]
    try:
        plain = stored if scheme == 0 else lz4.frame.decompress(stored)
    except RuntimeError as error:
        raise FormatError("the chunk cannot be unpacked") from error
    if scheme == 2:
        plain = _ungrouped(plain)
    if len(plain) != plain_bytes:
        raise FormatError("the chunk has another length than it says")
    return plain


def _ungrouped(grouped: bytes) -> bytes:
    plain = bytearray(len(grouped))
    at = 0
    for position in range(GROUP):
        count = len(range(position, len(grouped), GROUP))
        plain[position::GROUP] = grouped[at : at + count]
        at += count
    return bytes(plain)
