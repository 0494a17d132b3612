"""Files that leave, or get their names back: never in the place of another one, and never another one with them.

Each on file systems that can rename unless something is there, and on those that cannot.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from hf_watch.disk import opening, relocation
from hf_watch.disk.roots import LEAVING_PREFIX
from tests.intruder import before
from tests.kernels import without_rename_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.model import Fingerprint

    On = Callable[[Callable[[], object]], None]

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  another file system than the test's own directory
PRIVATE = f"{LEAVING_PREFIX}a.txt{relocation.PRIVATE_SUFFIX}"


def _as_it_is(act: Callable[[], object]) -> None:
    act()


@pytest.fixture(name="on", params=[_as_it_is, without_rename_flags], ids=["rename", "link"])
def _on(request: pytest.FixtureRequest) -> On:
    found: On = request.param
    return found


def _contents(directory: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in directory.iterdir()}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], {"a.txt": "left"}),
        (["a.txt"], {"a.txt": "a new one", "a-1.txt": "left"}),
        (["a.txt", "a-1.txt"], {"a.txt": "a new one", "a-1.txt": "a new one", "a-2.txt": "left"}),
    ],
)
def test_a_file_that_was_cut_short_while_it_left_gets_a_name_back(
    tmp_path: Path, on: On, there: list[str], expected: dict[str, str]
) -> None:
    (tmp_path / PRIVATE).write_text("left")
    for name in there:
        (tmp_path / name).write_text("a new one")
    on(lambda: relocation.restore(str(tmp_path), "", PRIVATE))
    assert _contents(tmp_path) == expected


def test_a_file_that_has_its_name_back_already_only_loses_the_other(tmp_path: Path, on: On) -> None:
    (tmp_path / PRIVATE).write_text("left")
    os.link(tmp_path / PRIVATE, tmp_path / "a.txt")
    on(lambda: relocation.restore(str(tmp_path), "", PRIVATE))
    assert _contents(tmp_path) == {"a.txt": "left"}


@pytest.fixture(name="elsewhere")
def _other_file_system() -> Iterator[Path]:
    with TemporaryDirectory(dir=SHARED_MEMORY) as place:
        yield Path(place)


def _published(file: Path) -> Fingerprint:
    file.write_text("published")
    with opening.opened(str(file.parent), file.name) as fd:
        assert fd is not None
        return opening.fingerprint(fd)


def _replace(file: Path) -> None:
    """As editors and rsync do."""
    new = file.with_name("arriving")
    new.write_text("not published")
    new.replace(file)


LONG = "a" * 250 + ".txt"  # no room for a private name


@pytest.mark.parametrize(
    ("name", "event", "skip"),
    [("a.txt", "os.rename", 0), (LONG, "fcntl.fcntl", 3)],  # its last question whether somebody writes to it
)
def test_what_takes_a_file_s_place_right_before_it_is_deleted_stays(
    tmp_path: Path, name: str, event: str, skip: int
) -> None:
    file = tmp_path / name
    fingerprint = _published(file)
    with before(event, lambda: _replace(file), skip):
        assert not relocation.remove(str(tmp_path), name, fingerprint)
    assert _contents(tmp_path) == {name: "not published"}


def test_what_takes_a_file_s_place_right_before_it_is_archived_stays(tmp_path: Path) -> None:
    file, archive = tmp_path / "a.txt", tmp_path / "archive"
    fingerprint = _published(file)
    with before("os.mkdir", lambda: _replace(file)):
        assert relocation.move(str(tmp_path), "a.txt", fingerprint, str(archive / "a.txt")) is None
    assert (file.read_text(), _contents(archive)) == ("not published", {})


def test_what_takes_a_file_s_place_while_it_is_archived_on_another_file_system_stays(
    tmp_path: Path, elsewhere: Path
) -> None:
    file = tmp_path / "a.txt"
    fingerprint = _published(file)
    with before("os.rename", lambda: _replace(file)):  # what was copied is synced: the original is about to go
        relocation.move(str(tmp_path), "a.txt", fingerprint, str(elsewhere / "a.txt"))
    assert (_contents(tmp_path), _contents(elsewhere)) == ({"a.txt": "not published"}, {"a.txt": "published"})


def test_what_takes_a_file_s_place_while_it_is_held_against_the_archive_stays(tmp_path: Path) -> None:
    file, archive = tmp_path / "a.txt", tmp_path / "archive"
    archive.mkdir()
    (archive / "a.txt").write_text("published")  # by an attempt that was cut short
    fingerprint = _published(file)
    with before("os.rename", lambda: _replace(file)):
        relocation.move(str(tmp_path), "a.txt", fingerprint, str(archive / "a.txt"))
    assert (file.read_text(), _contents(archive)) == ("not published", {"a.txt": "published"})


def test_a_writer_who_comes_while_a_file_is_archived_elsewhere_keeps_it(tmp_path: Path, elsewhere: Path) -> None:
    file = tmp_path / "a.txt"
    fingerprint = _published(file)

    def come() -> None:
        with pytest.raises(BlockingIOError):  # it does not wait for the lease, but breaks it
            os.open(file, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK)

    with before("os.rename", come):
        assert relocation.move(str(tmp_path), "a.txt", fingerprint, str(elsewhere / "a.txt")) is None
    assert _contents(tmp_path) == {"a.txt": "published"}


def test_what_was_cut_short_under_the_private_name_is_not_replaced(tmp_path: Path) -> None:
    fingerprint = _published(tmp_path / "a.txt")
    (tmp_path / PRIVATE).write_text("cut short")
    assert relocation.remove(str(tmp_path), "a.txt", fingerprint)
    assert _contents(tmp_path) == {"a-1.txt": "cut short"}


def test_a_file_that_is_gone_when_it_is_to_be_deleted_is_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    fingerprint = _published(file)
    with before("os.rename", file.unlink):
        assert not relocation.remove(str(tmp_path), "a.txt", fingerprint)


@pytest.mark.parametrize("how", ["deleted", "archived"])
def test_a_link_that_takes_a_directory_s_place_leads_to_no_delete_outside(tmp_path: Path, how: str) -> None:
    root, outside = tmp_path / "drop", tmp_path / "outside"
    for directory in (root / "d", outside, tmp_path / "archive"):
        directory.mkdir(parents=True)
    fingerprint = _published(root / "d/a.txt")
    (outside / "a.txt").write_text("nobody's business")

    def swap() -> None:
        (root / "d").rename(tmp_path / "moved")
        (root / "d").symlink_to(outside)

    with before("os.rename" if how == "deleted" else "os.mkdir", swap):
        if how == "deleted":
            assert not relocation.remove(str(root), "d/a.txt", fingerprint)
        else:
            assert relocation.move(str(root), "d/a.txt", fingerprint, str(tmp_path / "archive/d/a.txt")) is None
    assert _contents(outside) == {"a.txt": "nobody's business"}
    assert _contents(tmp_path / "moved") == {"a.txt": "published"}


def test_what_lies_below_a_directory_named_as_an_archived_file_is_archived_below_a_numbered_one(tmp_path: Path) -> None:
    drop, archive = tmp_path / "drop", tmp_path / "archive"
    (drop / "d").mkdir(parents=True)
    archive.mkdir()
    (archive / "d").write_text("it came first, as a file")
    for name in ("a", "b"):
        fingerprint = _published(drop / "d" / name)
        place = relocation.move(str(drop), f"d/{name}", fingerprint, str(archive / "d" / name))
        assert place == str(archive / "d-1" / name)
    assert (archive / "d").read_text() == "it came first, as a file"
    assert _contents(archive / "d-1") == {"a": "published", "b": "published"}
    assert _contents(drop / "d") == {}
