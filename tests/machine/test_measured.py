"""What a worker says that it measured, for each thing that can become of a file."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from structlog.testing import capture_logs

from hf_watch.errors import RetryableError
from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.threads.measured import Delivery, Missed, Published, PutOff, Scanned, SetAside, Skipped
from hf_watch.watches.reasons import NEW_DIRECTORY
from tests.disk import fill
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.threads.measured import Measured

T = TypeVar("T")


def _seen(events: list[Measured], kind: type[T]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def test_a_commit_tells_of_each_of_its_files(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a.txt": b"a", "sub/b.txt": b"bb"})
    hub = FakeHub()
    events: list[Measured] = []
    Engine(tmp_path, [target_spec(tmp_path / "drop")], hub, observe=events.append).sync()
    [published] = _seen(events, Published)
    assert (published.destination, published.size_bytes) == (str(DESTINATION), 3)
    assert published.commit == hub.repo.head
    assert {(each.path, each.repo_path, each.size_bytes) for each in published.deliveries} == {
        ("a.txt", "incoming/a.txt", 1), ("sub/b.txt", "incoming/sub/b.txt", 2),
    }  # fmt: skip
    [scanned] = {event.target for event in _seen(events, Scanned)}
    assert scanned == "drop"


def test_the_times_of_a_file_are_those_of_its_hints(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {})
    events: list[Measured] = []
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop", quiet_s=5.0)], hub, observe=events.append)
    with engine.running() as daemon:
        daemon.go_on(1.0)
        hub.script["commit"] = deque([Fault(RetryableError("busy", 20.0))])
        fill(tmp_path / "drop", {"a.txt": b"a"})
        daemon.hint(Change("a.txt", ChangeKind.WRITTEN, daemon.clock() - 2.0))
        daemon.hint(Change("a.txt", ChangeKind.CLOSED, daemon.clock()))
        daemon.go_on(60.0)
    assert [event.cause for event in _seen(events, PutOff)] == ["retryable"]
    [published] = _seen(events, Published)
    [delivery] = published.deliveries
    assert isinstance(delivery, Delivery)
    assert 5.0 <= delivery.settle_s <= 7.0
    assert 20.0 <= delivery.queue_s <= 40.0
    assert delivery.visible_s >= delivery.queue_s + 4.9


def test_what_the_hub_holds_and_what_it_cannot_hold(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"same.txt": b"same", "bad.txt": b"bad"})
    hub = FakeHub(bad=lambda path: path.endswith("bad.txt"))
    hub.repo.files["incoming/same.txt"] = b"same"
    events: list[Measured] = []
    Engine(tmp_path, [target_spec(tmp_path / "drop")], hub, observe=events.append).sync()
    assert [(each.path, each.reason) for each in _seen(events, Skipped)] == [("same.txt", "unchanged")]
    assert [(each.target, each.path) for each in _seen(events, SetAside)] == [("drop", "bad.txt")]
    assert not _seen(events, Published)


def test_a_gap_is_told_with_its_reason(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {})
    events: list[Measured] = []
    with Engine(tmp_path, [target_spec(tmp_path / "drop")], FakeHub(), observe=events.append).running() as daemon:
        daemon.hint(Gap("", "kernel queue overflowed", daemon.clock()))
        daemon.turn(3)
    assert _seen(events, Missed) == [Missed("drop", "kernel queue overflowed")]


def test_a_new_directory_is_scanned_and_is_no_gap(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {})
    hub = FakeHub()
    events: list[Measured] = []
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop")], hub, observe=events.append)
    with engine.running() as daemon, capture_logs() as logs:
        fill(tmp_path / "drop", {"new/a.txt": b"a"})
        daemon.hint(Gap("new", NEW_DIRECTORY, daemon.clock()))
        daemon.turn(20)
    assert hub.repo.files["incoming/new/a.txt"] == b"a"
    assert not _seen(events, Missed)
    told = {each["event"] for each in logs if each["log_level"] != "debug"}
    assert "target.scanned" in told or "commit.recorded" in told
    assert not told & {"watch.gap", "directory.appeared"}
