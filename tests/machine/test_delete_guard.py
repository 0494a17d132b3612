"""Many deletes at once: none reaches the Hub unasked; after confirmation exactly those."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.errors import AmbiguousError, RetryableError
from hf_watch.model import Change, ChangeKind
from hf_watch.rules.filters import Filter
from hf_watch.rules.plan import MostDeletes, most_deletes
from hf_watch.threads.commands import ConfirmDeletes
from hf_watch.threads.status import TargetState
from tests.disk import fill, numbered
from tests.engine import Engine, Running, target_spec
from tests.fake_hub import FakeHub, Fault
from tests.mortal import Crash, Fate, MortalHub

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hf_watch.errors import HubError
    from hf_watch.targets.spec import TargetSpec


class World:
    """A mirrored directory whose files are on the Hub."""

    def __init__(self, place: Path, files: int, **options: object) -> None:
        self.place = place
        self.drop = place / "drop"
        self.hub = FakeHub()
        self.options = options
        fill(self.drop, numbered(files))
        self.engine = Engine(place, [self.spec()], self.hub)
        self.engine.sync()
        assert len(self.hub.repo.files) == files

    def spec(self, **more: object) -> TargetSpec:
        return target_spec(self.drop, on_delete="mirror", **{**self.options, **more})

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self.drop / name).unlink()

    def deleted(self) -> list[str]:
        return sorted(path.removeprefix("incoming/") for commit in self.hub.repo.commits for path in commit.deleted)

    def held(self, running: Running) -> tuple[int, str]:
        found = running.worker.status.targets[0]
        return found.held_deletes, found.held_example


def confirm(running: Running) -> int:
    future = running.worker._inbox.ask(ConfirmDeletes(0))
    running.go_on(30.0)
    return future.result(0).paths


def hint_gone(running: Running, names: Iterable[str]) -> None:
    for name in names:
        running.hint(Change(name, ChangeKind.GONE, running.clock()))


def names(count: int) -> list[str]:
    return list(numbered(count))


def test_half_of_the_files_removed_at_once_stay_on_the_hub_until_it_is_confirmed(tmp_path: Path) -> None:
    world = World(tmp_path, 10_000)
    with capture_logs() as log, world.engine.running() as running:
        running.go_on(30.0)
        world.remove(names(5_000))
        hint_gone(running, names(5_000))
        running.go_on(1_000.0)
        assert world.deleted() == []
        assert world.held(running) == (5_000, "0000.txt")
        (world.drop / "9000.txt").unlink()  # one more is not let through beside them
        hint_gone(running, ["9000.txt"])
        running.go_on(1_000.0)
        assert (world.deleted(), world.held(running)[0]) == ([], 5_001)
        (world.drop / "0000.txt").write_bytes(b"back")
        assert confirm(running) == 5_000
        assert world.deleted() == [*names(5_000)[1:], "9000.txt"]
        assert world.held(running) == (0, "")
        running.go_on(400.0)
    held = [each for each in log if each["event"] == "deletes.held"]
    assert [each["files"] for each in held] == [5_000, 5_001]
    assert world.hub.repo.files["incoming/0000.txt"] == b"back"


def test_what_disappears_little_by_little_is_one_act(tmp_path: Path) -> None:
    world = World(tmp_path, 500)
    with world.engine.running() as running:
        running.go_on(30.0)
        for start in range(0, 300, 20):
            gone = names(500)[start : start + 20]
            world.remove(gone)
            hint_gone(running, gone)
            running.go_on(0.3)
        running.go_on(1_000.0)
        assert world.deleted() == []
        assert world.held(running)[0] == 300


def test_held_deletes_outlive_the_process_and_a_file_that_is_back_is_none(tmp_path: Path) -> None:
    world = World(tmp_path, 400)
    world.remove(names(150))
    assert world.engine.sync().has_left
    fill(world.drop, dict.fromkeys(names(60), b"back"))  # fewer than max_delete are left: still not unasked
    for _ in range(2):
        assert world.engine.sync().has_left
    assert world.deleted() == []
    with world.engine.running() as running:
        running.go_on(30.0)
        assert confirm(running) == 90
        assert world.deleted() == names(150)[60:]
    assert not world.engine.sync().has_left


@pytest.mark.parametrize(
    ("verb", "error"), [("commit", AmbiguousError("504")), ("paths_info", RetryableError("503: Service Unavailable"))]
)
def test_a_few_that_the_hub_does_not_take_at_once_count_once(tmp_path: Path, verb: str, error: HubError) -> None:
    hub = FakeHub()
    fill(tmp_path / "drop", numbered(40))
    spec = target_spec(tmp_path / "drop", on_delete="mirror", max_delete=most_deletes("5"))
    with Engine(tmp_path, [spec], hub).running() as running:
        running.go_on(10.0)
        gone = sorted((tmp_path / "drop").iterdir())[:4]
        for file in gone:
            file.unlink()
            running.hint(Change(file.name, ChangeKind.GONE, running.clock()))
        hub.fail(verb, *[Fault(error)] * 4)
        running.go_on(600.0)
        assert running.worker.status.targets[0].held_deletes == 0
    assert len(hub.repo.files) == 36


def test_a_few_at_a_time_come_to_no_more_than_may_go_unasked(tmp_path: Path) -> None:
    world = World(tmp_path, 40, max_delete=most_deletes("5"))
    with world.engine.running() as running:
        running.go_on(10.0)
        for start in range(0, 16, 4):
            gone = names(40)[start : start + 4]
            world.remove(gone)
            hint_gone(running, gone)
            running.go_on(20.0)
        assert world.deleted() == names(4)
        assert world.held(running) == (12, "0004.txt")


def test_what_went_unasked_long_ago_counts_when_it_goes_again(tmp_path: Path) -> None:
    world = World(tmp_path, 40, max_delete=most_deletes("5"))
    with world.engine.running() as running:
        running.go_on(10.0)
        world.remove(names(4))
        hint_gone(running, names(4))
        running.go_on(10.0)
        assert world.deleted() == names(4)
        fill(world.drop, dict.fromkeys(names(4), b"back"))
        running.go_on(1_000.0)
        assert len(world.hub.repo.files) == 40
        world.remove(names(8))
        hint_gone(running, names(8))
        running.go_on(100.0)
        assert world.held(running)[0] == 8
    assert len(world.hub.repo.files) == 40


def test_after_a_confirmation_the_next_many_are_held_again(tmp_path: Path) -> None:
    world = World(tmp_path, 800)
    with world.engine.running() as running:
        running.go_on(30.0)
        world.remove(names(200))
        hint_gone(running, names(200))
        running.go_on(60.0)
        assert confirm(running) == 200
        gone = names(800)[200:400]
        world.remove(gone)
        hint_gone(running, gone)
        running.go_on(1_000.0)
        assert world.deleted() == names(200)
        assert world.held(running)[0] == 200


@pytest.mark.parametrize("count", [1, 10, 11, 100])
def test_as_many_as_are_allowed_go_by_themselves(tmp_path: Path, count: int) -> None:
    world = World(tmp_path, 120)
    world.remove(names(count))
    assert not world.engine.sync().has_left
    assert world.deleted() == names(count)


@pytest.mark.parametrize("is_in_two", [False, True])
def test_one_more_than_allowed_stays(tmp_path: Path, *, is_in_two: bool) -> None:
    world = World(tmp_path, 120, max_delete=MostDeletes(20, 0.0))
    with world.engine.running() as running:
        running.go_on(30.0)
        for part in (names(21)[:15], names(21)[15:]) if is_in_two else (names(21),):
            world.remove(part)
            hint_gone(running, part)
            running.go_on(10.0)
        running.go_on(1_000.0)
    assert len(world.deleted()) == (15 if is_in_two else 0)


def test_a_kill_between_the_confirmed_deletes_does_not_lose_the_confirmation(tmp_path: Path) -> None:
    world = World(tmp_path, 400)
    world.remove(names(150))
    world.engine.sync()
    fate = Fate()
    world.engine.hub = MortalHub(world.hub, fate)
    with world.engine.running() as running:
        fate.kind, fate.left = "commit", 0
        with pytest.raises(Crash):
            confirm(running)
    fate.left = None
    world.engine.sync()
    assert world.deleted() == names(150)


@pytest.mark.parametrize("how", ["removed", "emptied", "replaced by an empty one", "replaced by another tree"])
def test_a_root_that_goes_deletes_nothing(tmp_path: Path, how: str) -> None:
    world = World(tmp_path, 50)
    with world.engine.running() as running:
        running.go_on(30.0)
        if how.startswith("replaced"):
            world.drop.rename(tmp_path / "away")
            world.drop.mkdir()
            if how.endswith("tree"):
                fill(world.drop, {"other": b"1"})
        else:
            shutil.rmtree(world.drop)
            if how == "emptied":
                world.drop.mkdir()
        hint_gone(running, names(50))
        running.go_on(2_000.0)
    assert world.deleted() == []


def test_a_filter_that_is_narrowed_deletes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, 30)
    world.engine.targets = [world.spec(wanted=Filter(exclude=["*5.txt"]))]
    world.engine.sync()
    world.remove(["0005.txt"])
    world.engine.sync()
    assert world.deleted() == []


def test_a_root_without_its_marker_counts_as_missing(tmp_path: Path) -> None:
    world = World(tmp_path, 5)
    marked = world.spec(root_marker=".mounted")
    world.engine.targets = [marked]
    world.remove(["0001.txt"])
    fill(world.drop, {"new": b"1"})
    with world.engine.running() as running:
        running.go_on(30.0)
        assert running.worker.status.targets[0].state is TargetState.LOST
        assert (world.deleted(), "incoming/new" in world.hub.repo.files) == ([], False)
        (world.drop / ".mounted").touch()
        running.go_on(30.0)
        assert (world.deleted(), "incoming/new" in world.hub.repo.files) == (["0001.txt"], True)
        (world.drop / ".mounted").unlink()
        world.remove(["0002.txt"])
        hint_gone(running, ["0002.txt"])
        running.go_on(1_000.0)
    assert world.deleted() == ["0001.txt"]


@pytest.mark.parametrize(
    ("text", "known", "most"),
    [("100, 10%", 10, 100), ("100, 10%", 5_000, 500), ("5%,7", 1_000, 50), ("0", 1_000, 0), ("20 %", 100, 20)],
)
def test_max_delete_is_the_larger_of_a_number_and_a_share(text: str, known: int, most: int) -> None:
    assert most_deletes(text).of(known) == most


@pytest.mark.parametrize("text", ["", "many", "-1", "10%%", "1.5", "1,,2"])
def test_another_max_delete_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it should be"):
        most_deletes(text)
