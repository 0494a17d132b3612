"""Which paths below a root are published at all. Pure.

In this order: the built-in list of partial and temporary files, hidden names unless asked for, `exclude`, `include`.
A directory that is filtered out is not entered. What ignore files in the tree say comes on top: `ignore_files`.
"""

from __future__ import annotations

import fnmatch
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.base import GitIgnorePatternError

from hf_watch.paths import parents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathspec.pattern import RegexPattern

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


POSIX_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \t", "digit": "0-9", "lower": "a-z", "space": " \t\n\r\f\v",
    "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip
DIRECTORY_MARK = "ps_d"  # of pathspec 1.0: the group of a pattern that holds the slash behind a directory


class Wanted(Protocol):
    """What a walk asks."""

    def enters(self, directory: str) -> bool: ...

    def takes(self, path: str) -> bool: ...

    def inside(self, directory: str) -> Wanted:
        """What decides about the entries of a directory, good for one look at it."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a list of patterns says of a path, and the pattern that says so."""

    is_ignored: bool
    line: str


class Rules:
    """Lines of gitignore syntax; ValueError if one is none, unless they are to be passed over as git does."""

    def __init__(self, lines: Sequence[str], *, lenient: bool = False) -> None:
        self._patterns = [
            (pattern, line)
            for line in lines
            if not lenient or _is_pattern(line)
            for pattern in _parsed(line)
            if pattern.include is not None
        ]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def verdict(self, path: str, *, is_directory: bool) -> Verdict | None:
        """What the last pattern that matches the path itself says; None when none does.

        A pattern that only matches a directory above says nothing here: whoever asks has asked about that one before.
        """
        asked = f"{path}/" if is_directory else path
        for pattern, line in reversed(self._patterns):
            found = pattern.match_file(asked)
            if found is not None and _is_itself(found.match, len(asked)):
                return Verdict(bool(pattern.include), line)
        return None


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a file has to be, and how large it may be, to be published."""

    min_bytes: int = 0
    max_bytes: int | None = None

    def why_not(self, size_bytes: int) -> str | None:
        """Why a file of this size is not published; None when it is."""
        if size_bytes < self.min_bytes:
            return f"smaller than min_size = {self.min_bytes} bytes"
        if self.max_bytes is not None and size_bytes > self.max_bytes:
            return f"larger than max_size = {self.max_bytes} bytes"
        return None


ANY_SIZE = Sizes()


class Filter:
    """The filter of one target. `include` and `exclude` are lines of gitignore syntax; ValueError if one is not."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = (), *, hidden: bool = False) -> None:
        self._never = re.compile("|".join(fnmatch.translate(name) for name in (*PARTIAL_NAMES, *PRIVATE_DIRECTORIES)))
        self._include = _spec(include)
        self._exclude = Rules(exclude)
        self._hidden = hidden

    def inside(self, _directory: str) -> Filter:
        """Itself: it is the same everywhere."""
        return self

    def enters(self, directory: str) -> bool:
        """Whether the directory's content can be published, its parents taken for granted."""
        return self._named_well(directory) and not self._excludes(directory, is_directory=True)

    def takes(self, path: str) -> bool:
        """Whether the file is published, its directory taken for granted."""
        if not self._named_well(path) or self._excludes(path, is_directory=False):
            return False
        return self._include is None or self._include.match_file(path)

    def reaches(self, path: str) -> bool:
        """Whether the file is published, every directory above it asked too."""
        return all(self.enters(directory) for directory in parents(path)) and self.takes(path)

    def why_not(self, path: str, *, is_directory: bool) -> str:
        """The rule that keeps a file, or a directory with all that is in it, from being published; for people."""
        name = path.rpartition("/")[2]
        if self._never.match(name):
            return "on the built-in list of partial and temporary files"
        if not self._hidden and name.startswith("."):
            return "hidden, and hidden = false"
        verdict = self._exclude.verdict(path, is_directory=is_directory)
        if verdict is not None and verdict.is_ignored:
            return f"excluded by {verdict.line!r}"
        return "not among include"

    def _excludes(self, path: str, *, is_directory: bool) -> bool:
        verdict = self._exclude.verdict(path, is_directory=is_directory) if self._exclude else None
        return verdict is not None and verdict.is_ignored

    def _named_well(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return (self._hidden or not name.startswith(".")) and not self._never.match(name)


def _spec(lines: Sequence[str]) -> GitIgnoreSpec | None:
    for line in lines:
        _parsed(line)
    return GitIgnoreSpec.from_lines(map(_normal, lines)) if lines else None


def _is_itself(match: re.Match[str], length: int) -> bool:
    """Whether the match reaches the end of the path; pathspec marks the slash of a directory that it stops at."""
    mark = match.groupdict().get(DIRECTORY_MARK)
    return mark is None or match.end(DIRECTORY_MARK) == length


def _is_pattern(line: str) -> bool:
    try:
        _parsed(line)
    except ValueError:
        return False
    return True


def _normal(line: str) -> str:
    """The same pattern in words that pathspec 1.0 reads as git does; the property tests found these."""
    bare = line.rstrip(" ")
    if len(bare) < len(line) and (len(bare) - len(bare.rstrip("\\"))) % 2:
        bare += " "  # only an escaped space at the end counts
    bare = re.sub(r"(?<!\\)\*{3,}", "**", bare)
    bare = re.sub(r"/\*\*(/?)$", r"/**/*\1", bare)  # what lies inside, never the directory itself
    return re.sub(r"\[:([a-z]+):\]", lambda found: POSIX_CLASSES.get(found[1], found[0]), bare)


def _parsed(line: str) -> Sequence[RegexPattern]:
    if "//" in line:
        raise ValueError(f"{line!r} matches nothing, for no path has two slashes in a row")
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # classes like [[:alpha:]], which would mean something else here
        try:
            return tuple(GitIgnoreSpec.from_lines([_normal(line)]).patterns)
        except (GitIgnorePatternError, re.error, FutureWarning) as error:
            raise ValueError(f"{line!r} is no gitignore pattern that is understood here") from error


NOTHING = Filter(exclude=["*"])
