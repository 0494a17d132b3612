"""Symbolic links below a root, on real files: where they lead, and that nothing outside is ever read through one."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_watch.disk import walking
from hf_watch.disk.disk import Disk
from hf_watch.disk.links import MOST_HOPS, MOST_KEPT, Links, find_way
from hf_watch.paths import join
from hf_watch.rules.filters import Filter
from tests.disk import taking_turns

SWAPS = 3_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file, a directory of two, and a neighbour that nobody may be led to."""
    root = tmp_path / "root"
    (root / "runs" / "1").mkdir(parents=True)
    (root / "a").write_text("a")
    (root / "runs" / "1" / "model").write_text("model")
    (root / "runs" / "1" / "notes").write_text("notes")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "model").write_text("secret")
    (tmp_path / "rooted").mkdir()  # its name begins as the root's does
    return root


def read(disk: Disk, path: str) -> bytes | None:
    with disk.opened(path) as fd:
        return None if fd is None else os.read(fd, 100)


def test_a_link_leads_to_a_file_or_a_directory_of_the_root(root: Path) -> None:
    (root / "runs" / "up").symlink_to("../a")
    (root / "absolute").symlink_to(root / "runs" / "1" / "model")
    (root / "latest").symlink_to("runs/1")
    (root / "newest").symlink_to("latest")
    (root / "through").symlink_to("./latest//notes")
    (root / "in and out").symlink_to("../root/a")
    led = {"runs/up": "a", "absolute": "runs/1/model", "latest": "runs/1", "newest/model": "runs/1/model",
           "through": "runs/1/notes", "in and out": "a", "a": "a", "missing": "missing",
           "latest/new": "runs/1/new"}  # fmt: skip
    assert {path: find_way(str(root), path).place for path in led} == led
    assert read(Disk(str(root), follows=True), "newest/model") == b"model"
    assert find_way(str(root), "newest").passed == ("newest", "latest", "runs", "runs/1")


def test_a_link_by_another_name_of_the_root_leads_inside(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to("root")
    (root / "link").symlink_to(tmp_path / "alias" / "runs" / "1")
    assert find_way(str(root), "link/model").place == "runs/1/model"


@pytest.mark.parametrize(
    "aim", ["../outside/model", "../outside", "..", "../rooted", "/", "/etc/passwd", "nowhere", "runs/../../outside",
            "runs/1/../../../outside/model", "a/below", "loop", "link", "missing/../a"],
)  # fmt: skip
def test_what_leads_out_nowhere_or_in_a_circle_is_not_there_and_not_gone(root: Path, aim: str) -> None:
    (root / "loop").symlink_to("pool")
    (root / "pool").symlink_to("loop")
    (root / "link").symlink_to(aim)
    disk = Disk(str(root), follows=True)
    for path in ("link", "link/model"):
        assert find_way(str(root), path).place is None
        assert read(disk, path) is None
        assert disk.look(path) is None
        assert not disk.is_gone(path)
    assert disk.why_astray("link") == "a link that leads nowhere, out of the watched directory, or in a circle"


def test_where_links_are_not_followed_none_is_read_and_none_is_gone(root: Path) -> None:
    (root / "link").symlink_to("a")
    (root / "latest").symlink_to("runs/1")
    disk = Disk(str(root))
    assert read(disk, "link") is read(disk, "latest/model") is None
    assert not disk.is_gone("link")
    assert not disk.is_gone("latest/old")
    assert disk.is_gone("runs/1/old")
    assert disk.why_astray("latest/model") == 'a link, and symlinks = "ignore"'


NAMES = ("a", "d", "d/x", "e", "e/y", "e/f")
AIMS = (*NAMES, ".", "..", "../a", "../e", "x", "f/..", "../../a", "../outside", "../root/e", "e/f/../../d/x", "none")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(links=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(AIMS)), files=st.sets(st.sampled_from(NAMES)))
def test_where_a_path_leads_is_where_the_kernel_goes_or_nowhere(links: dict[str, str], files: set[str]) -> None:
    with TemporaryDirectory() as place:
        root = Path(place).resolve() / "root"
        (root.parent / "outside").mkdir()
        for name in NAMES:
            file = root / name
            with suppress(OSError):  # a file or a link stands where a directory would have to be
                file.parent.mkdir(parents=True, exist_ok=True)
                file.symlink_to(links[name]) if name in links else file.write_text(
                    name
                ) if name in files else file.mkdir()
        for path in NAMES:
            led = find_way(str(root), path).place
            if led is not None:
                assert (root / path).resolve() == root / led
                assert (root / led).is_symlink() is False
            elif (root / path).is_file():  # as the kernel sees it: then it must be out of bounds
                is_inside = (root / path).resolve().is_relative_to(root)
                assert not is_inside or any(above.is_symlink() for above in (root / path).parents)


def test_as_many_links_behind_one_another_are_followed_as_the_kernel_does(root: Path) -> None:
    for number in range(MOST_HOPS + 1):
        (root / f"link {number}").symlink_to(f"link {number - 1}" if number else "a")
    for number in range(MOST_HOPS + 1):
        path = f"link {number}"
        followed = find_way(str(root), path).place == "a"
        assert followed == os.path.exists(root / path)  # noqa: PTH110  the kernel's own view


def walked(root: Path) -> set[str]:
    found = Disk(str(root), follows=True).walk("", Filter())
    listings = [each for each in found if isinstance(each, walking.Listing)]
    return {join(listing.directory, name) for listing in listings for name in listing.files}


def test_a_walk_comes_to_an_end_whatever_links_lead_to_each_other(root: Path) -> None:
    for name in "bcdefgh":
        (root / name).mkdir()
        (root / name / "file").write_text(name)
        for other in "bcdefgh":
            (root / name / f"to {other}").symlink_to(f"../{other}")
    (root / "self").symlink_to(".")
    (root / "runs" / "root").symlink_to("..")
    files = {"a", "runs/1/model", "runs/1/notes"} | {f"{name}/file" for name in "bcdefgh"}
    linked = {f"{name}/to {other}/file" for name in "bcdefgh" for other in "bcdefgh" if name != other}
    assert walked(root) == files | linked


def test_a_walk_says_which_links_it_left_out(root: Path) -> None:
    (root / "out").symlink_to("../outside")
    (root / "in").symlink_to("runs/1")
    os.mkfifo(root / "pipe")
    listing = next(each for each in Disk(str(root), follows=True).walk("", Filter()) if not each.directory)
    assert isinstance(listing, walking.Listing)
    assert sorted(listing.others) == ["out", "pipe"]
    assert listing.led == {"in": "runs/1"}


def test_filters_look_at_the_path_of_the_link(root: Path) -> None:
    (root / ".store").mkdir()
    (root / ".store" / "blob").write_text("blob")
    (root / "data.bin").symlink_to(".store/blob")
    (root / "b.tmp").symlink_to("a")
    assert walked(root) == {"a", "data.bin", "runs/1/model", "runs/1/notes"}


def test_links_are_found_by_what_they_lead_to_and_by_what_they_pass(root: Path) -> None:
    (root / "latest").symlink_to("runs/1")
    (root / "best").symlink_to("latest/model")
    (root / "later").symlink_to("runs/2/model")
    links = Links(str(root))
    for path in ("latest", "best", "later", "a"):
        links.note(path)
    assert list(links.to("runs/1/model")) == ["best", "latest/model"]
    assert list(links.to("runs/1/sub/new")) == ["latest/sub/new"]
    assert list(links.to("a")) == []
    assert links.through("latest") == ["best"]
    assert links.through("runs/2") == ["later"]  # what is missing may come
    (root / "best").unlink()
    links.note("best")
    assert list(links.to("runs/1/model")) == ["latest/model"]


def test_the_memory_of_links_has_a_bound(root: Path) -> None:
    (root / "first").symlink_to("a")
    links = Links(str(root))
    links.note("first")
    for number in range(MOST_KEPT):
        (root / f"link {number}").symlink_to("a")
        links.note(f"link {number}")
    assert len(list(links.to("a"))) == MOST_KEPT
    assert "first" not in links.to("a")


@pytest.mark.parametrize("path", ["link", "latest/model"])
def test_a_link_that_is_led_outside_between_the_look_and_the_read_is_not_read(root: Path, path: str) -> None:
    inside, outside = root / "runs" / "1", root.parent / "outside"
    aims = (inside, outside) if path == "latest/model" else (inside / "model", outside / "model")
    link = root / path.partition("/")[0]
    link.symlink_to(aims[0])
    disk = Disk(str(root), follows=True)
    with taking_turns(link, aims, lambda aim, spare: spare.symlink_to(aim)):
        seen = {read(disk, path) for _ in range(SWAPS)}
    assert seen <= {b"model", None}
    link.unlink()
    link.symlink_to(aims[0])
    assert read(disk, path) == b"model"


@pytest.mark.parametrize("follows", [False, True])
def test_a_directory_that_a_link_takes_the_place_of_between_the_look_and_the_read_is_not_read_outside(
    root: Path, *, follows: bool
) -> None:
    there, away = root / "runs" / "1", root / "runs" / "away"
    disk = Disk(str(root), follows=follows)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            there.rename(away)
            there.symlink_to(root.parent / "outside")
            there.unlink()
            away.rename(there)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {read(disk, "runs/1/model") for _ in range(SWAPS)}
    finally:
        over.set()
        thread.join()
    assert seen <= {b"model", None}
    assert read(disk, "runs/1/model") == b"model"
