"""One look serves all who ask at the same moment, and nobody is told what is over."""

from __future__ import annotations

from hf_watch.control.contract import StatusView
from hf_watch.control.told import SAME_S, Told


class Looks:
    """Counts them: each sees something else."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> StatusView:
        self.count += 1
        return StatusView(
            version="1", pid=self.count, state_dir="", health="healthy", problems=(), max_lag_s=1.0, targets=()
        )


def test_who_asks_at_the_same_moment_is_told_the_same() -> None:
    told, look = Told(), Looks()
    assert [told.again("all", at, look).pid for at in (5.0, 5.0, 5.0 + SAME_S / 2)] == [1, 1, 1]
    assert told.again("all", 5.0 + 2 * SAME_S, look).pid == 2


def test_another_set_of_targets_is_looked_at_at_once() -> None:
    told, look = Told(), Looks()
    assert [told.again(about, 5.0, look).pid for about in ("all", "others", "others")] == [1, 2, 2]


def test_what_was_forgotten_is_looked_at_again() -> None:
    told, look = Told(), Looks()
    told.again("all", 5.0, look)
    told.forget()
    assert told.again("all", 5.0, look).pid == 2
