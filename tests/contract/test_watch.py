"""ports.Watch on real files and real inotify: what a watch must see, whatever directories do."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import SourceError
from hf_watch.watches import RootWatch, reasons
from hf_watch.watches.kernel import open_inotify
from tests.eventually import eventually
from tests.mirror import Mirror, agree, directories_below, mirrored, seen, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITE_FILES = """
import sys
for i in range(int(sys.argv[2])):
    with open(f"{sys.argv[1]}/d{i % 100:02}/f{i:05}", "wb") as file:
        file.write(b"x" * 100)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that is removed afterwards: these tests leave too much behind for pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory).resolve()


@pytest.fixture
def root(place: Path) -> Path:
    (place / "root").mkdir()
    return place / "root"


def make_tree(root: Path, directories: int) -> None:
    for i in range(directories // 100):
        (root / f"d{i:04}").mkdir()
        for j in range(99):
            (root / f"d{i:04}" / f"s{j:02}").mkdir()


def test_kinds(root: Path) -> None:
    (root / "old").write_text("x")
    (root.parent / "other").write_text("x")
    with mirrored(str(root)) as (mirror, _):
        (root / "new").write_text("x")
        with (root / "old").open("a") as file:
            file.write("more")
            file.flush()
            eventually(lambda: mirror.kinds("old"), "a hint while the writer is at it")
            assert mirror.kinds("old") == ["written"]
        (root.parent / "other").rename(root / "arrived")
        eventually(lambda: mirror.kinds("arrived") == ["arrived"], "the renamed file")
        (root / "arrived").chmod(0o600)
        eventually(lambda: mirror.kinds("arrived")[1:] == ["touched"], "the changed mode")
        (root / "arrived").unlink()
        eventually(lambda: mirror.kinds("arrived")[-1] == "gone", "the removal")
        assert mirror.kinds("new")[-1] == "closed"
        assert mirror.kinds("old")[-1] == "closed"
        agree(mirror)


def test_new_moved_and_removed_directories(root: Path) -> None:
    outside = root.parent / "outside"
    (outside / "a" / "b").mkdir(parents=True)
    (outside / "a" / "b" / "f").write_text("came along")
    with mirrored(str(root)) as (mirror, watch):
        outside.rename(root / "in")
        agree(mirror)
        eventually(lambda: mirror.gaps().get("in") == reasons.NEW_DIRECTORY, "a hint to scan what came along")
        (root / "in").rename(root / "there")
        (root / "there" / "a" / "b" / "g").write_text("at the new place")
        eventually(lambda: mirror.kinds("there/a/b/g"), "the new place")
        agree(mirror)
        assert mirror.kinds("in") == ["gone"]
        (root / "there" / "a").rename(outside)
        agree(mirror)
        watched(watch, 2)
        before = len(mirror.hints)
        (outside / "b" / "h").write_text("none of ours")
        (root / "sentinel").write_text("ours")
        eventually(lambda: mirror.kinds("sentinel"), "what came later")
        assert {hint.path for hint in mirror.hints[before:]} == {"sentinel"}


def test_a_move_out_does_not_hold_up_others(root: Path) -> None:
    (root / "leaves").mkdir()
    with mirrored(str(root)) as (mirror, watch):
        (root / "leaves").rename(root.parent / "left")
        (root / "f").write_text("x")
        eventually(lambda: mirror.kinds("f"), "what came after")
        assert mirror.kinds("leaves") == ["gone"]
        watched(watch, 1)


@pytest.mark.parametrize("first", ["old", "new"])
def test_directory_moved_across_two_roots_then_deleted(place: Path, first: str) -> None:
    one, two = place / "one", place / "two"
    for each in (one, two):
        (each / "d" / "e").mkdir(parents=True)
        (each / "d" / "e" / "f").write_text("x")
    with mirrored(str(one)) as (left, watch_one), mirrored(str(two)) as (right, watch_two):
        (one / "d").rename(two / "moved")
        agree(left, right)
        (one / "d").mkdir()
        (one / "d" / "g").write_text("x")
        for gone in (one / "d", two / "moved") if first == "old" else (two / "moved", one / "d"):
            shutil.rmtree(gone)
        agree(left, right)
        assert watch_one.is_alive()
        assert watch_two.is_alive()
        (one / "h").write_text("x")
        (two / "d" / "e" / "h").write_text("x")
        eventually(lambda: left.kinds("h") and right.kinds("d/e/h"), "both roots are seen afterwards")
        watched(watch_one, 1)
        watched(watch_two, 3)


@pytest.mark.parametrize("directories", [5_000, 20_000])
def test_many_directories_cost_nothing_at_rest(root: Path, directories: int) -> None:
    make_tree(root, directories)
    with mirrored(str(root)) as (mirror, watch):
        assert watch.figures().watched == directories + 1
        assert watch.polled() == ()
        for probe in ("d0000/s00/probe", f"d{directories // 100 - 1:04}/s98/probe", "probe"):
            (root / probe).write_text("x")
            seen(mirror, probe)
        before = watch.figures()
        assert len(directories_below(str(root))) == directories + 1  # a scan by whomever is no event
        (root / "last").write_text("x")
        seen(mirror, "last")
        after = watch.figures()
        assert after.rounds - before.rounds <= 3  # one write: created, modified, closed
        assert after.overflows == 0
        assert mirror.gaps() == {}


def test_sixty_thousand_files_at_full_speed(root: Path) -> None:
    for i in range(100):
        (root / f"d{i:02}").mkdir()
    with mirrored(str(root)) as (mirror, watch):
        subprocess.run([sys.executable, "-c", WRITE_FILES, str(root), "60000"], check=True)
        agree(mirror)
        assert len(mirror.files) == 60_000
        assert watch.is_alive()


def test_directories_in_one_breath(root: Path) -> None:
    with mirrored(str(root)) as (mirror, watch):
        script = "for i in $(seq 400); do mkdir -p $i/a/b/c && echo > $i/a/b/c/f; done"
        subprocess.run(["sh", "-c", script], cwd=root, check=True)
        agree(mirror)
        assert len(mirror.files) == 400
        watched(watch, 1601)
        for i in range(1, 401):
            (root / str(i) / "a" / "b" / "c" / "g").write_text("x")
        eventually(lambda: all(mirror.kinds(f"{i}/a/b/c/g") for i in (1, 200, 400)), "what is written later")
        agree(mirror)


def test_names_that_are_not_utf8(root: Path) -> None:
    odd = root / os.fsdecode(b"d\xff\n")
    odd.mkdir()
    with mirrored(str(root)) as (mirror, _):
        (odd / os.fsdecode(b"f\xfe\\")).write_text("x")
        (odd / os.fsdecode(b"new\xfd")).mkdir()
        (odd / os.fsdecode(b"new\xfd") / "g").write_text("x")
        agree(mirror)
        assert set(mirror.files) == {"d\udcff\n/f\udcfe\\", "d\udcff\n/new\udcfd/g"}


def test_links_are_not_followed(root: Path) -> None:
    (root.parent / "elsewhere").mkdir()
    (root / "link").symlink_to(root.parent / "elsewhere")
    (root / "loop").symlink_to(root)
    with mirrored(str(root)) as (mirror, watch):
        assert watch.figures().watched == 1
        (root / "later").symlink_to(root.parent / "elsewhere")
        (root.parent / "elsewhere" / "f").write_text("x")
        (root / "g").write_text("x")
        eventually(lambda: mirror.kinds("g"), "a file of our own")
        assert not any(change.path.endswith("/f") for change in mirror.changes())


def test_only_directories_get_a_watch(root: Path) -> None:
    (root / "file").touch()
    (root / "link").symlink_to(root)
    kernel = open_inotify()
    for name in ("file", "link"):  # where a directory was listed, another thing may stand by now
        with pytest.raises(NotADirectoryError):
            kernel.add(os.fsencode(root / name))
    kernel.close()


def test_root_that_is_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    with mirrored(str(link)) as (mirror, _):
        (root / "f").write_text("x")
        seen(mirror, "f")
        agree(mirror)


@pytest.mark.parametrize("loss", [reasons.ROOT_RENAMED, reasons.ROOT_DELETED])
def test_root_lost_and_made_again(root: Path, loss: str) -> None:
    mirror = Mirror(str(root))
    watch = RootWatch(str(root), mirror)
    watch.start()
    if loss == reasons.ROOT_RENAMED:
        root.rename(root.parent / "renamed")
    else:
        root.rmdir()
    eventually(lambda: mirror.gaps().get("") == loss, "the loss is told")
    assert not watch.is_alive()
    watch.stop()
    with pytest.raises(SourceError):
        watch.start()
    assert not watch.is_alive()
    root.mkdir()
    watch.start()
    assert watch.is_alive()
    (root / "f").write_text("x")
    seen(mirror, "f")
    watch.stop()


def test_after_stop_nothing_comes_and_it_starts_again(root: Path) -> None:
    mirror = Mirror(str(root))
    watch = RootWatch(str(root), mirror)
    assert not watch.is_alive()
    descriptors = len(open_descriptors())
    for round_ in range(3):
        watch.start()
        (root / f"f{round_}").write_text("x")
        seen(mirror, f"f{round_}")
        watch.stop()
        assert not watch.is_alive()
        before = len(mirror.hints)
        (root / f"unseen{round_}").write_text("x")
        assert len(mirror.hints) == before
    assert len(open_descriptors()) == descriptors
    watch.stop()


def test_started_twice_it_is_one_watch(root: Path) -> None:
    mirror = Mirror(str(root))
    watch = RootWatch(str(root), mirror)
    watch.start()
    before = len(open_descriptors())
    watch.start()
    assert len(open_descriptors()) == before
    watch.stop()


def open_descriptors() -> dict[int, str]:
    """What each descriptor of this process is, the listing's own left out."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found[int(entry.name)] = str(entry.readlink())
    return found


def test_descriptors_are_closed_on_exec(root: Path) -> None:
    before = open_descriptors()
    with mirrored(str(root)):
        ours = {fd: what for fd, what in open_descriptors().items() if fd not in before}
        assert sorted(ours.values()) == [f"/proc/{os.getpid()}/mountinfo", "anon_inode:[eventfd]", "anon_inode:inotify"]
        assert not any(os.get_inheritable(fd) for fd in ours)


def test_a_root_that_cannot_be_watched(root: Path) -> None:
    (root / "file").write_text("x")
    for observer in ("auto", "inotify", "polling"):
        for wrong in (root / "missing", root / "file"):
            with pytest.raises(SourceError):
                RootWatch(str(wrong), Mirror(str(wrong)), observer=observer).start()


def test_directories_that_are_not_entered(root: Path) -> None:
    (root / ".git" / "objects").mkdir(parents=True)
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, enters=lambda path: ".git" not in path)) as (
        mirror,
        watch,
    ):
        assert watch.figures().watched == 1
        (root / ".git" / "index").write_text("x")
        (root / "more" / ".git").mkdir(parents=True)
        watched(watch, 2)
        (root / "more" / "f").write_text("x")
        seen(mirror, "more/f")
        assert not any(".git/" in change.path for change in mirror.changes())


class Wanderer:
    """Random operations on files and directories of two roots and of a place outside."""

    def __init__(self, place: Path, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same walk for the same seed
        self.tops = [place / "one", place / "two", place / "outside"]
        for top in self.tops:
            top.mkdir()
        self.made = 0

    def step(self) -> None:
        self.made += 1
        acts = {self.write: 8, self.rename: 3, self.unlink: 2, self.mkdir: 10, self.move: 12, self.remove: 2}
        [act] = self.random.choices(list(acts), list(acts.values()))
        act()

    def somewhere(self) -> Path:
        """A random directory: down from a random top until a coin says stop."""
        at = self.random.choice(self.tops)
        while self.random.random() < 0.8:
            below = [Path(entry.path) for entry in os.scandir(at) if entry.is_dir(follow_symlinks=False)]
            if not below:
                break
            at = self.random.choice(sorted(below))
        return at

    def place(self) -> Path:
        """Where a file may go; few different names, so that they are used again and again, some by directories."""
        return self.somewhere() / self.random.choice(["f0", "f1", "f2", "f3", "n0"])

    def write(self) -> None:
        at = self.place()
        if not at.is_dir():
            with at.open("a") as file:
                file.write(f"{self.made} ")

    def rename(self) -> None:
        old, new = self.place(), self.place()
        if old.is_file() and not new.is_dir():
            old.replace(new)

    def unlink(self) -> None:
        at = self.place()
        if at.is_file():
            at.unlink()

    def mkdir(self) -> None:
        at = self.somewhere() / f"n{self.random.randrange(6)}"
        if not at.exists():
            (at / "n1" / "n2").mkdir(parents=True)
            (at / "n1" / "f1").write_text(f"{self.made}")

    def move(self) -> None:
        old = self.somewhere()
        new = self.somewhere() / f"n{self.random.randrange(6)}"
        if old not in self.tops and not new.exists() and not new.is_relative_to(old):
            old.rename(new)

    def remove(self) -> None:
        at = self.somewhere()
        if at.parent not in self.tops and at not in self.tops:
            shutil.rmtree(at)


@pytest.mark.parametrize("seed", range(4))
def test_random_operations_over_two_roots(place: Path, seed: int) -> None:
    wanderer = Wanderer(place, seed)
    one, two, outside = wanderer.tops
    with mirrored(str(one)) as (left, watch_one), mirrored(str(two)) as (right, watch_two):
        for _ in range(3_000):
            wanderer.step()
        assert len(directories_below(str(place))) > 100
        agree(left, right)
        for top, watch in ((one, watch_one), (two, watch_two)):
            assert watch.is_alive()
            watched(watch, len(directories_below(str(top))))
        before = len(left.hints), len(right.hints)
        for top in (outside, one, two):
            for directory in directories_below(str(top)):
                Path(directory, "probe").write_text("x")
        agree(left, right)
        for top, mirror, told in ((one, left, before[0]), (two, right, before[1])):
            probes = {os.path.relpath(f"{at}/probe", top) for at in directories_below(str(top))}
            assert {hint.path for hint in mirror.hints[told:]} == probes
