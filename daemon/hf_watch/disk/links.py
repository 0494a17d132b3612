"""Symbolic links below a root: where they lead, and which of them lead to what has changed.

What comes out is a path without a link in it, as of a moment ago. `opening` takes it step by step and follows nothing,
so that whatever is put in its way meanwhile cannot lead out of the root.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.paths import join, parent, parents, within

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_HOPS = 40  # links behind one link, as for the kernel: path_resolution(7)
MOST_KEPT = 10_000  # links whose ends are known by heart; what others lead to is found changed by a rescan


@dataclass(frozen=True, slots=True)
class Way:
    """Where a path leads.

    `place` is a path below the root without a link in it, at which there may be nothing unless a link names it; None
    when a link on the way leads nowhere, in a circle, out of the root, or into a directory that is not entered.
    `passed` is all that was come by: each link, and each directory, file or gap that a link named.
    """

    place: str | None
    passed: tuple[str, ...]
    is_link: bool  # what stands at the path itself is one


def find_way(root: str, path: str) -> Way:
    """Follow the links of a path below `root`, which is absolute and resolved.

    At most one link to a directory is entered on a way, and none that leads to where it lies itself: otherwise a few
    links would make a tree that has no end, or is larger than any disk.
    """
    at, passed, is_in_linked, is_link = "", list[str](), False, False
    for name in path.split("/"):
        place = join(at, name)
        aim = _aim(root, place)
        is_link = aim is not None
        if aim is None:
            at = place
            continue
        passed.append(place)
        led = _Lead(root, at, passed).end(aim)
        is_directory = led is not None and _is_directory(root, led)
        if led is None or (is_directory and (is_in_linked or within(at, led))):
            return Way(None, tuple(passed), is_link=place == path)
        is_in_linked |= is_directory
        at = led
    return Way(at, tuple(passed), is_link)


class _Lead:
    """One link, followed to its end."""

    def __init__(self, root: str, holder: str, passed: list[str]) -> None:
        self._root = root
        self._at = holder
        self._left: list[str] = []  # the next one last
        self._passed = passed
        self._hops = 0

    def end(self, aim: str) -> str | None:
        """Where it leads; None when that is nowhere below the root."""
        if not self._take(aim):
            return None
        while self._left:
            if not self._step(self._left.pop()):
                return None
        return self._at

    def _step(self, name: str) -> bool:
        if name == "..":
            return self._climb()
        place = join(self._at, name)
        self._passed.append(place)
        aim = _aim(self._root, place)
        if aim is not None:
            return self._take(aim)
        self._at = place
        return os.path.lexists(_full(self._root, place))

    def _take(self, aim: str) -> bool:
        self._hops += 1
        if self._hops > MOST_HOPS:
            return False
        if aim.startswith("/"):
            return self._enter(aim)
        self._left += _segments(aim)
        return True

    def _climb(self) -> bool:
        if not self._at:
            return self._enter(self._root.rpartition("/")[0])
        self._at = parent(self._at)
        return True

    def _enter(self, aim: str) -> bool:
        """Go on from the root, if what is left of the way leads below it from outside, by its name or in fact."""
        inner = _below(self._root, "/".join([aim, *reversed(self._left)]))
        self._at, self._left = "", _segments(inner or "")
        return inner is not None


def _segments(path: str) -> list[str]:
    """The last one first."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def _below(root: str, place: str) -> str | None:
    base = root.rstrip("/") + "/"
    for known in (place, os.path.realpath(place)):
        if f"{known}/".startswith(base):
            return known[len(base) :]
    return None


def _full(root: str, place: str) -> str:
    return os.path.join(root, place)


def _aim(root: str, place: str) -> str | None:
    """What the link at `place` says; None when there is none."""
    try:
        return os.readlink(_full(root, place))
    except OSError:
        return None


def _is_directory(root: str, place: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(_full(root, place)).st_mode)
    except OSError:
        return False


class Links:
    """The links of one root; those that were come by are remembered. One thread at a time."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._ways: dict[str, Way] = {}
        self._by_place: dict[str, dict[str, None]] = {}  # which of them pass it

    def place(self, path: str) -> str | None:
        """Where a path leads, as Way.place."""
        return find_way(self._root, path).place

    def note(self, path: str) -> Way:
        """Where a path leads; remembered if it is a link, forgotten if it is none."""
        way = find_way(self._root, path)
        self._forget(path)
        if way.is_link:
            while len(self._ways) >= MOST_KEPT:
                self._forget(next(iter(self._ways)))
            self._ways[path] = way
            for place in way.passed:
                self._by_place.setdefault(place, {})[path] = None
        return way

    def _forget(self, path: str) -> None:
        way = self._ways.pop(path, None)
        for place in way.passed if way is not None else ():
            links = self._by_place.get(place, {})
            links.pop(path, None)
            if not links:
                self._by_place.pop(place, None)

    def through(self, place: str) -> list[str]:
        """The remembered links that do not lead to what stands at `place`, but elsewhere by it."""
        return [link for link in self._by_place.get(place, ()) if link != place and self._ways[link].place != place]

    def to(self, place: str) -> Iterator[str]:
        """The other paths of what stands at `place`, by the remembered links that lead to it or to what it lies in."""
        for above in (place, *parents(place)):
            for link in self._by_place.get(above, ()):
                if self._ways[link].place == above:
                    yield link + place[len(above) :]
