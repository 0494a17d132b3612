"""Which paths below a root are published at all. Pure.

In this order: the built-in list of partial and temporary files, hidden names unless asked for, `exclude`, `include`.
A directory that is filtered out is not entered.
"""

from __future__ import annotations

import fnmatch
import re
import warnings
from typing import TYPE_CHECKING, Protocol

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.base import GitIgnorePatternError

from hf_watch.paths import parent

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTIAL_NAMES = (  # what browsers, editors, file managers and transfer tools leave while they work
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.download",
    "*.filepart",
    "*.tmp",
    "*.temp",
    "*.swp",
    "*.swx",
    "*~",
    ".~lock*",
    ".nfs*",
    "._*",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    ".*.??????",  # rsync's temporary name
    ".fuse_hidden*",
    "*.hf-watch.json",  # receipts beside their files
)
PRIVATE_DIRECTORIES = (".git", ".cache")  # the Hub refuses paths with these segments


class Wanted(Protocol):
    """What a walk asks."""

    def enters(self, directory: str) -> bool: ...

    def takes(self, path: str) -> bool: ...


class Filter:
    """The filter of one target. `include` and `exclude` are lines of gitignore syntax; ValueError if one is not."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = (), *, hidden: bool = False) -> None:
        self._never = re.compile("|".join(fnmatch.translate(name) for name in (*PARTIAL_NAMES, *PRIVATE_DIRECTORIES)))
        self._include = _spec(include)
        self._exclude = _spec(exclude)
        self._exclude_lines = tuple(exclude)
        self._hidden = hidden

    def enters(self, directory: str) -> bool:
        """Whether the directory's content can be published, its parents taken for granted."""
        return self._named_well(directory) and not (self._exclude and self._exclude.match_file(directory + "/"))

    def takes(self, path: str) -> bool:
        """Whether the file is published, its directory taken for granted."""
        if not self._named_well(path) or (self._exclude and self._exclude.match_file(path)):
            return False
        return self._include is None or self._include.match_file(path)

    def reaches(self, path: str) -> bool:
        """Whether the file is published, every directory above it asked too."""
        directory = parent(path)
        while directory:
            if not self.enters(directory):
                return False
            directory = parent(directory)
        return self.takes(path)

    def why_not(self, path: str, *, is_directory: bool) -> str:
        """The rule that keeps a file, or a directory with all that is in it, from being published; for people."""
        name = path.rpartition("/")[2]
        if self._never.match(name):
            return "on the built-in list of partial and temporary files"
        if not self._hidden and name.startswith("."):
            return "hidden, and hidden = false"
        if self._exclude is not None:
            result = self._exclude.check_file(path + "/" if is_directory else path)
            if result.include and result.index is not None:
                return f"excluded by {self._exclude_lines[result.index]!r}"
        return "not among include"

    def _named_well(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return (self._hidden or not name.startswith(".")) and not self._never.match(name)


def _spec(lines: Sequence[str]) -> GitIgnoreSpec | None:
    for line in lines:
        _check(line)
    return GitIgnoreSpec.from_lines(lines) if lines else None


def _check(line: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # classes like [[:alpha:]], which would mean something else here
        try:
            GitIgnoreSpec.from_lines([line])
        except (GitIgnorePatternError, re.error, FutureWarning) as error:
            raise ValueError(f"{line!r} is no gitignore pattern that is understood here") from error
