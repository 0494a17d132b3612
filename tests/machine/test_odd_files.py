"""Files as people, editors and tools really make them, published as they are, named where they cannot be."""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import shutil
import time
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from hf_watch.model import Change, ChangeKind
from hf_watch.rules.filters import Filter
from hf_watch.snapshots.right_of_way import TAKEN_REASON
from tests.disk import fill
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub, lost_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.engine import Running
    from tests.fake_hub import Fault


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    fill(tmp_path / "drop", {"other": b"other"})
    return tmp_path / "drop"


@pytest.fixture(name="hub")
def _hub() -> FakeHub:
    return FakeHub()


def _quarantined(logs: Sequence[Any]) -> dict[str, str]:
    return {each["path"]: each["reason"] for each in logs if each["event"] == "path.quarantined"}


def _on_disk(drop: Path) -> dict[str, bytes]:
    return {f"incoming/{path.relative_to(drop)}": path.read_bytes() for path in drop.rglob("*") if path.is_file()}


# Files in the place of directories, and back.


def _a_directory(drop: Path) -> None:
    (drop / "x").unlink()
    fill(drop, {"x/y": b"inside", "x/deep/z": b"deeper"})


def _a_file(drop: Path) -> None:
    shutil.rmtree(drop / "x")
    fill(drop, {"x": b"a file again"})


@pytest.mark.parametrize("fault", [None, lost_answer()])
def test_a_mirror_follows_a_file_that_becomes_a_directory_and_back(
    tmp_path: Path, drop: Path, hub: FakeHub, fault: Fault | None
) -> None:
    fill(drop, {"x": b"a file"})
    with Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub).running() as running:
        running.go_on(60.0)
        for change in (_a_directory, _a_file, _a_directory, _a_file):
            if fault is not None:
                hub.fail("commit", fault)
            change(drop)
            running.go_on(1_000.0)
            assert hub.repo.files == _on_disk(drop)
    for commit in hub.repo.commits:
        mixed = bool(commit.added) and bool(commit.deleted)
        assert not (mixed and any(path.startswith("incoming/x") for path in commit.deleted))


def test_with_keep_a_directory_takes_the_place_of_a_file_but_no_file_that_of_a_directory(
    tmp_path: Path, drop: Path, hub: FakeHub
) -> None:
    fill(drop, {"x": b"a file"})
    with capture_logs() as logs, Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(60.0)
        _a_directory(drop)
        running.go_on(1_000.0)
        assert hub.repo.files == _on_disk(drop)
        _a_file(drop)
        running.go_on(1_000.0)
        assert hub.repo.files == {"incoming/other": b"other", "incoming/x/y": b"inside", "incoming/x/deep/z": b"deeper"}
        assert _quarantined(logs) == {"x": TAKEN_REASON}
        (drop / "x").unlink()
        running.go_on(1_000.0)
        assert len(hub.repo.files) == 3
        fill(drop, {"x/y": b"other content"})
        running.go_on(1_000.0)
        assert hub.repo.files["incoming/x/y"] == b"other content"
    assert hub.repo.files["incoming/x/deep/z"] == b"deeper"


def test_with_keep_an_empty_directory_deletes_no_file(tmp_path: Path, drop: Path, hub: FakeHub) -> None:
    fill(drop, {"x": b"a file"})
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(60.0)
        (drop / "x").unlink()
        (drop / "x").mkdir()
        running.go_on(1_000.0)
        assert hub.repo.files["incoming/x"] == b"a file"
        (drop / "x").rmdir()
        running.go_on(1_000.0)
    assert hub.repo.files["incoming/x"] == b"a file"


@pytest.mark.parametrize("on_delete", ["keep", "mirror"])
def test_a_file_of_somebody_else_is_not_made_way_of(tmp_path: Path, drop: Path, hub: FakeHub, on_delete: str) -> None:
    fill(drop, {"x": b"a file"})
    with capture_logs() as logs, Engine(tmp_path, [target_spec(drop, on_delete=on_delete)], hub).running() as running:
        running.go_on(60.0)
        hub.repo.apply("", "somebody else", {"incoming/x": b"theirs"}, [])
        _a_directory(drop)
        running.go_on(1_000.0)
        assert hub.repo.files == {"incoming/other": b"other", "incoming/x": b"theirs"}
    assert _quarantined(logs).keys() == {"x/y", "x/deep/z"}


@pytest.mark.parametrize("on_delete", ["keep", "mirror"])
def test_a_change_of_kind_while_it_was_down_is_found(tmp_path: Path, drop: Path, hub: FakeHub, on_delete: str) -> None:
    fill(drop, {"x": b"a file"})
    engine = Engine(tmp_path, [target_spec(drop, on_delete=on_delete)], hub)
    engine.sync()
    _a_directory(drop)
    assert not engine.sync().gave_up
    assert hub.repo.files == _on_disk(drop)
    _a_file(drop)
    gave_up = engine.sync().gave_up
    if on_delete == "mirror":
        assert not gave_up
        assert hub.repo.files == _on_disk(drop)
    else:
        assert gave_up == {str(drop / "x"): TAKEN_REASON}


# Names.


def test_the_longest_names_and_paths(tmp_path: Path, drop: Path, hub: FakeHub) -> None:
    names = ["n" * 255, "é" * 127, "/".join(["d" * 200] * 15) + "/file"]
    fill(drop, dict.fromkeys(names, b"x"))
    Engine(tmp_path, [target_spec(drop)], hub).sync()
    assert hub.repo.files.keys() == {"incoming/other", *(f"incoming/{name}" for name in names)}


def _dig(top: Path, levels: int) -> None:
    """Directories deeper than any path can name, made step by step."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 200, dir_fd=fd)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def test_what_lies_deeper_than_a_path_reaches_is_named_once_and_stops_nobody(
    tmp_path: Path, drop: Path, hub: FakeHub
) -> None:
    (drop / "deep").mkdir()
    _dig(drop / "deep", 30)
    with capture_logs() as logs, Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(1_000.0)
        fill(drop, {"later": b"later"})
        running.go_on(400.0)
    assert hub.repo.files == {"incoming/other": b"other", "incoming/later": b"later"}
    [named] = [each for each in logs if each["event"] == "directory.unreadable"]
    assert named["reason"] == os.strerror(errno.ENAMETOOLONG)
    shutil.rmtree(drop / "deep")


NFC, NFD = (unicodedata.normalize(form, "caf\u00e9.txt") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("names", [("Data.csv", "data.csv", "DATA.csv"), (NFC, NFD), ("a/x", "A/x")])
def test_names_that_look_the_same_are_two_paths_as_git_has_it(
    tmp_path: Path, drop: Path, hub: FakeHub, names: tuple[str, ...]
) -> None:
    fill(drop, {name: name.encode() for name in names})
    engine = Engine(
        tmp_path, [target_spec(drop, on_delete="mirror")], hub,
        wall_clock_ns=lambda: time.time_ns() + 10**9,  # no file is so new that the second pass finds it once more
    )  # fmt: skip
    with capture_logs() as logs:
        engine.sync()
        engine.sync()
    assert hub.repo.files == _on_disk(drop)
    told = [each for each in logs if each["event"] == "path.collided"]
    alike = sorted({name.split("/")[0] for name in names})
    assert [each["path"] for each in told] == alike[1:], "once"
    assert all(each["reason"].endswith(alike[0]) for each in told)
    (drop / names[0]).unlink()
    engine.sync()
    assert hub.repo.files == _on_disk(drop)
    assert len(hub.repo.files) == len(names)


@pytest.mark.parametrize("names", [("data.csv", "Data.csv"), (NFC, NFD), ("a/b/x", "A/b/y"), ("a/B", "a/b/x")])
def test_names_that_look_the_same_are_told_when_one_comes_while_it_runs(
    tmp_path: Path, drop: Path, hub: FakeHub, names: tuple[str, str]
) -> None:
    with capture_logs() as logs, Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        for name in (*names, "unlike"):
            fill(drop, {name: name.encode()})
            running.hint(Change(name, ChangeKind.CLOSED, running.clock()))
            running.go_on(60.0)
        running.go_on(1_000.0)
    assert hub.repo.files == _on_disk(drop)
    [told] = [each for each in logs if each["event"] == "path.collided"]
    assert told["reason"].startswith("on macOS and Windows it is the same file as ")


def test_a_name_that_is_not_published_looks_like_none(tmp_path: Path, drop: Path, hub: FakeHub) -> None:
    fill(drop, {"data.csv": b"1", "Data.csv": b"2"})
    with capture_logs() as logs:
        Engine(tmp_path, [target_spec(drop, wanted=Filter(exclude=["data.csv"]))], hub).sync()
    assert set(hub.repo.files) == {"incoming/Data.csv", "incoming/other"}
    assert not [each for each in logs if each["event"] == "path.collided"]


# Contents.


def test_sparse_empty_and_linked_files(tmp_path: Path, drop: Path, hub: FakeHub) -> None:
    fill(drop, {"empty": b"", "one": b"linked"})
    os.link(drop / "one", drop / "two")
    with (drop / "sparse").open("wb") as file:
        file.truncate(100_000)
        file.seek(50_000)
        file.write(b"island")
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(60.0)
        assert hub.repo.files == _on_disk(drop)
        with (drop / "one").open("ab") as file:
            file.write(b" and changed through one name")
        running.hint(Change("one", ChangeKind.CLOSED, running.clock()))  # the kernel names no other
        running.go_on(1_000.0)
    assert hub.repo.files == _on_disk(drop)
    assert hub.repo.files["incoming/two"] == b"linked and changed through one name"


def test_a_mapped_file_is_published_when_it_is_unmapped(tmp_path: Path, drop: Path, hub: FakeHub) -> None:
    fill(drop, {"mapped": b"-" * 10_000})
    engine = Engine(tmp_path, [target_spec(drop, quiet_s=1.0)], hub)
    with engine.running() as running:
        with (drop / "mapped").open("r+b") as file:
            mapped = mmap.mmap(file.fileno(), 0)
        mapped[:4] = b"half"
        running.go_on(200.0)
        assert hub.repo.files == {"incoming/other": b"other"}
        mapped[4:9] = b" done"
        mapped.close()
        running.go_on(60.0)
    assert hub.repo.files["incoming/mapped"].startswith(b"half done-")


def test_a_file_that_is_never_quiet_is_named_and_published_when_asked_for(
    tmp_path: Path, drop: Path, hub: FakeHub
) -> None:
    for publish_open, copies in ((False, 0), (True, 1)):
        (drop / "log").write_bytes(b"")
        spec = target_spec(drop, quiet_s=2.0, max_wait_s=10.0, publish_open=publish_open)
        with capture_logs() as logs, Engine(tmp_path, [spec], hub).running() as running:
            with (drop / "log").open("ab", 0) as log:
                for _ in range(60):
                    log.write(b"line\n")
                    running.hint(Change("log", ChangeKind.WRITTEN, running.clock()))
                    running.go_on(1.0)
            assert len([each for each in logs if each["event"] == "path.busy"]) == 1 - copies
            assert ("incoming/log" in hub.repo.files) == publish_open
            if publish_open:
                assert set(hub.repo.files["incoming/log"].split(b"\n")) == {b"line", b""}


# How tools write.


def _vim(path: Path, content: bytes) -> Iterator[Change]:
    """Moves the old file away, writes the new one, deletes the old."""
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    yield _change(path, ChangeKind.GONE)
    path.write_bytes(content)
    yield _change(path, ChangeKind.CLOSED)
    backup.unlink()


def _gedit(path: Path, content: bytes) -> Iterator[Change]:
    """Writes beside, renames over."""
    beside = path.with_name(".goutputstream-X1Y2Z3")
    beside.write_bytes(content)
    yield _change(beside, ChangeKind.CLOSED)
    beside.rename(path)
    yield _change(path, ChangeKind.ARRIVED)


def _rsync(path: Path, content: bytes) -> Iterator[Change]:
    beside = path.with_name(f".{path.name}.a1B2c3")
    beside.write_bytes(content[:3])
    yield _change(beside, ChangeKind.WRITTEN)
    beside.write_bytes(content)
    os.utime(beside, (1e9, 1e9))
    beside.rename(path)
    yield _change(path, ChangeKind.ARRIVED)


def _scp(path: Path, content: bytes) -> Iterator[Change]:
    """Writes in place, and sets the old time at the end."""
    with path.open("wb", 0) as file:
        for start in range(0, len(content), 3):
            file.write(content[start : start + 3])
            yield _change(path, ChangeKind.WRITTEN)
    os.utime(path, (1e9, 1e9))
    yield _change(path, ChangeKind.TOUCHED)


def _same_size_and_time(path: Path, content: bytes) -> Iterator[Change]:
    before = path.stat()
    path.write_bytes(content.ljust(before.st_size, b" ")[: before.st_size])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    yield _change(path, ChangeKind.CLOSED)


def _change(path: Path, kind: ChangeKind) -> Change:
    return Change(path.name, kind, 0.0)


def _hint_all(running: Running, changes: Iterator[Change], pause_s: float) -> None:
    for change in changes:
        running.hint(Change(change.path, change.kind, running.clock()))
        running.go_on(pause_s)


@pytest.mark.parametrize("hinted", [True, False])
@pytest.mark.parametrize("pause_s", [0.01, 5.0])
@pytest.mark.parametrize("save", [_vim, _gedit, _rsync, _scp, _same_size_and_time])
def test_however_it_is_saved_the_new_content_arrives_whole_and_nothing_else_does(
    tmp_path: Path,
    drop: Path,
    hub: FakeHub,
    save: Callable[[Path, bytes], Iterator[Change]],
    pause_s: float,
    hinted: bool,
) -> None:
    fill(drop, {"file.txt": b"the old content of the file"})
    with Engine(tmp_path, [target_spec(drop, quiet_s=1.0, on_delete="keep")], hub).running() as running:
        running.go_on(60.0)
        changes = save(drop / "file.txt", b"the new content")
        if hinted:
            _hint_all(running, changes, pause_s)
            running.go_on(60.0)
        else:
            list(changes)
            running.go_on(400.0)  # the rescan alone
    assert hub.repo.files == _on_disk(drop)
    assert {*hub.repo.files} == {"incoming/other", "incoming/file.txt"}
    old = b"the old content of the file"
    assert {content for commit in hub.repo.commits for content in commit.added.values()} <= {
        b"other", old, hub.repo.files["incoming/file.txt"]
    }  # fmt: skip


def test_copies_that_keep_their_old_dates(tmp_path: Path, drop: Path, hub: FakeHub) -> None:
    source = tmp_path / "source"
    fill(source, {"a": b"a", "sub/b": b"b"})
    for path in source.rglob("*"):
        os.utime(path, (1e9, 1e9))
    with Engine(tmp_path, [target_spec(drop, quiet_s=1.0)], hub).running() as running:
        running.go_on(60.0)
        shutil.copytree(source, drop, copy_function=shutil.copy2, dirs_exist_ok=True)
        running.go_on(400.0)
        assert hub.repo.files == _on_disk(drop)
        (source / "a").write_bytes(b"A")
        os.utime(source / "a", (1e9, 1e9))
        shutil.copy2(source / "a", drop / "a")
        running.go_on(400.0)
    assert hub.repo.files == _on_disk(drop)


def test_trees_that_are_moved_in_out_and_about(tmp_path: Path, drop: Path, hub: FakeHub) -> None:
    fill(tmp_path / "tree", {f"{letter}/{number}": letter.encode() for letter in "abc" for number in range(5)})
    with Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub).running() as running:
        running.go_on(60.0)
        places = [tmp_path / "tree", drop / "in", drop / "about", drop / "in" / "deeper", tmp_path / "out"]
        for here, there in itertools.pairwise(places):
            there.parent.mkdir(exist_ok=True)
            here.rename(there)
            running.go_on(400.0)
            assert hub.repo.files == _on_disk(drop)
