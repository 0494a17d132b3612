"""One pass of a destination over real files, against the fake Hub: what is published, and what is not even asked."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from hf_watch.model import Change, ChangeKind
from hf_watch.rules.filters import Filter
from hf_watch.threads.commands import Flush
from hf_watch.threads.measured import Skipped
from tests.disk import fill, numbered
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.engine import Running

START_UP_PROBES = ["check_write", "head"]


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    return tmp_path / "drop"


def write(running: Running, drop: Path, files: Mapping[str, bytes]) -> None:
    """Write files, and say so as the watch does."""
    fill(drop, files)
    for path in files:
        running.hint(Change(path, ChangeKind.CLOSED, running.clock()))


def test_everything_present_is_published_in_one_commit(tmp_path: Path, drop: Path) -> None:
    files = {"a.txt": b"a", "sub/b.txt": b"b", "sub/deeper/empty": b""}
    fill(drop, files)
    hub = FakeHub()
    Engine(tmp_path, [target_spec(drop)], hub).sync()
    assert hub.repo.files == {f"incoming/{name}": content for name, content in files.items()}
    assert [commit.message for commit in hub.repo.commits] == ["Add 3 files under incoming/"]


def test_a_second_pass_over_unchanged_files_asks_for_nothing_but_the_start_up_probes(
    tmp_path: Path, drop: Path
) -> None:
    fill(drop, {"a.txt": b"a", "b.txt": b"b"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    engine.sync()
    hub.calls.clear()
    engine.sync()
    assert hub.calls == START_UP_PROBES


def test_a_touched_or_copied_over_file_of_the_same_content_makes_no_request(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a", "b.txt": b"b"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    engine.sync()
    os.utime(drop / "a.txt", (1, 1))
    (drop / "b.new").write_bytes(b"b")
    (drop / "b.new").rename(drop / "b.txt")
    hub.calls.clear()
    engine.sync()
    engine.sync()
    assert hub.calls == START_UP_PROBES * 2


def test_a_changed_file_is_published_again_and_alone(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a", "b.txt": b"b"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    engine.sync()
    (drop / "a.txt").write_bytes(b"aa")
    engine.sync()
    assert hub.repo.commits[-1].added == {"incoming/a.txt": b"aa"}


def test_a_change_that_leaves_size_and_times_as_they_were_is_published(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"one"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    engine.sync()
    before = (drop / "a.txt").stat()
    (drop / "a.txt").write_bytes(b"two")
    os.utime(drop / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    engine.sync()
    assert hub.repo.files == {"incoming/a.txt": b"two"}


def test_links_and_special_files_are_not_published_and_do_not_block(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    fill(tmp_path / "elsewhere", {"secret.txt": b"secret"})
    (drop / "link.txt").symlink_to(tmp_path / "elsewhere" / "secret.txt")
    (drop / "directory").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(drop / "pipe")
    hub = FakeHub()
    Engine(tmp_path, [target_spec(drop)], hub).sync()
    assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_a_root_that_is_a_link_is_followed(tmp_path: Path, drop: Path) -> None:
    fill(tmp_path / "real", {"a.txt": b"a"})
    drop.symlink_to(tmp_path / "real")
    hub = FakeHub()
    Engine(tmp_path, [target_spec(drop)], hub).sync()
    assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_a_file_that_becomes_a_directory_and_back_is_published_each_time(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub)
    fill(drop, {"x": b"file", "other": b""})
    engine.sync()
    (drop / "x").unlink()
    fill(drop, {"x/y": b"inside"})
    engine.sync()
    assert hub.repo.files == {"incoming/x/y": b"inside", "incoming/other": b""}
    shutil.rmtree(drop / "x")
    fill(drop, {"x": b"file again"})
    engine.sync()
    assert hub.repo.files == {"incoming/x": b"file again", "incoming/other": b""}


def test_a_file_that_vanishes_or_turns_into_a_directory_before_it_is_read_stops_nobody(
    tmp_path: Path, drop: Path
) -> None:
    fill(drop, {"a": b"a", "b": b"b", "c": b"c"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    with engine.running() as running:
        running.turn()  # opened and scanned; nothing is read yet
        (drop / "a").unlink()
        (drop / "b").unlink()
        (drop / "b").mkdir()
        running.go_on(60.0)
    assert hub.repo.files == {"incoming/c": b"c"}


def test_a_file_that_is_hinted_at_and_did_not_change_is_not_even_read(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a": b"a", "b": b"b"})
    seen: list[object] = []
    with Engine(tmp_path, [target_spec(drop)], FakeHub(), observe=seen.append).running() as running:
        running.go_on(5.0)
        seen.clear()
        os.utime(drop / "b")
        for name in ("a", "b"):
            running.hint(Change(name, ChangeKind.CLOSED, running.clock()))
        running.go_on(5.0)
    assert [each.path for each in seen if isinstance(each, Skipped)] == ["b"]  # read, and found to be the same


def test_what_a_watch_hints_at_is_published_without_a_scan(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a": b"a"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, quiet_s=1.0)], hub)
    with engine.running() as running:
        running.go_on(5.0)
        fill(drop, {"b": b"b"})
        running.hint(Change("b", ChangeKind.CLOSED, engine.clock()))
        hinted_at = engine.clock()
        while "incoming/b" not in hub.repo.files:
            running.turn()
    assert engine.clock() - hinted_at < 1.5


def test_a_file_renamed_into_place_does_not_wait_to_become_quiet(tmp_path: Path, drop: Path) -> None:
    drop.mkdir()
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, quiet_s=1.0)], hub)
    with engine.running() as running:
        running.turn(3)
        fill(drop, {"b": b"b"})
        running.hint(Change("b", ChangeKind.ARRIVED, engine.clock()))
        hinted_at = engine.clock()
        while "incoming/b" not in hub.repo.files:
            running.turn()
    assert engine.clock() - hinted_at < 0.3


def test_a_large_file_is_quiet_for_longer_and_a_flush_asks_for_it_at_once(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, quiet_s={"0": 1.0, "1 kB": 30.0})], hub)
    drop.mkdir()
    with engine.running() as running:
        running.turn(3)
        write(running, drop, {"small": b"1", "asked": b"2" * 1000})
        running.go_on(5.0)
        assert set(hub.repo.files) == {"incoming/small"}
        running.worker._inbox.ask(Flush())
        running.go_on(5.0)
        assert set(hub.repo.files) == {"incoming/small", "incoming/asked"}
        for _ in range(2):  # a write begins the wait anew
            write(running, drop, {"large": b"1" * 1000})
            running.go_on(25.0)
            assert set(hub.repo.files) == {"incoming/small", "incoming/asked"}
        running.go_on(10.0)
    assert set(hub.repo.files) == {"incoming/small", "incoming/asked", "incoming/large"}


def test_what_the_repo_holds_already_is_recorded_in_bulk_and_not_uploaded(tmp_path: Path, drop: Path) -> None:
    files = numbered(60)
    fill(drop, files)
    hub = FakeHub()
    hub.repo.apply("", "theirs", {f"incoming/{name}": content for name, content in files.items()}, [])
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    engine.sync()
    assert hub.calls == [*START_UP_PROBES, "paths_info"]
    engine.sync()
    assert hub.calls[3:] == START_UP_PROBES


def test_only_what_the_repo_lacks_is_uploaded(tmp_path: Path, drop: Path) -> None:
    files = numbered(60)
    fill(drop, files)
    hub = FakeHub()
    hub.repo.apply("", "theirs", {f"incoming/{name}": content for name, content in list(files.items())[2:]}, [])
    Engine(tmp_path, [target_spec(drop)], hub).sync()
    assert set(hub.repo.commits[-1].added) == {"incoming/0000.txt", "incoming/0001.txt"}


def test_few_unknown_files_are_not_worth_asking_about(tmp_path: Path, drop: Path) -> None:
    fill(drop, numbered(50))
    hub = FakeHub()
    Engine(tmp_path, [target_spec(drop)], hub).sync()
    assert hub.calls == [*START_UP_PROBES, "stage", "commit", "recent"]


def test_a_large_file_is_handed_over_by_its_path(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"large.bin": b"x" * 5_000, "small.txt": b"s"})
    hub = FakeHub(largest_regular_bytes=1_000)
    engine = Engine(tmp_path, [target_spec(drop)], hub, inline_bytes=1_000)
    engine.sync()
    assert hub.repo.files == {"incoming/large.bin": b"x" * 5_000, "incoming/small.txt": b"s"}
    assert len(hub.repo.commits) == 1
    hub.calls.clear()
    engine.sync()
    assert hub.calls == START_UP_PROBES


def test_a_large_file_that_the_hub_wants_inside_the_commit_is_set_aside_rather_than_read_after_it_was_closed(
    tmp_path: Path, drop: Path
) -> None:
    fill(drop, {"large.txt": b"x" * 5_000, "small.txt": b"s"})
    hub = FakeHub(largest_regular_bytes=10_000)
    assembled = Engine(tmp_path, [target_spec(drop)], hub, inline_bytes=1_000).sync()
    assert hub.repo.files == {"incoming/small.txt": b"s"}
    assert list(assembled.gave_up) == [str(drop / "large.txt")]


def test_filtered_files_are_not_published(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.csv": b"a", "b.csv.part": b"", ".hidden": b"", ".git/config": b"", "skip/c.csv": b"", "d.txt": b""})
    hub = FakeHub()
    Engine(tmp_path, [target_spec(drop, wanted=Filter(include=["*.csv"], exclude=["skip/"]))], hub).sync()
    assert hub.repo.files == {"incoming/a.csv": b"a"}
