"""The same failure ten thousand times: a few lines with a count, and room for what can be published."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from hf_watch.afterwards.receipts import Receipts
from hf_watch.logs.repeats import TOLD_FIRST
from hf_watch.targets.surveying import MOST_WAITING
from tests.disk import fill, numbered, without_privileges
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

MANY = 10_000
FEWER = 2_000  # where each is looked at again and again: the lines are as few, and told by the same part


def few_with_a_count(logs: Sequence[Mapping[str, Any]], event: str, total: int) -> None:
    """Ten lines of their own, then numbers; together they speak of all."""
    lines = [each for each in logs if each["event"] == event]
    counts = [each["repeated"] for each in lines if "repeated" in each]
    assert len(lines) - len(counts) == TOLD_FIRST
    assert len(counts) <= 3
    assert TOLD_FIRST + sum(counts) == total
    assert all(each["target"] == "drop" and each["reason"] for each in lines)


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    fill(tmp_path / "drop", {"good": b"good"})
    return tmp_path / "drop"


def _links(directory: Path, count: int) -> Path:
    """So many names of one file; returns the first."""
    directory.mkdir()
    first = directory / "0"
    first.write_bytes(b"content")
    for number in range(1, count):
        os.link(first, directory / str(number))
    return first


def test_files_that_may_not_be_read(tmp_path: Path, drop: Path) -> None:
    first = _links(drop / "secret", MANY)
    first.chmod(0)
    hub = FakeHub()
    with capture_logs() as logs, Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        with without_privileges():
            running.go_on(290.0)
        assert hub.repo.files == {"incoming/good": b"good"}
        few_with_a_count(logs, "path.unreadable", MANY)
        first.chmod(0o600)
        running.go_on(1_000.0)
    assert len(hub.repo.files) == MANY + 1


def test_files_that_are_being_written(tmp_path: Path, drop: Path) -> None:
    first = _links(drop / "open", FEWER)
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, quiet_s=1.0, max_wait_s=10.0, rescan_s=1_000.0)], hub)
    with capture_logs() as logs, engine.running() as running:
        with first.open("r+b"):
            running.go_on(150.0)
        assert hub.repo.files == {"incoming/good": b"good"}
        lines = [each for each in logs if each["event"] == "path.busy"]
        assert TOLD_FIRST < len(lines) <= TOLD_FIRST + 4
        running.go_on(1_100.0)
    assert len(hub.repo.files) == FEWER + 1


def test_names_that_the_hub_cannot_hold(tmp_path: Path, drop: Path) -> None:
    for number in range(FEWER):
        (drop / os.fsdecode(b"\xff%d" % number)).write_bytes(b"")
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    with capture_logs() as logs:
        with engine.running() as running:
            running.go_on(1_000.0)
        assert hub.repo.files == {"incoming/good": b"good"}
        few_with_a_count(logs, "path.quarantined", FEWER)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(1_000.0)
    assert not [each for each in logs if each["event"] == "path.quarantined"]


def test_directories_that_may_not_be_listed(tmp_path: Path, drop: Path) -> None:
    for number in range(FEWER):
        (drop / f"d{number}").mkdir(mode=0)
    hub = FakeHub()
    with capture_logs() as logs, Engine(tmp_path, [target_spec(drop)], hub).running() as running, without_privileges():
        running.go_on(250.0)
    assert hub.repo.files == {"incoming/good": b"good"}
    few_with_a_count(logs, "directory.unreadable", FEWER)


def test_receipts_that_cannot_be_put_beside_their_files(tmp_path: Path, drop: Path) -> None:
    fill(drop, {f"d/{name}": content for name, content in numbered(FEWER).items()})
    (drop / "d").chmod(0o500)
    hub = FakeHub()
    book = Receipts(tmp_path / "receipts.jsonl")
    engine = Engine(tmp_path, [target_spec(drop, receipts="sidecar")], hub, receipts=book)
    with capture_logs() as logs, engine.running() as running, without_privileges():
        running.go_on(250.0)
    (drop / "d").chmod(0o700)
    assert len(hub.repo.files) == FEWER + 1
    few_with_a_count(logs, "receipt.failed", FEWER)


def test_deletes_that_are_held(tmp_path: Path, drop: Path) -> None:
    fill(drop, numbered(50))  # few enough for the guard: that the root is empty is what holds them
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(100.0)
        for path in drop.iterdir():
            path.unlink()
        running.go_on(290.0)
        few_with_a_count(logs, "delete.held", 51)
        running.go_on(86_400.0)
    assert len(hub.repo.files) == 51
    assert len([each for each in logs if each["event"] == "delete.held"]) <= TOLD_FIRST + 24 + 7


def _unreadable(first: Path) -> AbstractContextManager[object]:
    first.chmod(0)
    return without_privileges()


def _busy(first: Path) -> AbstractContextManager[object]:
    return first.open("r+b")


@pytest.mark.parametrize("obstruct", [_unreadable, _busy])
def test_more_failures_than_can_wait_leave_room_for_the_others(
    tmp_path: Path, drop: Path, obstruct: Callable[[Path], AbstractContextManager[object]]
) -> None:
    first = _links(drop / "bad", MOST_WAITING + 1_000)
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, quiet_s=5.0, rescan_s=30.0)], hub)
    with capture_logs(), obstruct(first), engine.running() as running:
        running.go_on(20.0)
        fill(drop, {"later": b"later"})
        running.go_on(45.0)
    assert hub.repo.files == {"incoming/good": b"good", "incoming/later": b"later"}
    shutil.rmtree(drop / "bad")
