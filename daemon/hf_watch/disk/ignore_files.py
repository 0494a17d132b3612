"""Ignore files inside a watched tree: `.hfwatchignore`, with the syntax and the rules of `.gitignore`.

They are read anew for every look, so that a change applies at once. Of several that say something about a path the one
nearest to it decides; what lies in an ignored directory is ignored whatever is said below it.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.paths import join, parent, parents
from hf_watch.rules.filters import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.rules.filters import Filter, Verdict

NAME = ".hfwatchignore"
LARGEST_BYTES = 1 << 20
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
EVERYTHING = Rules(("*",))  # of a file that cannot be read: rather too little is published than too much
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Level:
    """The ignore file of one directory."""

    directory: str
    rules: Rules

    def verdict(self, path: str, *, is_directory: bool) -> Verdict | None:
        below = path[len(self.directory) + 1 :] if self.directory else path
        return self.rules.verdict(below, is_directory=is_directory)


@dataclass(frozen=True, slots=True)
class Inside:
    """A target's filter and the ignore files that count in one directory, the nearest first."""

    wanted: Filter
    levels: Sequence[_Level]

    def inside(self, _directory: str) -> Inside:
        """Itself: it was made for that directory."""
        return self

    def enters(self, directory: str) -> bool:
        """As filters.Filter."""
        return self.wanted.enters(directory) and not self._ignored(directory, is_directory=True)

    def takes(self, path: str) -> bool:
        """As filters.Filter."""
        return self.wanted.takes(path) and not self._ignored(path, is_directory=False)

    def why_not(self, path: str, *, is_directory: bool) -> str:
        """As filters.Filter."""
        is_filtered = not (self.wanted.enters(path) if is_directory else self.wanted.takes(path))
        if not is_filtered:
            for level in self.levels:
                verdict = level.verdict(path, is_directory=is_directory)
                if verdict is not None:
                    return f"ignored by {verdict.line!r} of {join(level.directory, NAME)}"
        return self.wanted.why_not(path, is_directory=is_directory)

    def _ignored(self, path: str, *, is_directory: bool) -> bool:
        for level in self.levels:
            verdict = level.verdict(path, is_directory=is_directory)
            if verdict is not None:
                return verdict.is_ignored
        return False


def _itself(directory: str) -> str | None:
    return directory


class IgnoreFiles:
    """The filter of one target and what its tree says. One thread at a time; what was read is kept until it changes."""

    def __init__(self, root: str, wanted: Filter, place: Callable[[str], str | None] = _itself) -> None:
        """`place`: where a directory's path leads, if that is anywhere below the root."""
        self._root = root
        self._place = place
        self._wanted = wanted
        self._read: dict[str, tuple[Stamp, Rules]] = {}

    def inside(self, directory: str) -> Inside:
        """What decides about the entries of a directory, as of now."""
        places = [directory, *parents(directory), ""] if directory else [""]
        return Inside(self._wanted, [level for place in places if (level := self._level(place)) is not None])

    def enters(self, directory: str) -> bool:
        """Whether the directory's content can be published, its parents taken for granted."""
        return self.inside(parent(directory)).enters(directory)

    def leads_into(self, directory: str) -> bool:
        """Whether the directory's content can be published, every directory above it asked too."""
        return all(map(self.enters, [directory, *parents(directory)])) if directory else True

    def takes(self, path: str) -> bool:
        """Whether the file is published, its directory taken for granted."""
        return self.inside(parent(path)).takes(path)

    def reaches(self, path: str) -> bool:
        """Whether the file is published, every directory above it asked too."""
        return self._wanted.reaches(path) and self.leads_into(parent(path)) and self.takes(path)

    def why_not(self, path: str, *, is_directory: bool) -> str:
        """The rule that keeps a file, or a directory with all that is in it, from being published; for people."""
        return self.inside(parent(path)).why_not(path, is_directory=is_directory)

    def _level(self, directory: str) -> _Level | None:
        led = self._place(directory) if directory else ""
        if led is None:
            return None
        place = os.path.join(self._root, led, NAME)
        try:
            found = os.lstat(place)
        except OSError:
            self._read.pop(directory, None)
            return None
        if not stat.S_ISREG(found.st_mode):
            return None  # as git has it
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        known = self._read.get(directory)
        if known is None or known[0] != stamp:
            known = self._read[directory] = (stamp, _rules(place))
        return _Level(directory, known[1]) if known[1] else None


def _rules(place: str) -> Rules:
    try:
        fd = os.open(place, FLAGS)
    except OSError:
        return EVERYTHING
    with open(fd, "rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        return EVERYTHING
    text = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf"))
    return Rules([line.removesuffix("\r") for line in text.split("\n")], lenient=True)
