"""A directory that goes in one commit, or not at all."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import RejectedError
from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.rules.filters import Filter
from hf_watch.rules.plan import Limits
from hf_watch.threads.commands import Barrier
from tests.disk import fill, without_privileges
from tests.engine import Engine, Running, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer
from tests.mortal import Crash, Fate, MortalHub, mortal_ledger

if TYPE_CHECKING:
    from pathlib import Path

LARGE = b"\0" * 100
QUIET_S = 1.0


def checkpoint(count: int, content: bytes = b"1") -> dict[str, bytes]:
    """Every third file is handed over by its path."""
    return {f"step-1/{number:02}.bin": (LARGE if number % 3 == 0 else b"") + content for number in range(count)}


def in_repo(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"incoming/{name}": content for name, content in files.items()}


class World:
    """A directory of checkpoints."""

    def __init__(self, place: Path, hub: FakeHub | None = None, **options: object) -> None:
        self.drop = place / "drop"
        self.drop.mkdir(parents=True)
        self.hub = hub or FakeHub(largest_regular_bytes=64)
        self.options = {"group": "directory", "quiet_s": QUIET_S, "on_delete": "mirror", **options}
        self.engine = Engine(place, [target_spec(self.drop, **self.options)], self.hub, inline_bytes=64)

    def commits(self) -> list[list[str]]:
        return [sorted(commit.added) for commit in self.hub.repo.commits]

    def write(self, running: Running, name: str, content: bytes, kind: ChangeKind = ChangeKind.CLOSED) -> None:
        fill(self.drop, {name: content})
        running.hint(Change(name, kind, running.clock()))


def test_a_checkpoint_of_40_files_written_over_20_s_is_one_commit(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(40)
    with world.engine.running() as running:
        for name, content in files.items():
            world.write(running, name, content)
            running.go_on(0.5)
        assert world.commits() == []
        running.go_on(60.0)
    assert world.commits() == [sorted(in_repo(files))]
    assert world.hub.repo.files == in_repo(files)


@pytest.mark.parametrize("killed_after", [1, 20, 39])
def test_a_kill_while_it_is_written_leaves_no_half_of_it(tmp_path: Path, killed_after: int) -> None:
    world, files = World(tmp_path), checkpoint(40)
    items = list(files.items())
    with world.engine.running() as running:
        for name, content in items[:killed_after]:
            world.write(running, name, content)
            running.go_on(0.5)
    with world.engine.running() as running:
        for name, content in items[killed_after:]:
            world.write(running, name, content)
            running.go_on(0.5)
        running.go_on(60.0)
    assert world.commits() == [sorted(in_repo(files))]


@pytest.mark.parametrize("is_answer_lost", [False, True])
def test_a_kill_at_any_step_leaves_no_half_of_it(tmp_path: Path, *, is_answer_lost: bool) -> None:
    files, step, has_died = checkpoint(6), 0, True
    while has_died:
        world, fate = World(tmp_path / str(step)), Fate(step)
        world.engine.hub = MortalHub(world.hub, fate)
        world.engine.ledger_of = partial(mortal_ledger, fate=fate)
        fill(world.drop, files)
        if is_answer_lost:
            world.hub.fail("commit", lost_answer())
        has_died = False
        for _ in range(2):
            try:
                with world.engine.running() as running:
                    running.go_on(400.0)
            except Crash:
                has_died, fate.left = True, None
        assert world.commits() == [sorted(in_repo(files))], f"step {step}"
        step += 1
    assert step > 20


def test_it_is_one_commit_though_commits_take_fewer_files(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(40)
    world.engine.limits = Limits(7, 1_000)
    fill(world.drop, {**files, "step-2/a": b"1", "b": b"2"})
    world.engine.sync()
    assert sorted(in_repo(files)) in world.commits()
    assert len(world.hub.repo.files) == 42


def test_what_is_more_than_one_commit_can_hold_stays_whole_and_is_named(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(40)
    world.engine.limits = Limits(1_000, 10)
    fill(world.drop, {**files, "a": b"1"})
    assert list(world.engine.sync().gave_up) == [str(world.drop / "step-1")]
    assert world.commits() == [["incoming/a"]]


def test_with_a_marker_it_waits_for_the_marker_however_quiet_it_is(tmp_path: Path) -> None:
    world, files = World(tmp_path, ready_marker="_SUCCESS"), checkpoint(4)
    fill(world.drop, files)
    with world.engine.running() as running:
        running.go_on(1_000.0)
        assert world.commits() == []
        world.write(running, "step-1/_SUCCESS", b"")
        running.go_on(0.5)
        assert world.commits() == [sorted(in_repo({**files, "step-1/_SUCCESS": b""}))]


def test_a_hidden_marker_is_not_published_and_serves(tmp_path: Path) -> None:
    world, files = World(tmp_path, ready_marker=".done"), checkpoint(4)
    fill(world.drop, files)
    with world.engine.running() as running:
        running.go_on(100.0)
        world.write(running, "step-1/.done", b"")
        running.go_on(0.5)
    assert world.commits() == [sorted(in_repo(files))]


def test_what_is_added_later_is_a_commit_with_what_changed(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(5)
    fill(world.drop, files)
    with world.engine.running() as running:
        running.go_on(30.0)
        world.write(running, "step-1/new", b"1")
        world.write(running, "step-1/00.bin", b"changed")
        (world.drop / "step-1/01.bin").unlink()
        running.hint(Change("step-1/01.bin", ChangeKind.GONE, running.clock()))
        running.go_on(30.0)
    assert world.commits()[1:] == [["incoming/step-1/00.bin", "incoming/step-1/new"]]
    assert world.hub.repo.commits[1].deleted == ("incoming/step-1/01.bin",)


def test_a_file_that_is_open_holds_all_of_it(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(5)
    fill(world.drop, {**files, "other": b"1"})
    with world.engine.running() as running, (world.drop / "step-1/04.bin").open("ab") as writer:
        running.go_on(200.0)
        assert world.commits() == [["incoming/other"]]
        writer.write(b"more")
        writer.close()
        running.hint(Change("step-1/04.bin", ChangeKind.CLOSED, running.clock()))
        running.go_on(60.0)
    assert world.commits()[1:] == [sorted(in_repo(files))]


def test_a_file_that_may_not_be_read_holds_all_of_it(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(5)
    fill(world.drop, {**files, "other": b"1"})
    (world.drop / "step-1/03.bin").chmod(0)
    with without_privileges(), world.engine.running() as running:
        running.go_on(200.0)
        assert world.commits() == [["incoming/other"]]
        (world.drop / "step-1/03.bin").chmod(0o600)
        running.go_on(400.0)
    assert world.commits()[1:] == [sorted(in_repo(files))]


def test_a_pass_does_not_wait_for_ever_for_a_file_that_is_open(tmp_path: Path) -> None:
    world = World(tmp_path)
    fill(world.drop, checkpoint(5))
    with (world.drop / "step-1/04.bin").open("ab"):
        gave_up = world.engine.sync().gave_up
    assert str(world.drop / "step-1") in gave_up
    assert world.commits() == []


@pytest.mark.parametrize("where", ["commit", "stage"])
def test_a_file_that_the_hub_refuses_holds_all_of_it_and_nobody_else(tmp_path: Path, where: str) -> None:
    hub = FakeHub(bad=lambda path: where == "commit" and path.endswith("02.bin"), largest_regular_bytes=64)
    world, files = World(tmp_path, hub), checkpoint(5)
    if where == "stage":
        hub.fail("stage", None, Fault(RejectedError("400: bad", "incoming/step-1/02.bin")))
    fill(world.drop, {**files, "other": b"1", "step-2/a": b"1"})
    with world.engine.running() as running:
        running.go_on(400.0)
    assert sorted(hub.repo.files) == ["incoming/other", "incoming/step-2/a"]


def test_a_group_waits_for_as_long_as_its_largest_file(tmp_path: Path) -> None:
    world = World(tmp_path, quiet_s={"0": 1.0, "1 kB": 30.0})
    with world.engine.running() as running:
        world.write(running, "step-1/weights", b"1" * 1000)
        world.write(running, "step-1/notes", b"1")
        world.write(running, "step-2/notes", b"1")
        running.go_on(10.0)
        assert world.commits() == [["incoming/step-2/notes"]]
        world.write(running, "step-1/late", b"1")
        running.go_on(25.0)
        assert len(world.commits()) == 1
        running.go_on(10.0)
    assert world.commits()[1:] == [["incoming/step-1/late", "incoming/step-1/notes", "incoming/step-1/weights"]]


def test_a_flush_does_not_tear_what_is_being_written(tmp_path: Path) -> None:
    world, files = World(tmp_path, quiet_s=5.0), checkpoint(10)
    items = list(files.items())
    with world.engine.running() as running:
        for name, content in items[:5]:
            world.write(running, name, content)
        flushed = running.worker._inbox.ask(Barrier(None))
        running.go_on(2.0)
        for name, content in items[5:]:
            world.write(running, name, content)
        running.go_on(2.0)
        assert not flushed.done()
        running.go_on(60.0)
        assert flushed.result(0).left == ()
    assert world.commits() == [sorted(in_repo(files))]


def test_a_file_changed_while_the_others_are_sent_puts_all_of_it_off(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(12)
    fill(world.drop, files)

    def rewrite(verb: str) -> None:
        if verb == "stage":
            world.hub.on_call = lambda _: None
            fill(world.drop, {"step-1/01.bin": b"newer"})

    world.hub.on_call = rewrite
    world.engine.sync()
    assert world.commits() == [sorted(in_repo(files))]
    assert world.hub.repo.files["incoming/step-1/01.bin"] == b"newer"


def test_a_directory_that_is_moved_in_or_away_is_one_commit(tmp_path: Path) -> None:
    world, files = World(tmp_path), checkpoint(8)
    fill(tmp_path / "elsewhere", files)
    fill(world.drop, {"anchor": b""})
    with world.engine.running() as running:
        running.go_on(30.0)
        (tmp_path / "elsewhere/step-1").rename(world.drop / "step-1")
        running.hint(Gap("step-1", "a directory appeared", running.clock()))
        running.go_on(30.0)
        (world.drop / "step-1").rename(tmp_path / "elsewhere/step-1")
        running.hint(Change("step-1", ChangeKind.GONE, running.clock()))
        running.go_on(60.0)
    assert world.commits()[1:] == [sorted(in_repo(files)), []]
    assert world.hub.repo.files == {"incoming/anchor": b""}


@pytest.mark.parametrize("marker", ["", "_SUCCESS"])
def test_a_group_that_leaves_after_its_upload_leaves_whole(tmp_path: Path, marker: str) -> None:
    world = World(tmp_path, ready_marker=marker, after_upload="delete", remove_empty_dirs=True)
    files = {**checkpoint(5), "step-1/_SUCCESS": b"", "step-1/deep/er": b"1"}
    fill(world.drop, files)
    for _ in range(2):
        world.engine.sync()
    assert list(world.drop.rglob("*")) == []
    assert world.commits() == [sorted(in_repo(files))]


def test_what_the_filter_hides_is_no_part_of_it(tmp_path: Path) -> None:
    world = World(tmp_path, wanted=Filter(exclude=["*.log"]))
    fill(world.drop, {**checkpoint(3), "step-1/a.log": b"1"})
    world.engine.sync()
    assert world.commits() == [sorted(in_repo(checkpoint(3)))]


def test_what_the_repo_ignores_is_no_part_of_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.hub.ignored = {"incoming/step-1/02.bin"}
    fill(world.drop, checkpoint(5))
    for _ in range(2):
        world.engine.sync()
    fill(world.drop, {"step-1/new": b"1"})
    world.engine.sync()
    rest = {name: content for name, content in checkpoint(5).items() if not name.endswith("02.bin")}
    assert world.commits() == [sorted(in_repo(rest)), ["incoming/step-1/new"]]


@pytest.mark.parametrize("on_delete", ["mirror", "keep"])
def test_a_directory_takes_the_place_of_a_published_file(tmp_path: Path, on_delete: str) -> None:
    world = World(tmp_path, on_delete=on_delete)
    fill(world.drop, {"x": b"file", "other": b""})
    world.engine.sync()
    (world.drop / "x").unlink()
    fill(world.drop, {"x/a": b"1", "x/b": b"2"})
    world.engine.sync()
    assert world.hub.repo.files == {"incoming/other": b"", "incoming/x/a": b"1", "incoming/x/b": b"2"}
    assert {"incoming/x/a", "incoming/x/b"} <= world.hub.repo.commits[-1].added.keys()


def test_a_file_whose_place_an_empty_directory_took_is_deleted(tmp_path: Path) -> None:
    world = World(tmp_path, on_delete="mirror")
    fill(world.drop, {"x": b"file", "other": b""})
    world.engine.sync()
    (world.drop / "x").unlink()
    (world.drop / "x").mkdir()
    world.engine.sync()
    assert world.hub.repo.files == {"incoming/other": b""}


def test_a_file_takes_the_place_of_a_published_directory(tmp_path: Path) -> None:
    world = World(tmp_path, on_delete="mirror")
    fill(world.drop, {"x/a": b"1", "x/b": b"2", "other": b""})
    world.engine.sync()
    shutil.rmtree(world.drop / "x")
    fill(world.drop, {"x": b"file"})
    world.engine.sync()
    assert world.hub.repo.files == {"incoming/other": b"", "incoming/x": b"file"}
