"""The formats of the content store: a xorb is a run of compressed chunks, a shard says which chunks make which file.

Source: xet-core's specification, and what hf_xet 1.8.0 sends. Nothing here touches the disk.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import lz4.frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

CHUNK_HEADER_BYTES = 8
SHARD_HEADER_BYTES = 48
ENTRY_BYTES = 48
SHARD_TAG = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
SHARD_VERSION, FOOTER_VERSION, FOOTER_BYTES = 2, 1, 200
XORB_FOOTER = b"XETBLOB"
LAST_HASH = b"\xff" * 32
HAS_VERIFICATION = 1 << 31
HAS_METADATA = 1 << 30
FOR_EVER = (1 << 64) - 1
GROUP = 4  # bytes are grouped by their position modulo 4 in scheme 2


T = TypeVar("T")


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
class XorbInfo:
    """One xorb of a shard: the hashes of its chunks in order, and the record as it came."""

    hash: str
    chunks: tuple[str, ...]
    record: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes `start` … `end` (exclusive) of a xorb, and how many they are unpacked."""

    start: int
    end: int
    size_bytes: int


def hash_text(raw: bytes) -> str:
    """A hash as the API writes it: four little-endian 64-bit numbers in hex."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def parse_shard(shard: bytes) -> tuple[list[FileInfo], list[XorbInfo]]:
    """The files and the xorbs that a shard describes; FormatError for anything else."""
    try:
        files, at = _section(shard, SHARD_HEADER_BYTES, _file)
        xorbs, _ = _section(shard, at, _xorb)
    except struct.error as error:
        raise FormatError("this is no shard") from error
    return files, xorbs


def _section(shard: bytes, at: int, read: Callable[[bytes, int], tuple[T, int]]) -> tuple[list[T], int]:
    """What one section holds, and where the next one begins."""
    found = []
    while (raw := shard[at : at + 32]) != LAST_HASH:
        if len(raw) < 32:
            raise FormatError("the shard ends early")
        item, at = read(shard, at)
        found.append(item)
    return found, at + ENTRY_BYTES


def _file(shard: bytes, at: int) -> tuple[FileInfo, int]:
    name = hash_text(shard[at : at + 32])
    flags, count = struct.unpack_from("<II", shard, at + 32)
    at += ENTRY_BYTES
    segments = tuple(_segment(shard, at + number * ENTRY_BYTES) for number in range(count))
    at += count * ENTRY_BYTES * (2 if flags & HAS_VERIFICATION else 1)
    if not flags & HAS_METADATA:
        return FileInfo(name, None, segments), at
    # A sha256 is kept like the other hashes, in four numbers; written out they are the usual hex.
    return FileInfo(name, hash_text(shard[at : at + 32]), segments), at + ENTRY_BYTES


def _xorb(shard: bytes, at: int) -> tuple[XorbInfo, int]:
    _flags, count = struct.unpack_from("<II", shard, at + 32)
    end = at + ENTRY_BYTES * (1 + count)
    chunks = tuple(hash_text(shard[each : each + 32]) for each in range(at + ENTRY_BYTES, end, ENTRY_BYTES))
    return XorbInfo(hash_text(shard[at : at + 32]), chunks, shard[at:end]), end


def shard_of(record: bytes) -> bytes:
    """A shard that holds the record of one xorb and no file, with the tables to look up its chunks by."""
    xorb, _ = _xorb(record, 0)
    end = LAST_HASH + bytes(ENTRY_BYTES - len(LAST_HASH))
    stored_bytes, plain_bytes = struct.unpack_from("<II", record, 40)[::-1]
    chunks = sorted((_first_number(chunk), index) for index, chunk in enumerate(xorb.chunks))
    tables = struct.pack("<QI", _first_number(xorb.hash), 0)
    tables += b"".join(struct.pack("<QII", number, 0, index) for number, index in chunks)
    xorbs_at = SHARD_HEADER_BYTES + len(end)
    tables_at = xorbs_at + len(record) + len(end)
    footer = struct.pack(
        "<9Q32x2Q48x4Q", FOOTER_VERSION, SHARD_HEADER_BYTES, xorbs_at, tables_at, 0, tables_at, 1, tables_at + 12,
        len(chunks), 0, FOR_EVER, stored_bytes, 0, plain_bytes, tables_at + len(tables),
    )  # fmt: skip
    return SHARD_TAG + struct.pack("<2Q", SHARD_VERSION, FOOTER_BYTES) + end + record + end + tables + footer


def _first_number(hash_text: str) -> int:
    return int(hash_text[:16], 16)


def _segment(shard: bytes, at: int) -> Segment:
    _flags, size_bytes, first, last = struct.unpack_from("<IIII", shard, at + 32)
    return Segment(hash_text(shard[at : at + 32]), first, last, size_bytes)


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
