"""What Cover does by time and without events: time is an argument here, the kernel a fake, the directories are real."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.watches import cover as c
from hf_watch.watches import reasons
from hf_watch.watches.cover import Cover
from hf_watch.watches.filesystems import Mount
from hf_watch.watches.kernel import open_inotify
from hf_watch.watches.unwatched import MOST_POLLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.watches.kernel import Watches


STAYING = {b"stays", b"stays/as", b"stays/as/it", b"stays/as/new"}


class Inodes:
    """Watches that say nothing: the inode is the watch descriptor. `room` is how many watches are granted."""

    def __init__(self) -> None:
        self.room = 1_000_000
        self.asked = 0
        self.watched: set[int] = set()
        self.removed: list[int] = []
        self.bound: dict[str, Path] = {}  # by the name of a directory, what is mounted there instead

    def add(self, path: bytes) -> int:
        self.asked += 1
        directory = Path(os.fsdecode(path))
        found = self.bound.get(directory.name, directory).lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        wd = found.st_ino
        if wd not in self.watched and len(self.watched) >= self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.watched.add(wd)
        return wd

    def remove(self, wd: int) -> None:
        self.watched.discard(wd)
        self.removed.append(wd)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path.resolve()


@pytest.fixture
def kernel() -> Inodes:
    return Inodes()


@pytest.fixture(params=["fake", "inotify"])
def watches(request: pytest.FixtureRequest) -> Iterator[Watches]:
    if request.param == "fake":
        yield Inodes()
        return
    inotify = open_inotify()
    yield inotify
    inotify.close()


def test_a_directory_has_one_watch_whatever_it_is_called(watches: Watches, root: Path) -> None:
    (root / "a").mkdir()
    (root / "b").mkdir()
    first = watches.add(os.fsencode(root / "a"))
    assert watches.add(os.fsencode(root / "b")) != first
    (root / "a").rename(root / "c")
    assert watches.add(os.fsencode(root / "c")) == first


def test_what_is_no_directory_has_no_watch(watches: Watches, root: Path) -> None:
    (root / "file").touch()
    (root / "link").symlink_to(root, target_is_directory=True)
    with pytest.raises(FileNotFoundError):
        watches.add(os.fsencode(root / "missing"))
    for name in ("file", "link"):
        with pytest.raises(NotADirectoryError):
            watches.add(os.fsencode(root / name))


def test_a_watch_may_be_given_back_twice_and_had_again(watches: Watches, root: Path) -> None:
    wd = watches.add(os.fsencode(root))
    watches.remove(wd)
    watches.remove(wd)
    watches.add(os.fsencode(root))


@pytest.fixture
def begun(root: Path, kernel: Inodes) -> Callable[[], Cover]:
    def begin() -> Cover:
        cover = Cover(os.fsencode(root), kernel, mounts={}, trusting=False, enters=lambda _: True)
        cover.begin(0.0)
        return cover

    return begin


def finish(cover: Cover, now: float) -> int:
    """Work until nothing is to be done before later; returns in how many slices."""
    slices = 0
    while cover.due(now) == 0:
        cover.work(now)
        slices += 1
    return slices


def watched_paths(cover: Cover) -> set[bytes | None]:
    return {cover.tree.path(node) for node in cover.tree.by_wd.values()}


def test_at_rest_nothing_is_due(root: Path, begun: Callable[[], Cover]) -> None:
    (root / "a" / "b").mkdir(parents=True)
    cover = begun()
    assert cover.due(0.0) is None
    assert watched_paths(cover) == {b"", b"a", b"a/b"}


def test_what_was_refused_is_tried_again(root: Path, kernel: Inodes, begun: Callable[[], Cover]) -> None:
    (root / "a" / "b").mkdir(parents=True)
    kernel.room = 1
    cover = begun()
    assert cover.unwatched.polled == ("a",)
    assert cover.gaps == {"a": "no inotify watches left: ENOSPC"}
    cover.gaps.clear()
    assert cover.due(0.0) == c.RETRY_S
    cover.work(c.RETRY_S)
    assert cover.unwatched.polled == ("a",)
    assert not cover.gaps
    assert cover.due(c.RETRY_S) == c.RETRY_S
    kernel.room = 10
    finish(cover, 2 * c.RETRY_S)
    assert not list(cover.unwatched.polled)
    assert cover.gaps == {"a": reasons.WATCHED_AGAIN}
    assert watched_paths(cover) == {b"", b"a", b"a/b"}
    assert finish(cover, 3 * c.RETRY_S) <= 1
    assert cover.due(3 * c.RETRY_S) is None


def test_once_none_is_left_no_other_is_asked_for_in_that_round(
    root: Path, kernel: Inodes, begun: Callable[[], Cover]
) -> None:
    for name in "abc":
        (root / name).mkdir()
    kernel.room = 1
    cover = begun()
    kernel.asked = 0
    finish(cover, c.RETRY_S)
    assert kernel.asked == 1
    kernel.room = 10
    finish(cover, 2 * c.RETRY_S)
    assert watched_paths(cover) == {b"", b"a", b"b", b"c"}


def test_a_root_that_was_refused_is_tried_again(root: Path, kernel: Inodes, begun: Callable[[], Cover]) -> None:
    (root / "a").mkdir()
    kernel.room = 0
    cover = begun()
    assert cover.unwatched.polled == ("",)
    cover.gaps.clear()
    kernel.room = 10
    finish(cover, c.RETRY_S)
    assert not list(cover.unwatched.polled)
    assert cover.gaps == {"": reasons.WATCHED_AGAIN}
    assert watched_paths(cover) == {b"", b"a"}


def test_many_places_to_poll_are_one(root: Path, kernel: Inodes, begun: Callable[[], Cover]) -> None:
    for i in range(MOST_POLLED + 1):
        (root / f"d{i}").mkdir()
    kernel.room = 1
    assert begun().unwatched.polled == ("",)


def test_overflows_one_after_another_leave_time_for_events(root: Path, begun: Callable[[], Cover]) -> None:
    for i in range(3 * c.SLICE):
        (root / f"d{i}").mkdir()
    cover = begun()
    cover.overflowed()
    cover.work(10.0)
    assert cover.gaps == {}  # told when everything has its watch again
    cover.overflowed()
    finish(cover, 11.0)
    assert cover.gaps == {"": reasons.OVERFLOW}
    assert cover.due(11.0) == pytest.approx(c.PAUSE * 1.0)
    cover.gaps.clear()
    cover.work(12.0)
    assert cover.due(12.0) == pytest.approx(c.PAUSE - 1.0)
    cover.work(11.0 + c.PAUSE)
    finish(cover, 11.0 + c.PAUSE)
    assert cover.gaps == {"": reasons.OVERFLOW}
    assert cover.overflows == 2


def test_after_an_overflow_every_directory_is_where_it_is(
    root: Path, kernel: Inodes, begun: Callable[[], Cover]
) -> None:
    for path in ("a/x", "b/y", "gone/z", "stays/as/it"):
        (root / path).mkdir(parents=True)
    cover = begun()
    (root / "a").rename(root / "swap")
    (root / "b").rename(root / "a")
    (root / "swap").rename(root / "b")
    (root / "b" / "x").rename(root / "a" / "new")
    (root / "stays" / "as" / "new").mkdir()
    (root / "gone" / "z").rmdir()
    (root / "gone").rmdir()
    cover.overflowed()
    finish(cover, 10.0)
    finish(cover, 10.0 + c.LOOSE_S)
    assert watched_paths(cover) == {b"", b"a", b"a/y", b"a/new", b"b", *STAYING}
    assert len(kernel.removed) == 2
    assert cover.due(11.0) is None


def test_what_left_is_given_up_after_a_moment(root: Path, kernel: Inodes, begun: Callable[[], Cover]) -> None:
    (root / "a" / "b").mkdir(parents=True)
    cover = begun()
    cover.disappeared(cover.tree.root, b"a", 10.0)
    finish(cover, 10.0)
    assert len(kernel.watched) == 3
    assert cover.due(10.0) == pytest.approx(c.LOOSE_S)
    finish(cover, 10.0 + c.LOOSE_S)
    assert len(kernel.watched) == 1


def test_both_halves_of_a_rename_in_either_order(root: Path, kernel: Inodes, begun: Callable[[], Cover]) -> None:
    (root / "a" / "b").mkdir(parents=True)
    cover = begun()
    (root / "a").rename(root / "c")
    cover.appeared(cover.tree.root, b"c", 10.0)
    cover.disappeared(cover.tree.root, b"a", 10.0)
    finish(cover, 11.0)
    assert watched_paths(cover) == {b"", b"c", b"c/b"}
    assert kernel.removed == []
    assert cover.gaps == {"c": reasons.NEW_DIRECTORY}


@pytest.mark.parametrize("place", ["x", "new/x"])
def test_what_was_made_while_its_place_was_unknown(root: Path, begun: Callable[[], Cover], place: str) -> None:
    (root / "a" / "x").mkdir(parents=True)
    cover = begun()
    above, moved = cover.tree.find(b"a"), cover.tree.find(b"a/x")
    assert above is not None
    assert moved is not None
    (root / place).parent.mkdir(exist_ok=True)
    (root / "a" / "x").rename(root / place)
    (root / place / "y").mkdir()
    cover.disappeared(above, b"x", 10.0)
    cover.appeared(moved, b"y", 10.0)
    cover.appeared(cover.tree.root, os.fsencode(place.split("/", maxsplit=1)[0]), 10.0)
    finish(cover, 10.0)
    assert os.fsencode(f"{place}/y") in watched_paths(cover)


def test_a_directory_that_seems_to_be_in_itself(root: Path, begun: Callable[[], Cover]) -> None:
    (root / "a" / "b").mkdir(parents=True)
    cover = begun()
    inner = cover.tree.find(b"a/b")
    assert inner is not None
    (root / "a").rename(root / "aside")
    (root / "a" / "b").mkdir(parents=True)
    (root / "aside").rename(root / "a" / "b" / "a")
    cover.appeared(inner, b"a", 10.0)  # the events of the moves are still to be read
    cover.disappeared(cover.tree.root, b"a", 10.0)
    cover.appeared(cover.tree.root, b"a", 10.0)
    finish(cover, 10.0)
    finish(cover, 11.0)
    assert watched_paths(cover) == {b"", b"a", b"a/b", b"a/b/a", b"a/b/a/b"}
    assert not list(cover.unwatched.polled)


@pytest.mark.parametrize(("real", "alias"), [("a", "b"), ("b", "a")])
def test_of_one_directory_at_two_places_the_mount_is_polled(root: Path, kernel: Inodes, real: str, alias: str) -> None:
    for name in ("a", "b"):  # listed in one order or the other
        (root / name).mkdir()
    kernel.bound = {alias: root / real}
    mounts = {alias: Mount(str(root / alias), "ext4")}
    cover = Cover(os.fsencode(root), kernel, mounts=mounts, trusting=False, enters=lambda _: True)
    cover.begin(0.0)
    finish(cover, 1.0)
    assert cover.unwatched.polled == (alias,)
    assert watched_paths(cover) == {b"", os.fsencode(real)}


def test_what_vanished_before_it_was_looked_at_is_no_gap(begun: Callable[[], Cover]) -> None:
    cover = begun()
    cover.appeared(cover.tree.root, b"vanished", 10.0)
    finish(cover, 10.0)
    assert not cover.gaps
    assert not cover.unwatched.polled


def test_watches_are_given_back_a_few_at_a_time(root: Path, kernel: Inodes, begun: Callable[[], Cover]) -> None:
    for i in range(2 * c.SLICE):
        (root / "a" / f"d{i}").mkdir(parents=True)
    cover = begun()
    cover.disappeared(cover.tree.root, b"a", 0.0)
    cover.work(c.LOOSE_S)
    assert len(kernel.removed) == c.SLICE
    finish(cover, c.LOOSE_S)
    assert len(kernel.removed) == 2 * c.SLICE + 1
    assert len(kernel.watched) == 1
