"""Several roots that are published to one branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.model import Gap
from tests.disk import fill
from tests.engine import Clock, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path


def test_targets_of_one_branch_share_their_commits(tmp_path: Path) -> None:
    fill(tmp_path / "one", {"a": b"1"})
    fill(tmp_path / "two", {"a": b"2"})
    hub = FakeHub()
    specs = [
        target_spec(tmp_path / "one", name="one", prefix="one"),
        target_spec(tmp_path / "two", name="two", prefix=""),
    ]
    with capture_logs() as logs:
        Engine(tmp_path, specs, hub).sync()
    assert hub.repo.files == {"one/a": b"1", "a": b"2"}
    assert len(hub.repo.commits) == 1
    assert [each["target"] for each in logs if each["event"] == "commit.recorded"] == ["one,two"]


def test_a_rename_from_one_root_to_another_is_one_commit(tmp_path: Path) -> None:
    fill(tmp_path / "one", {"a": b"1", "rest": b""})
    fill(tmp_path / "two", {"rest": b""})
    hub = FakeHub()
    specs = [target_spec(tmp_path / each, name=each, prefix=each, on_delete="mirror") for each in ("one", "two")]
    engine = Engine(tmp_path, specs, hub)
    engine.sync()
    (tmp_path / "one" / "a").rename(tmp_path / "two" / "a")
    engine.sync()
    assert hub.repo.files == {"one/rest": b"", "two/rest": b"", "two/a": b"1"}
    assert len(hub.repo.commits) == 2


@pytest.fixture
def clashing(tmp_path: Path) -> Engine:
    """Two roots with the same prefix."""
    for name in ("one", "two"):
        fill(tmp_path / name, {"rest" + name: b""})
    specs = [target_spec(tmp_path / each, name=each, on_delete="mirror") for each in ("one", "two")]
    return Engine(tmp_path, specs, FakeHub())


def _files(engine: Engine) -> dict[str, bytes]:
    assert isinstance(engine.hub, FakeHub)
    return {path: content for path, content in engine.hub.repo.files.items() if content}


def test_of_two_files_on_one_repo_path_neither_is_published_and_both_are_named(
    tmp_path: Path, clashing: Engine
) -> None:
    fill(tmp_path / "one", {"a": b"1"})
    fill(tmp_path / "two", {"a": b"2"})
    assembled = clashing.sync()
    assert _files(clashing) == {}
    assert assembled.gave_up == {
        str(tmp_path / mine / "a"): f"{tmp_path / other / 'a'} maps to the same repo path incoming/a"
        for mine, other in (("one", "two"), ("two", "one"))
    }


def test_when_one_of_them_goes_the_other_is_published(tmp_path: Path, clashing: Engine) -> None:
    fill(tmp_path / "one", {"a": b"1"})
    fill(tmp_path / "two", {"a": b"2"})
    clashing.sync()
    (tmp_path / "one" / "a").unlink()
    assert not clashing.sync().gave_up
    assert _files(clashing) == {"incoming/a": b"2"}
    (tmp_path / "two" / "a").unlink()
    clashing.sync()
    assert _files(clashing) == {}


@pytest.mark.parametrize(("source", "target"), [("one", "two"), ("two", "one")])
def test_a_file_that_moves_between_roots_of_one_prefix_is_not_deleted(
    tmp_path: Path, clashing: Engine, source: str, target: str
) -> None:
    fill(tmp_path / source, {"a": b"1"})
    clashing.sync()
    (tmp_path / source / "a").rename(tmp_path / target / "a")
    clashing.sync()
    assert _files(clashing) == {"incoming/a": b"1"}
    clashing.verify = True
    clashing.sync()
    assert _files(clashing) == {"incoming/a": b"1"}


def test_a_root_that_is_not_there_does_not_hold_a_stop(tmp_path: Path) -> None:
    engine = Engine(tmp_path, [target_spec(tmp_path / "missing")], FakeHub())
    began = engine.clock()
    with engine.assembled(single_pass=False) as assembled:
        assembled.worker.stop(began + 20.0)
        assembled.worker.run()
    assert engine.clock() < began + 20.0


class Ticking(Clock):
    """A clock on which work takes time: two milliseconds a look at it."""

    def __call__(self) -> float:
        self.now += 0.002
        return self.now


def test_overflows_without_end_leave_most_of_the_time_for_other_work(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {f"{number}/f": b"x" for number in range(200)})
    hub, clock = FakeHub(), Ticking()
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop", rescan_s=1e6)], hub, clock=clock)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(60.0)
        began, logs[:] = clock.now, []
        while clock.now < began + 100.0:
            running.hint(Gap("", "kernel queue overflowed", clock.now))
            running.turn()
        scans = [each["duration_s"] for each in logs if each["event"] == "target.scanned"]
        assert len(scans) >= 2
        assert sum(scans) <= (clock.now - began) / 9 + scans[0]
        fill(tmp_path / "drop", {"later": b"later"})
        running.hint(Gap("", "kernel queue overflowed", clock.now))
        running.go_on(60.0)
        assert "incoming/later" in hub.repo.files
        scanned = len([each for each in logs if each["event"] == "target.scanned"])
        running.go_on(200.0)
        assert len([each for each in logs if each["event"] == "target.scanned"]) == scanned, "nothing piled up"
