"""Each of the ways to notice and to repeat, alone: what the others would make up for is taken away.

docs/testing.md says which tests fail when one of them is taken out of the code.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.errors import AmbiguousError, MovedError, RetryableError, UnreachableError
from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.rules.filters import Filter
from hf_watch.targets.surveying import MOST_WAITING
from hf_watch.watches import RootWatch
from hf_watch.watches.filesystems import Mount
from tests.disk import fill
from tests.engine import Clock, Engine, Running, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hf_watch.ports import Sink
    from hf_watch.targets.spec import TargetSpec

NEVER_S = 1e9
RESCAN_S = 20.0
POLL_S = 7.0
SETTLED_S = 5.0

Steps = dict[str, ChangeKind]  # what happens to which path


class Deaf:
    """A ports.Sink that hears nothing."""

    def put(self, hint: Change | Gap) -> None:
        pass


def deaf_watch(spec: TargetSpec, _sink: Sink) -> RootWatch:
    """A real watch whose events lead nowhere."""
    return RootWatch(spec.source, Deaf())


def _everything(drop: Path) -> Iterator[Steps]:
    """Step by step all that can happen to a file, and what a watch says of it."""
    fill(drop, {"a": b"1", "b": b"1", "d/c": b"1"})
    yield dict.fromkeys(("a", "b", "d/c"), ChangeKind.CLOSED)
    fill(drop, {"a": b"2"})
    yield {"a": ChangeKind.CLOSED}
    (drop / "b").unlink()
    yield {"b": ChangeKind.GONE}
    (drop / "d" / "c").rename(drop / "e")
    yield {"d/c": ChangeKind.GONE, "e": ChangeKind.ARRIVED}
    fill(drop, {"new/below/f": b"3"})
    yield {"new/below/f": ChangeKind.CLOSED}


def _on_disk(drop: Path) -> dict[str, bytes]:
    return {f"incoming/{path.relative_to(drop)}": path.read_bytes() for path in drop.rglob("*") if path.is_file()}


def _tell(running: Running, step: Steps) -> None:
    for path, kind in step.items():
        running.hint(Change(path, kind, running.clock()))


def _engine(
    tmp_path: Path,
    hub: FakeHub,
    rescan_s: float,
    poll_s: float = NEVER_S,
    watch_of: Callable[[TargetSpec, Sink], RootWatch] = deaf_watch,
) -> Engine:
    (tmp_path / "drop").mkdir()
    spec = target_spec(tmp_path / "drop", on_delete="mirror", rescan_s=rescan_s, poll_s=poll_s)
    return Engine(tmp_path, [spec], hub, watch_of=watch_of)


@contextmanager
def _running(engine: Engine) -> Iterator[Running]:
    with engine.running() as running:
        try:
            yield running
        finally:
            running.worker._targets[0].stop()


def test_without_events_the_rescan_alone_publishes_everything(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub, RESCAN_S)
    with _running(engine) as running:
        running.go_on(SETTLED_S)
        for _ in _everything(tmp_path / "drop"):
            running.go_on(RESCAN_S + SETTLED_S)
            assert hub.repo.files == _on_disk(tmp_path / "drop")


def test_without_events_and_rescans_a_stop_finds_what_was_written_a_moment_ago(tmp_path: Path) -> None:
    hub = FakeHub()
    with _running(_engine(tmp_path, hub, NEVER_S)) as running:
        running.go_on(SETTLED_S)
        fill(tmp_path / "drop", {"a": b"1"})
        running.worker.stop(running.clock() + 4 * SETTLED_S)
        running.go_on(SETTLED_S)
    assert hub.repo.files == {"incoming/a": b"1"}


def _polling(spec: TargetSpec, _sink: Sink) -> RootWatch:
    return RootWatch(spec.source, Deaf(), observer="polling")


def test_without_events_and_rescans_polling_alone_publishes_everything(tmp_path: Path) -> None:
    hub = FakeHub()
    with _running(_engine(tmp_path, hub, NEVER_S, POLL_S, _polling)) as running:
        running.go_on(SETTLED_S)
        for _ in _everything(tmp_path / "drop"):
            running.go_on(POLL_S + SETTLED_S)
            assert hub.repo.files == _on_disk(tmp_path / "drop")


def _blind_below(spec: TargetSpec, _sink: Sink) -> RootWatch:
    """As if a network file system were mounted on one of the directories."""
    mounts = (Mount("/", "ext4"), Mount(f"{spec.source}/far", "nfs4", 1))
    return RootWatch(spec.source, Deaf(), read_mounts=lambda: mounts)


def test_of_a_local_root_only_what_lies_on_a_network_mount_is_polled(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub, NEVER_S, POLL_S, _blind_below)
    (tmp_path / "drop/far/below").mkdir(parents=True)
    with _running(engine) as running:
        running.go_on(SETTLED_S)
        fill(tmp_path / "drop", {"near": b"1", "far/below/f": b"2"})
        running.go_on(POLL_S + SETTLED_S)
    assert hub.repo.files == {"incoming/far/below/f": b"2"}


def test_what_is_hinted_at_while_too_much_waits_is_found_in_its_directory_when_there_is_room(tmp_path: Path) -> None:
    hub = FakeHub()
    with _running(_engine(tmp_path, hub, NEVER_S)) as running:
        running.go_on(SETTLED_S)
        fill(tmp_path / "drop", {"near": b"1", "d/hinted": b"2", "d/beside": b"3"})
        for number in range(MOST_WAITING - 1):
            running.hint(Change(f"went{number}", ChangeKind.GONE, running.clock() + SETTLED_S))
        running.turn()
        running.hint(Change("last", ChangeKind.GONE, running.clock() + SETTLED_S))
        running.hint(Change("d/hinted", ChangeKind.CLOSED, running.clock()))
        running.go_on(10 * SETTLED_S)
    assert hub.repo.files == {"incoming/d/hinted": b"2", "incoming/d/beside": b"3"}


class Passing(Clock):
    """A clock on which whatever is done takes its time."""

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


@pytest.mark.parametrize("rescan_s", [0.1, 1.0, 20.0])
def test_however_often_rescans_are_wanted_they_take_no_more_than_a_hundredth_of_the_time(
    tmp_path: Path, rescan_s: float
) -> None:
    engine = _engine(tmp_path, FakeHub(), rescan_s)
    engine.clock = Passing()
    for number in range(20):
        (tmp_path / f"drop/d{number}").mkdir()
    with capture_logs() as logs, _running(engine) as running:
        running.go_on(600.0)
    scans_s = [each["duration_s"] for each in logs if each["event"] == "target.scanned"]
    assert max(scans_s) > 0.1
    assert 3.0 < sum(scans_s[1:]) <= 6.0


class Slow(Filter):
    """A filter that takes its time over every file of a directory that is scanned."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.taken_s = 0.0
        self._clock = clock

    def takes(self, path: str) -> bool:
        self._clock.now += 0.01
        self.taken_s += 0.01
        return super().takes(path)


@pytest.mark.parametrize("poll_s", [0.1, 1.0, 10.0])
def test_polling_what_takes_long_to_scan_takes_no_more_than_a_tenth_of_the_time(tmp_path: Path, poll_s: float) -> None:
    drop, clock = tmp_path / "drop", Clock()
    wanted = Slow(clock)
    fill(drop, {"far/f": b"1", **{f"far/d{number}/f": b"1" for number in range(150)}})
    spec = target_spec(drop, wanted=wanted, rescan_s=NEVER_S, poll_s=poll_s)
    with _running(Engine(tmp_path, [spec], FakeHub(), watch_of=_blind_below, clock=clock)) as running:
        running.go_on(60.0)
        wanted.taken_s = 0.0
        running.go_on(600.0)
    assert 30.0 < wanted.taken_s <= 60.0


@pytest.mark.parametrize("directory", ["", "d"])
def test_a_gap_alone_is_answered_with_a_scan_of_its_directory(directory: str, tmp_path: Path) -> None:
    hub = FakeHub()
    with _running(_engine(tmp_path, hub, NEVER_S)) as running:
        running.go_on(SETTLED_S)
        fill(tmp_path / "drop", {"a": b"1", "d/b": b"2"})
        running.hint(Gap(directory, "events were lost", running.clock()))
        running.go_on(SETTLED_S)
    assert hub.repo.files == ({"incoming/d/b": b"2"} if directory else {"incoming/a": b"1", "incoming/d/b": b"2"})


def test_without_events_and_rescans_nothing_is_published(tmp_path: Path) -> None:
    """The two tests beside this one show something only while this one holds."""
    hub = FakeHub()
    engine = _engine(tmp_path, hub, NEVER_S)
    with _running(engine) as running:
        running.go_on(SETTLED_S)
        for _ in _everything(tmp_path / "drop"):
            running.go_on(3_600.0)
    assert not hub.repo.files


DOWN = Fault(UnreachableError("no answer: connection refused"))
FAILURES: dict[str, Callable[[FakeHub], None]] = {
    "nothing": lambda _: None,
    "stage": lambda hub: hub.fail("stage", DOWN),
    "asking": lambda hub: hub.fail("paths_info", DOWN),
    "refused": lambda hub: hub.fail("commit", Fault(RetryableError("503: Service Unavailable"))),
    "moved": lambda hub: hub.fail("commit", Fault(MovedError("409: Another commit operation is in progress"))),
    "not landed": lambda hub: hub.fail("commit", Fault(AmbiguousError("504: Gateway Time-out"))),
    "answer lost": lambda hub: hub.fail("commit", lost_answer()),
    "landed late": lambda hub: hub.fail("commit", Fault(AmbiguousError("504: Gateway Time-out"), late=True)),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_without_rescans_the_retries_alone_publish_everything(failure: str, tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub, NEVER_S)
    with _running(engine) as running, capture_logs() as logs:
        running.go_on(SETTLED_S)
        for step in _everything(tmp_path / "drop"):
            FAILURES[failure](hub)
            _tell(running, step)
            running.go_on(SETTLED_S)
            hub.land()
            running.go_on(300.0)
            assert hub.repo.files == _on_disk(tmp_path / "drop")
    assert [each["target"] for each in logs if each["event"] == "target.scanned"] == ["drop"]
    assert len({commit.batch_id for commit in hub.repo.commits}) == len(hub.repo.commits)
