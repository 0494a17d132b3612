"""A steady stream of files, through an outage and under the Hub's quota: the short form of benchmarks/endurance.py."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import RetryableError, UnreachableError
from hf_watch.model import Batch, Change, ChangeKind, Receipt
from tests.disk import fill
from tests.engine import Engine, Running, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine import Clock

HUB_QUOTA = 128  # commits an hour
PER_HOUR, BURST = 100.0, 25.0  # the defaults


class QuotaHub(FakeHub):
    """Refuses an account for an hour once it has made too many commits within one."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.refused = 0
        self._clock = clock
        self._made: list[float] = []

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        lately = [at for at in self._made if at > self._clock() - 3_600.0]
        if len(lately) >= HUB_QUOTA:
            self.refused += 1
            raise RetryableError("429: You can retry this action in about 1 hour.", retry_after_s=3_600.0)
        self._made = [*lately, self._clock()]
        return super().commit(batch, parent)


def _stream(running: Running, drop: Path, files: int, duration_s: float) -> None:
    """So many files, evenly over some time, each hinted at as the watch does it."""
    first = len(list(drop.iterdir()))
    for number in range(first, first + files):
        fill(drop, {f"{number:04}": str(number).encode()})
        running.hint(Change(f"{number:04}", ChangeKind.CLOSED, running.clock()))
        running.go_on(duration_s / files)


def _engine(tmp_path: Path, hub: FakeHub) -> Engine:
    (tmp_path / "drop").mkdir()
    return Engine(tmp_path, [target_spec(tmp_path / "drop", quiet_s=1.0)], hub, per_hour=PER_HOUR, burst=BURST)


def _commits_by_path(hub: FakeHub) -> Counter[str]:
    return Counter(path for commit in hub.repo.commits for path in commit.added)


@pytest.mark.parametrize("seed", range(5))
def test_after_an_outage_of_60_s_amid_600_files_all_are_published_within_60_s_and_none_twice(
    tmp_path: Path, seed: int
) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub)
    engine.seed = seed
    clock = engine.clock

    def fail(_verb: str) -> None:
        if began <= clock() < began + 60.0:
            raise UnreachableError("no answer: connection refused")

    hub.on_call = fail
    with engine.running() as running:
        began = clock() + 30.0
        _stream(running, tmp_path / "drop", 600, 120.0)  # 30 s before the outage, 30 s after it
        running.go_on(began + 120.0 - clock())
    assert len(hub.repo.files) == 600
    assert set(_commits_by_path(hub).values()) == {1}


def test_a_thousand_files_over_20_s_are_published_within_60_s_and_the_quota_is_never_hit(tmp_path: Path) -> None:
    engine = _engine(tmp_path, FakeHub())
    engine.hub = hub = QuotaHub(engine.clock)
    with engine.running() as running:
        for hundreds in range(1, 4):  # not only with a full budget
            _stream(running, tmp_path / "drop", 1_000, 20.0)
            running.go_on(60.0)
            assert len(hub.repo.files) == hundreds * 1_000
    assert not hub.refused
    assert set(_commits_by_path(hub).values()) == {1}


def test_hours_of_a_file_every_few_seconds_never_hit_the_quota(tmp_path: Path) -> None:
    engine = _engine(tmp_path, FakeHub())
    engine.hub = hub = QuotaHub(engine.clock)
    with engine.running() as running:
        _stream(running, tmp_path / "drop", 500, 7_200.0)
        running.go_on(120.0)
    assert len(hub.repo.files) == 500
    assert not hub.refused
