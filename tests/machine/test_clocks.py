"""Clocks that jump and files of all ages: nothing stalls, nothing storms."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.ledger.ledger import Ledger
from hf_watch.rules.plan import Limits
from tests.disk import fill, numbered
from tests.engine import Clock, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S


class WallClock:
    """The time of day, set by the test."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s

    def ns(self) -> int:
        return time.time_ns() + int(self.ahead_s * 1e9)


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    drop.mkdir()
    return drop


@pytest.mark.parametrize("jump_s", [-DAY_S, DAY_S])
def test_a_wall_clock_that_jumps_neither_stalls_nor_storms(tmp_path: Path, drop: Path, jump_s: float) -> None:
    wall = WallClock()
    hub = FakeHub()
    engine = Engine(
        tmp_path, [target_spec(drop)], hub, per_hour=100.0, wall_clock_ns=wall.ns,
        ledger_of=lambda file: Ledger(file, wall_clock=wall),
    )  # fmt: skip
    fill(drop, {"before": b"before", "kept": b"kept"})
    with engine.running() as running:
        running.go_on(60.0)
        wall.ahead_s = jump_s
        fill(drop, {"before": b"after", "new": b"new"})
        began = engine.clock()
        running.go_on(400.0)
        assert hub.repo.files == {"incoming/before": b"after", "incoming/kept": b"kept", "incoming/new": b"new"}
        requests = len(hub.calls)
        running.go_on(3_600.0)
    assert len(hub.repo.commits) == 2
    assert len(hub.calls) == requests
    assert engine.clock() - began >= 4_000.0


def _restarted(tmp_path: Path, drop: Path, wall: WallClock, clock: Clock) -> Engine:
    """As app.py starts it: with the commits of the last hour counted in."""
    with Ledger(tmp_path / "ledger.sqlite3", wall_clock=wall) as ledger:
        made = ledger.batches.commits_since("http://hub.example", wall() - 3_600.0)
    return Engine(
        tmp_path, [target_spec(drop)], FakeHub(), per_hour=100.0, ages_s=[wall() - at_s for at_s in made], clock=clock,
        wall_clock_ns=wall.ns, ledger_of=lambda file: Ledger(file, wall_clock=wall),
    )  # fmt: skip


@pytest.mark.parametrize("jump_s", [-DAY_S, -60.0, DAY_S])
def test_commits_dated_in_the_future_delay_a_restart_by_no_more_than_an_empty_budget(
    tmp_path: Path, drop: Path, jump_s: float
) -> None:
    wall, clock = WallClock(), Clock()
    hub = FakeHub()
    fill(drop, numbered(200))
    Engine(
        tmp_path, [target_spec(drop)], hub, limits=Limits(1, 1 << 20), clock=clock,
        ledger_of=lambda file: Ledger(file, wall_clock=wall),
    ).sync()  # fmt: skip
    assert len(hub.repo.commits) == 200
    wall.ahead_s = jump_s
    again = _restarted(tmp_path, drop, wall, clock)
    again.hub = hub
    fill(drop, {"new": b"new"})
    began = clock()
    again.sync()
    assert hub.repo.files["incoming/new"] == b"new"
    assert clock() - began <= 2 * 36.0


@pytest.mark.parametrize("jump_s", [-80 * YEAR_S, -DAY_S, DAY_S, 80 * YEAR_S])
def test_what_is_set_aside_is_tried_again_within_a_day_whatever_the_clock_says(
    tmp_path: Path, drop: Path, jump_s: float
) -> None:
    wall, bad = WallClock(), [True]
    hub = FakeHub(bad=lambda _: bad[0])
    fill(drop, {"a": b"a"})
    engine = Engine(tmp_path, [target_spec(drop)], hub, ledger_of=lambda file: Ledger(file, wall_clock=wall))
    with engine.running() as running:
        running.go_on(400.0)
        requests = hub.calls.count("commit")
        wall.ahead_s = jump_s
        running.go_on(4_000.0)
        assert hub.calls.count("commit") <= requests + 1, "tried once more, not again and again"
        bad[0] = False
        wall.ahead_s += DAY_S
        running.go_on(4_000.0)
    assert hub.repo.files == {"incoming/a": b"a"}


@pytest.mark.parametrize("hours", [1, 24, 24 * 30])
def test_a_monotonic_clock_that_leaps_ahead_makes_one_scan_and_no_commit(
    tmp_path: Path, drop: Path, hours: int
) -> None:
    fill(drop, numbered(50))
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub, per_hour=100.0)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(30.0)
        before = len([each for each in logs if each["event"] == "target.scanned"])
        commits, requests = len(hub.repo.commits), len(hub.calls)
        engine.clock.now += hours * 3_600.0  # the machine slept, and its clock did not
        running.go_on(100.0)
        assert len([each for each in logs if each["event"] == "target.scanned"]) - before == 1
    assert (len(hub.repo.commits), len(hub.calls)) == (commits, requests)
    assert len(hub.repo.files) == 50


DATES_S = (-1.0, 0.0, 1.0, 130 * YEAR_S, 250 * YEAR_S, 476 * YEAR_S)  # 1969, 1970, 2100, 2220 and, on ext4, 2446


def test_files_of_every_age_are_published_once(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    for number, at_s in enumerate(DATES_S):
        (drop / str(number)).write_bytes(str(number).encode())
        os.utime(drop / str(number), (at_s, at_s))
    with engine.running() as running:
        running.go_on(1_000.0)
        assert len(hub.repo.files) == len(DATES_S)
        requests = len(hub.calls)
        running.go_on(1_000.0)
        assert len(hub.calls) == requests
        assert len(hub.repo.commits) == 1
        (drop / "0").write_bytes(b"other")
        os.utime(drop / "0", (DATES_S[0], DATES_S[0]))  # as old as it was
        running.go_on(1_000.0)
    assert hub.repo.files["incoming/0"] == b"other"
    engine.sync()
    assert len(hub.repo.commits) == 2
