"""What a worker publishes of the paths that wait or are in flight: soon, and not more often than that."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from hf_watch.errors import RetryableError
from hf_watch.model import Change, ChangeKind
from hf_watch.threads.commands import Pause
from hf_watch.worker.reporting import LISTED_EVERY_S
from tests.disk import fill
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine import Running


def _waits(running: Running) -> list[str]:
    return [each.path for each in running.worker.status.targets[0].waits]


def _flies(running: Running) -> list[str]:
    return [each.path for each in running.worker.status.targets[0].flies]


def test_what_waits_is_listed_a_second_later_though_nothing_else_happens(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"first": b"1"})
    with Engine(tmp_path, [target_spec(tmp_path / "drop")], FakeHub()).running() as running:
        running.worker._inbox.ask(Pause(0))
        running.go_on(2 * LISTED_EVERY_S)
        assert _waits(running) == ["first"]
        fill(tmp_path / "drop", {"second": b"2"})
        running.hint(Change("second", ChangeKind.CLOSED, running.clock()))
        running.go_on(2 * LISTED_EVERY_S)
        assert _waits(running) == ["first", "second"]


def test_a_storm_does_not_list_it_at_every_turn_and_an_idle_worker_not_again(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1"})
    with Engine(tmp_path, [target_spec(tmp_path / "drop")], FakeHub()).running() as running:
        running.worker._inbox.ask(Pause(0))
        running.go_on(2 * LISTED_EVERY_S)
        listing = running.worker.status.targets[0].waits
        running.go_on(20.0)
        assert running.worker.status.targets[0].waits is listing
        running.hint(Change("a", ChangeKind.WRITTEN, running.clock()))
        running.turn()
        first = running.worker.status.targets[0].waits
        assert first is not listing
        for _ in range(5):
            running.hint(Change("a", ChangeKind.WRITTEN, running.clock()))
            running.turn()
            assert running.worker.status.targets[0].waits is first


def test_what_was_refused_for_now_is_in_flight_and_then_gone(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1"})
    hub = FakeHub()
    hub.script["commit"] = deque([Fault(RetryableError("busy", 30.0))])
    with Engine(tmp_path, [target_spec(tmp_path / "drop")], hub).running() as running:
        running.go_on(5.0)
        assert (_waits(running), _flies(running)) == ([], ["a"])
        running.go_on(60.0)
        assert (_waits(running), _flies(running)) == ([], [])


def test_what_is_in_flight_is_listed_while_the_hub_is_called(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1", "d/b": b"2"})
    hub = FakeHub()
    seen: dict[str, list[str]] = {}
    with Engine(tmp_path, [target_spec(tmp_path / "drop")], hub).running() as running:

        def look(verb: str) -> None:
            seen[verb] = _flies(running)

        hub.on_call = look
        running.go_on(5.0)
    assert seen["stage"] == seen["commit"] == ["a", "d/b"]
