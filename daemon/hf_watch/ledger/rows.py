"""What stands in the ledger's rows, and how it is written in their columns."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from hf_watch.model import Fingerprint
from hf_watch.paths import join

if TYPE_CHECKING:
    from hf_watch.model import Digest


@dataclass(frozen=True, slots=True)
class Root:
    """One watched root bound to a destination and a mapping, as the ledger keys it."""

    id: int
    destination_id: int
    is_mapped: bool  # by a template: its rows are looked up by repo path, too


@dataclass(frozen=True, slots=True)
class Recorded:
    """One file that the Hub is now known to hold. Without a `fingerprint` it is read again before it is skipped."""

    path: str
    repo_path: str
    fingerprint: Fingerprint | None
    digest: Digest
    generation: int


@dataclass(frozen=True, slots=True)
class Intended:
    """One operation about to be committed: the content to be put at the path, or None for a delete."""

    root: Root
    path: str
    repo_path: str
    digest: Digest | None
    generation: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """A path in quarantine, and the file it was then."""

    path: str
    fingerprint: Fingerprint | None
    reason: str
    at_s: float
    repo_path: str | None = None  # another file has it, too: looked at anew whenever one of the two changes


class DeleteState(Enum):
    """What is to become of a file that is known to the Hub and missing here, where there are more than a few."""

    NOTED = "noted"  # not decided yet
    HELD = "held"  # too many: a person must confirm it
    CONFIRMED = "confirmed"  # to be deleted


def split(path: str) -> tuple[bytes, bytes]:
    """The columns `dir` and `name` of a path."""
    directory, _, name = os.fsencode(path).rpartition(b"/")
    return directory, name


def joined(directory: bytes, name: bytes) -> str:
    """The path with these columns."""
    return join(os.fsdecode(directory), os.fsdecode(name))


def signed(number: int) -> int:
    """SQLite's integers are signed; device and inode numbers need not fit."""
    return number - (1 << 64) if number >= 1 << 63 else number


def columns(fingerprint: Fingerprint | None) -> tuple[int | None, ...]:
    """The columns `inode`, `size_bytes`, `mtime_ns` and `ctime_ns`."""
    if fingerprint is None:
        return (None,) * 4
    return signed(fingerprint.inode), fingerprint.size_bytes, fingerprint.mtime_ns, fingerprint.ctime_ns


def fingerprint(
    inode: int | None, size_bytes: int | None, mtime_ns: int | None, ctime_ns: int | None
) -> Fingerprint | None:
    """The fingerprint with these columns."""
    if inode is None or size_bytes is None or mtime_ns is None or ctime_ns is None:
        return None
    return Fingerprint(inode % (1 << 64), size_bytes, mtime_ns, ctime_ns)
