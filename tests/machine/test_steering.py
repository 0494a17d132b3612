"""Steering a running worker: pause, retry, flush and the barrier, over real files; and what it says of itself."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import RejectedError, RetryableError, UnauthorizedError
from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.threads.commands import Answer, Barrier, ConfirmDeletes, Flush, Left, Pause, Resume, Retry
from hf_watch.threads.status import TargetState
from hf_watch.worker.opening import PUBLIC_REASON
from tests.disk import fill, numbered, without_privileges
from tests.engine import Engine, Running, target_spec
from tests.fake_hub import FakeHub, Fault

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from hf_watch.errors import HubError
    from hf_watch.threads.commands import Command
    from hf_watch.threads.status import TargetStatus, WorkerStatus


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    drop.mkdir()
    return drop


def _worker_status(running: Running) -> WorkerStatus:
    return running.worker.status


def _status(running: Running) -> TargetStatus:
    [status] = _worker_status(running).targets
    return status


def _fails(hub: FakeHub, verb: str, *errors: HubError) -> None:
    hub.script[verb] = deque(Fault(error) for error in errors)


def _ask(running: Running, command: Command, *, duration_s: float = 2.0) -> Answer:
    future = running.worker._inbox.ask(command)
    running.go_on(duration_s)
    return future.result(0)


def _barrier(running: Running, until: float | None = None) -> Future[Answer]:
    return running.worker._inbox.ask(Barrier(until))


def test_a_paused_target_collects_and_publishes_when_it_is_resumed(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        _ask(running, Pause(0))
        fill(drop, {"a.txt": b"a"})
        running.hint(Change("a.txt", ChangeKind.CLOSED, running.clock()))
        running.go_on(400.0)
        assert not hub.repo.files
        assert _status(running).waiting == 1
        _ask(running, Resume(0))
        assert hub.repo.files == {"incoming/a.txt": b"a"}
        assert _status(running).waiting == 0


def test_a_pause_takes_back_what_was_in_hand(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "commit", RetryableError("busy", 30.0))
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(1.0)
        assert _status(running).in_flight == 1
        _ask(running, Pause(0))
        running.go_on(600.0)
        assert not hub.repo.files
        status = _status(running)
        assert (status.in_flight, status.waiting) == (0, 1)


def test_a_paused_target_does_not_hold_up_its_neighbour_or_a_stop(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    fill(tmp_path / "other", {"b.txt": b"b"})
    other = target_spec(tmp_path / "other", name="other", prefix="other")
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop), other], hub).running() as running:
        _ask(running, Pause(0))
        running.go_on(5.0)
        assert hub.repo.files == {"other/b.txt": b"b"}
        running.worker.stop(running.clock() + 1_000.0)
        running.turn(5)
        assert running.worker._is_through()


def test_retry_takes_a_path_out_of_quarantine_and_publishes_it(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"bad.txt": b"bad", "sub/worse.txt": b"worse"})
    hub = FakeHub()
    _fails(hub, "stage", *[RejectedError("not this one")] * 3)
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(5.0)
        assert not hub.repo.files
        assert _ask(running, Retry(0, "bad.txt")) == Answer(1)
        assert hub.repo.files == {"incoming/bad.txt": b"bad"}
        assert _ask(running, Retry(0, "")) == Answer(1)
        assert hub.repo.files == {"incoming/bad.txt": b"bad", "incoming/sub/worse.txt": b"worse"}


@pytest.mark.parametrize("is_told", [True, False])
def test_a_file_in_quarantine_that_is_deleted_leaves_it(tmp_path: Path, drop: Path, *, is_told: bool) -> None:
    fill(drop, {"bad.txt": b"bad", "worse.txt": b"worse"})
    hub = FakeHub()
    _fails(hub, "stage", *[RejectedError("not this one")] * 3)
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(5.0)
        assert _aside(running) == {"bad.txt", "worse.txt"}
        (drop / "bad.txt").unlink()
        if is_told:
            running.hint(Change("bad.txt", ChangeKind.GONE, running.clock()))
        running.go_on(5.0 if is_told else 400.0)
        assert _aside(running) == {"worse.txt"}


def _aside(running: Running) -> set[str]:
    [target] = running.worker._targets
    return {each.path for each in target._ledger.quarantine.of(target.root)}


def test_retry_asks_the_hub_again_at_once(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "check_write", UnauthorizedError("the token is not valid"))
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(1.0)
        assert _worker_status(running).is_refused
        assert _worker_status(running).reason == "the token is not valid"
        _ask(running, Retry(0, ""))
        assert hub.repo.files == {"incoming/a.txt": b"a"}
        assert not _worker_status(running).is_refused
        assert _worker_status(running).reason is None


def test_flush_publishes_what_waits_to_become_quiet(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop, quiet_s=50.0)], hub).running() as running:
        running.go_on(1.0)
        fill(drop, {"a.txt": b"a", "open.txt": b"half"})
        running.hint(Change("a.txt", ChangeKind.CLOSED, running.clock()))
        running.hint(Change("open.txt", ChangeKind.WRITTEN, running.clock()))
        running.turn()
        assert _ask(running, Flush()) == Answer(1)
        assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_flush_does_not_wait_for_more_files(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub, per_hour=100.0, ages_s=[10.0] * 22)
    with engine.running() as running:
        running.go_on(1.0)
        fill(drop, {"a.txt": b"a"})
        running.hint(Change("a.txt", ChangeKind.CLOSED, running.clock()))
        running.go_on(2.0)
        assert not hub.repo.files, "it is gathered for longer while the budget is low"
        _ask(running, Flush(), duration_s=1.0)
        assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_a_barrier_finds_what_no_event_told_of(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop, quiet_s=50.0)], hub).running() as running:
        running.go_on(1.0)
        fill(drop, {"unseen.txt": b"unseen"})
        passed = _barrier(running)
        running.go_on(2.0)
        assert passed.result(0) == Answer()
        assert hub.repo.files == {"incoming/unseen.txt": b"unseen"}


def test_a_barrier_with_nothing_to_wait_for_takes_no_time(tmp_path: Path, drop: Path) -> None:
    with Engine(tmp_path, [target_spec(drop)], FakeHub()).running() as running:
        running.go_on(1.0)
        asked = running.clock()
        passed = _barrier(running)
        while not passed.done():
            running.turn()
        assert running.clock() - asked < 0.1


def test_a_barrier_waits_for_what_the_hub_refuses(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(1.0)
        fill(drop, {"a.txt": b"a"})
        _fails(hub, "commit", *[RetryableError("busy", 30.0)] * 2)
        passed = _barrier(running)
        running.go_on(20.0)
        assert not passed.done()
        running.hint(Change("a.txt", ChangeKind.CLOSED, running.clock()))  # a newer hint of what is in hand
        running.go_on(100.0)
        assert passed.result(0) == Answer()
        assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_a_barrier_names_what_is_left_when_its_time_is_up(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(1.0)
        fill(drop, {"a.txt": b"a"})
        _fails(hub, "commit", RetryableError("busy", 600.0))
        passed = _barrier(running, running.clock() + 10.0)
        running.go_on(20.0)
        answer = passed.result(0)
    assert [(left.path, left.reason) for left in answer.left] == [("a.txt", "it was not published in time: busy")]
    assert answer.left_count == 1


def test_a_barrier_names_a_file_in_quarantine(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"bad.txt": b"bad"})
    hub = FakeHub()
    _fails(hub, "stage", RejectedError("not this one"))
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(5.0)
        passed = _barrier(running)
        running.go_on(5.0)
        assert [(left.path, left.reason) for left in passed.result(0).left] == [("bad.txt", "not this one")]
        (drop / "bad.txt").unlink()
        passed = _barrier(running)
        running.go_on(5.0)
        assert passed.result(0) == Answer()


def test_a_barrier_names_a_directory_that_cannot_be_read(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"closed/a.txt": b"a"})
    (drop / "closed").chmod(0)
    try:
        with without_privileges(), Engine(tmp_path, [target_spec(drop)], FakeHub()).running() as running:
            passed = _barrier(running)
            running.go_on(5.0)
    finally:
        (drop / "closed").chmod(0o700)
    assert [left.path for left in passed.result(0).left] == ["closed"]


def test_a_barrier_does_not_pass_while_the_root_is_missing(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "commit", RetryableError("busy", 30.0))
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        passed = _barrier(running)
        running.go_on(5.0)
        drop.rename(tmp_path / "aside")
        running.hint(Gap("", "gone", running.clock()))
        running.turn(3)
        assert _status(running).state is TargetState.LOST
        assert not passed.done()
        (tmp_path / "aside").rename(drop)
        fill(drop, {"b.txt": b"b"})
        running.go_on(100.0)
        assert passed.result(0) == Answer()
        assert hub.repo.files == {"incoming/a.txt": b"a", "incoming/b.txt": b"b"}


def test_a_barrier_does_not_wait_for_a_paused_target(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    with Engine(tmp_path, [target_spec(drop)], FakeHub()).running() as running:
        _ask(running, Pause(0))
        answer = _ask(running, Barrier(None))
    assert [left.reason for left in answer.left] == ["the target is paused"]


def _gives_up(running: Running) -> Future[Answer]:
    return running.worker._inbox.ask(Barrier(None, gives_up=True))


def test_a_barrier_that_gives_up_names_what_the_hub_refuses(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "check_write", *[UnauthorizedError("the token is not valid")] * 100)
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        patient, passed = _barrier(running), _gives_up(running)
        running.go_on(2.0)
        assert passed.result(0) == Answer(left=(Left(0, "a.txt", "the token is not valid"),), left_count=1)
        running.go_on(100.0)
        assert not patient.done()


def test_a_barrier_gives_up_only_for_what_is_still_refused(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "check_write", *[UnauthorizedError("the token is old")] * 2)
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(1.0)
        assert _worker_status(running).is_refused
        passed = _gives_up(running)
        running.go_on(2.0)
        assert passed.result(0) == Answer()
        assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_a_barrier_that_gives_up_waits_for_a_hub_that_is_busy(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "commit", *[RetryableError("busy", 30.0)] * 2)
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        passed = _gives_up(running)
        running.go_on(100.0)
        assert passed.result(0) == Answer()


def test_a_barrier_that_gives_up_names_a_missing_root(tmp_path: Path, drop: Path) -> None:
    drop.rmdir()
    with Engine(tmp_path, [target_spec(drop)], FakeHub()).running() as running:
        passed = _gives_up(running)
        running.go_on(10.0)
    assert passed.result(0).left == (Left(0, "", "the watched directory is missing"),)


def test_a_barrier_gives_up_on_no_root_that_was_just_made(tmp_path: Path, drop: Path) -> None:
    drop.rmdir()
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(1.0)
        assert _status(running).state is TargetState.LOST
        fill(drop, {"a.txt": b"a"})
        passed = _gives_up(running)
        running.go_on(5.0)
        assert passed.result(0) == Answer()
        assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_a_barrier_gives_up_on_no_root_that_is_being_replaced(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        running.go_on(5.0)
        drop.rename(tmp_path / "aside")
        passed = _gives_up(running)
        running.hint(Gap("", "gone", running.clock()))
        running.go_on(1.0)
        assert _status(running).state is TargetState.LOST
        fill(drop, {"b.txt": b"b"})
        running.go_on(10.0)
        assert passed.result(0) == Answer()
        assert hub.repo.files == {"incoming/a.txt": b"a", "incoming/b.txt": b"b"}


def test_a_barrier_that_gives_up_names_a_repo_that_everybody_may_read(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    hub.is_public = True
    with Engine(tmp_path, [target_spec(drop, allow_public=False)], hub).running() as running:
        passed = _gives_up(running)
        running.go_on(5.0)
    assert passed.result(0) == Answer(left=(Left(0, "a.txt", PUBLIC_REASON),), left_count=1)


def test_a_barrier_is_answered_when_the_worker_ends(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "commit", *[RetryableError("busy", 600.0)] * 5)
    with Engine(tmp_path, [target_spec(drop)], hub).assembled(single_pass=False) as assembled:
        worker = assembled.worker
        passed = worker._inbox.ask(Barrier(None))
        worker.stop(worker._clock() + 5.0)
        worker.run()
    assert passed.result(0).left_count == 1


def test_a_barrier_whose_asker_left_is_forgotten(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    _fails(hub, "commit", RetryableError("busy", 30.0))
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        passed = _barrier(running)
        running.go_on(5.0)
        assert passed.cancel()
        running.go_on(100.0)
        assert not running.worker._steering._open


class _Told:
    """A watch whose threads are the test."""

    def __init__(self) -> None:
        self.is_running = True

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None: ...

    def is_alive(self) -> bool:
        return self.is_running

    def polled(self) -> tuple[str, ...]:
        return ()

    def shortage(self) -> None:
        return None

    def watched(self) -> int:
        return 1


def test_a_barrier_is_not_passed_before_its_cookie_is_told_of(tmp_path: Path, drop: Path) -> None:
    with Engine(tmp_path, [target_spec(drop)], FakeHub(), watch_of=lambda *_: _Told()).running() as running:
        running.go_on(1.0)
        passed = _barrier(running)
        running.go_on(2.0)
        assert not passed.done()
        assert not os.listdir(drop), "it is gone at once"  # noqa: PTH208  every name
        receiver = running.worker._targets[0]._receiver
        assert receiver is not None
        [cookie] = receiver.cookies
        running.hint(Change(cookie, ChangeKind.GONE, running.clock()))
        running.go_on(1.0)
        assert passed.result(0) == Answer()


def test_a_barrier_outlives_the_watch_that_it_began_with(tmp_path: Path, drop: Path) -> None:
    hub, watch = FakeHub(), _Told()
    with Engine(tmp_path, [target_spec(drop, quiet_s=50.0)], hub, watch_of=lambda *_: watch).running() as running:
        passed = _barrier_behind_a_written_file(running, drop)
        watch.is_running = False
        running.hint(Gap("", "the watch ended", running.clock()))
        while not passed.done():
            running.turn()
        assert hub.repo.files == {"incoming/slow.txt": b"slow"}


def test_a_barrier_waits_for_a_root_that_went_with_what_waited(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop, quiet_s=50.0)], hub).running() as running:
        passed = _barrier_behind_a_written_file(running, drop)
        drop.rename(tmp_path / "aside")
        running.hint(Gap("", "gone", running.clock()))
        running.go_on(60.0)
        assert not passed.done()
        (tmp_path / "aside").rename(drop)
        while not passed.done():
            running.turn()
        assert hub.repo.files == {"incoming/slow.txt": b"slow"}


def _barrier_behind_a_written_file(running: Running, drop: Path) -> Future[Answer]:
    """A barrier that has nothing left to wait for but a file that was not seen to be closed."""
    running.go_on(1.0)
    fill(drop, {"slow.txt": b"slow"})
    running.hint(Change("slow.txt", ChangeKind.WRITTEN, running.clock()))
    passed = _barrier(running)
    running.go_on(8.0)
    [begun] = running.worker._steering._open
    assert begun.passages[0].step.name == "SENT"
    return passed


def test_a_barrier_does_without_a_cookie_that_nobody_tells_of(tmp_path: Path, drop: Path) -> None:
    engine = Engine(tmp_path, [target_spec(drop)], FakeHub(), watch_of=lambda *_: _Told())
    with engine.running() as running:
        running.go_on(1.0)
        fill(drop, {"a.txt": b"a"})
        passed = _barrier(running)
        running.go_on(60.0)
        assert passed.result(0) == Answer()


def test_a_cookie_that_was_left_behind_does_not_make_an_emptied_root_look_filled(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub)
    engine.sync()
    (drop / "a.txt").unlink()
    (drop / ".hf-watch-cookie-0.tmp").touch()
    engine.sync()
    assert hub.repo.files == {"incoming/a.txt": b"a"}


def test_the_status_says_what_is_late_and_since_when(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop, quiet_s=5.0)], hub).running() as running:
        assert _status(running).state is TargetState.STARTING
        running.go_on(1.0)
        assert _status(running).state is TargetState.WATCHING
        assert _status(running).lag_s(running.clock()) == 0.0
        fill(drop, {"a.txt": b"a"})
        hinted = running.clock()
        running.hint(Change("a.txt", ChangeKind.CLOSED, hinted))
        _fails(hub, "commit", *[RetryableError("busy", 30.0)] * 9)
        running.go_on(100.0)
        status = _worker_status(running)
        assert status.reason == "busy"
        assert status.not_before > running.clock()
        assert status.targets[0].in_flight == 1
        assert status.targets[0].oldest == hinted
        assert status.targets[0].lag_s(running.clock()) == pytest.approx(running.clock() - hinted - 5.0)


def test_the_status_counts_what_is_gathered_while_the_hub_is_asked(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"a.txt": b"a", "b.txt": b"b"})
    seen: list[int] = []
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop)], hub).running() as running:
        hub.on_call = lambda method: seen.append(_status(running).in_flight) if method == "stage" else None
        running.go_on(1.0)
    assert seen == [2]


def test_a_barrier_names_the_deletes_that_are_held(tmp_path: Path, drop: Path) -> None:
    fill(drop, numbered(200))
    hub = FakeHub()
    with Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub).running() as running:
        running.go_on(30.0)
        for name in list(numbered(200))[:150]:
            (drop / name).unlink()
        passed = _barrier(running)
        running.turn(3)
        assert not passed.done(), "nothing is decided yet"
        running.go_on(30.0)
        [held] = passed.result(0).held
        assert (held.target, held.deletes, passed.result(0).left) == (0, 150, ())
        assert held.example in numbered(200)
        assert len(hub.repo.files) == 200
        _ask(running, ConfirmDeletes(0), duration_s=30.0)
        assert _ask(running, Barrier(None)) == Answer()
