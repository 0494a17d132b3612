"""Each branch's head as plain files, so that a person can look."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .objects import Objects
    from .records import File, Repo
    from .store import Store


def plain_files(directory: Path, kind: str, repo_id: str, branch: str) -> Path:
    """Where a branch's files are, below the local Hub's directory; also when no Hub runs there."""
    return directory / "repos" / kind / repo_id / branch.replace("/", "%2F")


@dataclass(frozen=True, slots=True)
class Heads:
    """`repos/KIND/NAMESPACE/NAME/BRANCH/…` below the local Hub's directory."""

    directory: Path
    store: Store
    objects: Objects
    _lock: threading.Lock = field(default_factory=threading.Lock)  # two commits must not write one file at once

    def show(self) -> None:
        """Bring the plain files up to what the store says; after each commit, and at start, where a kill left off."""
        with self._lock:
            for branch in self.store.not_shown():
                root = self._root(branch.repo, branch.name)
                for path in branch.removed:
                    self._remove(root, path)
                for file in branch.written:
                    self._write(root, file)
                self.store.shown(branch)

    def forget(self, repo: Repo, branch: str | None = None) -> None:
        """Remove the plain files of a branch, or of the whole repo, before it goes by another name."""
        with self._lock:
            place = self._root(repo, branch or "")
            shutil.rmtree(place, ignore_errors=True)

    def _root(self, repo: Repo, branch: str) -> Path:
        return plain_files(self.directory, repo.kind, repo.full_name, branch)

    def _write(self, root: Path, file: File) -> None:
        place = root / file.path
        if not place.parent.is_dir():
            self._make_room(root, place.parent)
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        if file.sha256 is not None:
            os.link(self.objects.large(file.sha256), place)
        else:
            place.write_bytes(self.store.past.content(file))

    def _make_room(self, root: Path, directory: Path) -> None:
        """A directory where a file may have been."""
        for above in [*reversed(directory.relative_to(root).parents), directory.relative_to(root)]:
            if (root / above).is_file():
                (root / above).unlink()
        directory.mkdir(parents=True, exist_ok=True)

    def _remove(self, root: Path, path: str) -> None:
        place = root / path
        if place.is_dir():
            return  # something else stands there by now
        place.unlink(missing_ok=True)
        for directory in place.parents:
            if directory == root or not _removed(directory):
                return


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return False
    return True
