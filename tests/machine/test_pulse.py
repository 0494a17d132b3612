"""Whether a worker says in time when it will be heard of again: what a watchdog judges it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_watch.threads.pulse import Pulse
from tests.engine import Clock, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hf_watch.model import Batch, Receipt, Staged, Upload


class _Listening(FakeHub):
    """Notes for how long its caller says it may be silent."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.pulse = Pulse(clock)
        self.allowed_s: dict[str, float] = {}

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        self._note("stage")
        return super().stage(uploads)

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        self._note("commit")
        return super().commit(batch, parent)

    def _note(self, call: str) -> None:
        self.allowed_s[call] = self.pulse.latest.back_by - self.clock()


def test_a_thread_is_late_from_the_moment_on_that_it_named() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    assert pulse.late_s() == 0.0
    pulse.beat("reading", 5.0)
    clock.now += 5.0
    assert pulse.late_s() == 0.0
    clock.now += 2.0
    assert pulse.late_s() == 2.0
    pulse.rest()
    clock.now += 1e9
    assert pulse.late_s() == 0.0


def test_a_call_of_the_hub_may_take_long_the_longer_the_more_it_sends(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "a").write_bytes(b"a" * 320_000)
    clock = Clock()
    hub = _Listening(clock)
    engine = Engine(tmp_path, [target_spec(drop)], hub, clock=clock)
    with engine.assembled(single_pass=False) as assembled:
        hub.pulse = assembled.pulse
        while "commit" not in hub.allowed_s:
            assembled.worker.turn()
        assert hub.allowed_s["stage"] >= hub.deadline_s(320_000)
        assert hub.allowed_s["commit"] >= hub.deadline_s(320_000)
        assert assembled.pulse.latest.back_by <= clock(), "after the call it is to be heard of soon"
