"""One watched root's files by their paths: links are followed where they stay inside it, or not at all.

A link that leads nowhere, or out of the root, is like a file that a filter hides: it is not read, and what the Hub
holds of it stays. What looks, lists and opens never follows a link; it is asked about the path that a link led to.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hf_watch.disk import opening, roots, standing, walking
from hf_watch.disk.links import Links
from hf_watch.paths import join, parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hf_watch.model import Fingerprint
    from hf_watch.rules.filters import Wanted


class Disk:
    """What is below `root`, an absolute path. One thread at a time."""

    def __init__(self, root: str, *, follows: bool = False) -> None:
        self.root = root
        self._links = Links(root) if follows else None

    def place(self, path: str) -> str | None:
        """The path without a link in it that this one leads to; None when it leads nowhere inside the root."""
        return path if self._links is None else self._links.place(path)

    def note_link(self, path: str) -> bool:
        """Whether a link stands here that is followed; where it leads is remembered then."""
        return self._links is not None and self._links.note(path).is_link

    def through(self, place: str) -> Iterable[str]:
        """The links that lead elsewhere by what stands at `place`."""
        return () if self._links is None else self._links.through(place)

    def to(self, place: str) -> Iterable[str]:
        """The other paths by which what stands at `place` is published."""
        return () if self._links is None else list(self._links.to(place))

    def walk(self, start: str, wanted: Wanted) -> Iterator[walking.Listing | walking.Unreadable]:
        """As walking.walk, with the directories and files that links lead to."""
        return walking.walk(self.root, start, wanted, self._links)

    @contextmanager
    def opened(self, path: str) -> Iterator[int | None]:
        """As opening.opened."""
        place = self.place(path)
        if place is None:
            yield None
            return
        with opening.opened(self.root, place) as fd:
            yield fd

    def look(self, path: str) -> Fingerprint | None:
        """As standing.look."""
        place = self.place(path)
        return None if place is None else standing.look(self.root, place)

    def is_file(self, path: str) -> bool:
        """As standing.is_file."""
        place = self.place(path)
        return place is not None and standing.is_file(self.root, place)

    def is_directory(self, path: str) -> bool:
        """As standing.is_directory; there could be one behind a link that leads nowhere now."""
        place = self.place(path)
        return place is None or standing.is_directory(self.root, place)

    def is_gone(self, path: str) -> bool:
        """As standing.file_is_gone; what a link does not lead to any more, or is not followed to, is not gone."""
        place = self.place(path)
        return place is not None and not self._is_led(place) and standing.file_is_gone(self.root, place)

    def size_bytes(self, path: str) -> int:
        """As standing.size_bytes."""
        place = self.place(path)
        return 0 if place is None else standing.size_bytes(self.root, place)

    def device_of(self, path: str) -> int | None:
        """As roots.device_of, of the directory that holds the file or the link to it."""
        above = self.place(parent(path)) if parent(path) else ""
        return None if above is None else roots.device_of(self.root, join(above, path.rpartition("/")[2]))

    def why_astray(self, path: str) -> str | None:
        """Why a link on the way to a path, or at it, keeps it from being published; None when none does. For people."""
        if self._is_led(path):
            return 'a link, and symlinks = "ignore"'
        if self.place(path) is None:
            return "a link that leads nowhere, out of the watched directory, or in a circle"
        return None

    def moves(self, path: str) -> bool:
        """Whether a file can be moved by its name: behind a link it is another path's."""
        return self.place(path) == path

    def _is_led(self, path: str) -> bool:
        """Where links are not followed: whether one is on the way."""
        if self._links is not None:
            return False
        at = ""
        for name in path.split("/"):
            at = join(at, name)
            if os.path.islink(os.path.join(self.root, at)):
                return True
        return False
