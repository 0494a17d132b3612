"""Which file a repo path belongs to, where several map to one. On the thread of the destination's worker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.threads.status import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Fingerprint
    from hf_watch.targets.findings import Found
    from hf_watch.targets.target import Target


@dataclass(frozen=True, slots=True)
class Claim:
    """A file on disk that belongs at a repo path; `sha256` is what the Hub holds of it there, if that is known."""

    target: Target
    path: str
    fingerprint: Fingerprint
    sha256: bytes | None

    @property
    def place(self) -> str:
        """The file's path on this machine."""
        return os.path.join(self.target.path, self.path)  # noqa: PTH118  the name need not be UTF-8

    @property
    def age(self) -> tuple[int, str]:
        """What grows the newer it is; no two files have the same."""
        return self.fingerprint.mtime_ns, self.place


class Claims:
    """Looks claims up: in the ledger, on disk where a path's file is known by its name, and in what is gathered."""

    def __init__(self, ledger: Ledger, targets: Sequence[Target]) -> None:
        self._ledger = ledger
        self._targets = targets
        self._gathered: dict[str, Claim] = {}  # by repo path
        self._going: dict[tuple[int, str], str] = {}  # by file: the repo path it goes to
        self._withdrawn: set[tuple[int, str]] = set()

    def begin(self) -> None:
        """A commit is being gathered; what the last one gathered is in the ledger by now."""
        self._gathered.clear()
        self._going.clear()
        self._withdrawn.clear()

    def take(self, claim: Claim, in_repo: str) -> None:
        """The file goes there with the commit that is being gathered."""
        self._gathered[in_repo] = claim
        self._going[_key(claim.target, claim.path)] = in_repo

    def gathered(self, in_repo: str) -> Claim | None:
        """The file that goes there with the commit that is being gathered."""
        return self._gathered.get(in_repo)

    def withdraw(self, claim: Claim) -> None:
        """It does not go after all: a file that came later clashes with it."""
        self._withdrawn.add(_key(claim.target, claim.path))

    def is_withdrawn(self, found: Found) -> bool:
        return _key(found.target, found.waiting.path) in self._withdrawn

    def rivals(self, target: Target, path: str, in_repo: str) -> list[Claim]:
        """The other files that belong at a repo path."""
        found = {_key(each.target, each.path): each for each in self._on_disk(target, path, in_repo)}
        going = self._gathered.get(in_repo)
        if going is not None:
            found[_key(going.target, going.path)] = going
        found.pop(_key(target, path), None)
        return list(found.values())

    def _on_disk(self, target: Target, path: str, in_repo: str) -> Iterator[Claim]:
        for other in self._targets:
            if other.is_lost or (other is target and other.spec.mapping.is_plain):
                continue
            for known_path in self._paths(other, in_repo):
                is_itself = other is target and known_path == path
                goes_elsewhere = self._going.get(_key(other, known_path), in_repo) != in_repo
                if not is_itself and not goes_elsewhere and other.wanted.reaches(known_path):
                    fingerprint = other.disk.look(known_path)
                    if fingerprint is not None:
                        yield Claim(other, known_path, fingerprint, self._held(other, known_path, in_repo))

    def _paths(self, target: Target, in_repo: str) -> list[str]:
        if target.spec.mapping.is_plain:
            path = target.spec.mapping.local_path(in_repo)
            return [] if path is None else [path]
        there = self._ledger.files.mapped_to(target.root, in_repo)
        return list(dict.fromkeys([*there, *self._ledger.quarantine.wanting(target.root, in_repo)]))

    def _held(self, target: Target, path: str, in_repo: str) -> bytes | None:
        known = self._ledger.files.known(target.root, path)
        if known is None or known.digest is None or known.repo_path != in_repo:
            return None
        return known.digest.sha256


def beats(claim: Claim, rivals: Sequence[Claim]) -> bool:
    """Whether the file goes to its repo path in spite of its rivals."""
    if claim.target.spec.on_clash == "newest":
        return all(claim.age > rival.age for rival in rivals)
    return not rivals


def reason(claim: Claim, rivals: Sequence[Claim], in_repo: str) -> str:
    """Why a file that does not beat its rivals is set aside."""
    newest = max(rivals, key=lambda rival: rival.age)
    if claim.target.spec.on_clash == "newest":
        return f"{newest.place} is newer and maps to the same repo path {in_repo}"
    more = f" and {counted(len(rivals) - 1, 'more file')}" if len(rivals) > 1 else ""
    return f"{newest.place}{more} maps to the same repo path {in_repo}"


def _key(target: Target, path: str) -> tuple[int, str]:
    return target.root.id, path
