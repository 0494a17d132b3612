"""The files of a directory and of all below it, as hints: what is listed may be otherwise a moment later."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hf_watch.disk.opening import OPEN_FLAGS
from hf_watch.disk.roots import LEAVING_PREFIX
from hf_watch.disk.standing import GONE_ERRNOS, fingerprint_of, is_directory, look
from hf_watch.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hf_watch.disk.links import Links
    from hf_watch.model import Fingerprint
    from hf_watch.rules.filters import Wanted


@dataclass(frozen=True, slots=True)
class Listing:
    """The published files of one directory, by name, and the names of the directories below it that are entered.

    `others` are the names that are neither file nor directory: links that are not followed, and special files.
    `led` says where those of the directories lie that a link leads to.
    """

    directory: str
    files: dict[str, Fingerprint]
    directories: tuple[str, ...]
    others: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()  # private names of files that were being deleted when the process was killed
    led: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A directory that exists and could not be listed. What is in it is unknown, not gone."""

    directory: str
    reason: str


def walk(root: str, start: str, wanted: Wanted, links: Links | None = None) -> Iterator[Listing | Unreadable]:
    """The directory `start` and all below it, each once, in no particular order. A missing directory yields nothing.

    With `links` the directories and files that they lead to are among it, once for each path.
    """
    pending = [(start, links.place(start) if links is not None and start else start)]
    while pending:
        directory, place = pending.pop()
        if place is None:
            continue
        try:
            listing = _listing(root, directory, place, wanted, links)
        except OSError as error:
            if error.errno not in GONE_ERRNOS:
                yield Unreadable(directory, error.strerror or str(error))
            continue
        pending.extend(
            (join(directory, name), listing.led.get(name, join(place, name))) for name in listing.directories
        )
        yield listing


def _listing(root: str, directory: str, place: str, wanted: Wanted, links: Links | None) -> Listing:
    """What it lists are hints: that a link may be put in the way of `place` meanwhile matters to none of them."""
    files: dict[str, Fingerprint] = {}
    directories: list[str] = []
    others: list[str] = []
    leaving: list[str] = []
    fd = os.open(os.path.join(root, place), OPEN_FLAGS | os.O_DIRECTORY) if place else os.open(root, OPEN_FLAGS)
    inside = wanted.inside(directory)
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                path = join(directory, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if inside.enters(path):
                        directories.append(entry.name)
                elif not entry.is_file(follow_symlinks=False):
                    others.append(entry.name)
                elif entry.name.startswith(LEAVING_PREFIX):
                    leaving.append(entry.name)
                elif inside.takes(path):
                    _add(files, entry)
    finally:
        os.close(fd)
    listing = Listing(directory, files, tuple(directories), tuple(others), tuple(leaving))
    return listing if links is None else _with_led(root, listing, inside, links)


def _with_led(root: str, listing: Listing, inside: Wanted, links: Links) -> Listing:
    """The same with what links lead to, under the links' names."""
    files, led = dict(listing.files), dict[str, str]()
    taken: set[str] = set()
    for name in listing.others:
        path = join(listing.directory, name)
        place = links.note(path).place
        if place is None:
            continue
        looked = look(root, place)
        if looked is not None:
            taken.add(name)
            if inside.takes(path):
                files[name] = looked
        elif is_directory(root, place):
            taken.add(name)
            if inside.enters(path):
                led[name] = place
    others = tuple(name for name in listing.others if name not in taken)
    return replace(listing, files=files, directories=(*listing.directories, *led), others=others, led=led)


def _add(files: dict[str, Fingerprint], entry: os.DirEntry[str]) -> None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # it went between the listing and the look; its event says so
    files[entry.name] = fingerprint_of(found)
