"""Disk against ledger: what is to be done, and in which commits. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hf_watch.model import Fingerprint, Known, Staged
from hf_watch.paths import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hf_watch.model import Operation, Snapshot


@dataclass(frozen=True, slots=True)
class Limits:
    """What one commit may hold: `max_files` operations and `max_bytes` of content that travels inside the commit."""

    max_files: int
    max_bytes: int

    def reached(self, files: int, held_bytes: int) -> bool:
        """Whether a commit that holds this much takes no more."""
        return files >= self.max_files or held_bytes >= self.max_bytes


@dataclass(frozen=True, slots=True)
class MostDeletes:
    """How many deletes may go at once without being asked for: the larger of a number and a share of what is known."""

    files: int
    share: float

    def of(self, known: int) -> int:
        """The number for so many known files."""
        return max(self.files, int(known * self.share))


def most_deletes(text: str) -> MostDeletes:
    """From `100, 10%`, in either order, one of them enough; ValueError if it is none."""
    files, share = 0, 0.0
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,9})\s*(%?)\s*", part)
        if found is None:
            raise ValueError(
                f"{text!r}: it should be a number of files, a share like 10%, or both with a comma between"
            )
        if found[2]:
            share = int(found[1]) / 100
        else:
            files = int(found[1])
    return MostDeletes(files, share)


@dataclass(frozen=True, slots=True)
class Differences:
    """How one directory differs from what the ledger knows of it."""

    changed: tuple[str, ...]  # names that are new, changed, or in doubt
    gone: tuple[str, ...]  # names that the ledger knows and the disk does not have


def differences(present: Mapping[str, Fingerprint], known: Mapping[str, Known]) -> Differences:
    """Compare the files of a directory with the ledger's, by name; equal fingerprints are the cheapest way to skip."""
    changed = tuple(name for name, fingerprint in present.items() if not unchanged(fingerprint, known.get(name)))
    return Differences(changed, tuple(name for name in known if name not in present))


def folded(name: str) -> str:
    """What names have in common that look alike: neither case nor the way of writing an accent counts."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def look_alikes(names: Iterable[str]) -> list[tuple[str, str]]:
    """The names that are another one's where neither case nor the way of writing an accent counts, each with that one.

    The Hub, as git, takes them for two; who clones the repo on macOS or Windows gets one of them.
    """
    seen: dict[str, str] = {}
    found = []
    for name in sorted(names):
        first = seen.setdefault(folded(name), name)
        if first is not name:
            found.append((name, first))
    return found


def unchanged(fingerprint: Fingerprint, known: Known | None) -> bool:
    """Whether the Hub is known to hold the file with this fingerprint."""
    return known is not None and known.digest is not None and known.fingerprint == fingerprint


def same_content(snapshot: Snapshot, known: Known | None) -> bool:
    """Whether only the file's fingerprint changed: nothing to upload, the fingerprint to be recorded."""
    return known is not None and known.digest is not None and known.digest.sha256 == snapshot.digest.sha256


T = TypeVar("T")


def halves(refused: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """A refused batch in two, to find the one file that is bad."""
    middle = len(refused) // 2
    return refused[:middle], refused[middle:]


def summary(operations: Iterable[Operation]) -> str:
    """What a commit does, for its message, in one line: `Add 37 files under incoming/`."""
    uploads: list[str] = []
    deletes: list[str] = []
    for operation in operations:
        (uploads if isinstance(operation, Staged) else deletes).append(operation.repo_path)
    parts = [_clause("Add", uploads)] if uploads else []
    parts += [_clause("delete" if parts else "Delete", deletes)] if deletes else []
    return ", ".join(parts)


def _clause(verb: str, paths: Sequence[str]) -> str:
    if len(paths) == 1:
        return f"{verb} {printable(paths[0])}"
    place = common_directory(paths)
    return f"{verb} {len(paths)} files" + (f" under {printable(place)}/" if place else "")


def common_directory(paths: Sequence[str]) -> str:
    """The deepest directory that holds all `paths`; `""` for the root."""
    segments = [path.split("/")[:-1] for path in (min(paths), max(paths))]
    common: list[str] = []
    for first, last in zip(*segments, strict=False):
        if first != last:
            break
        common.append(first)
    return "/".join(common)
