"""How much goes into a commit, how often one goes, and what it takes."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from hf_watch.errors import AmbiguousError, MovedError
from hf_watch.model import Change, ChangeKind
from hf_watch.rules.plan import Limits
from tests.disk import fill, numbered
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _engine(tmp_path: Path, hub: FakeHub, **changes: object) -> Engine:
    return Engine(tmp_path, [target_spec(tmp_path / "drop", on_delete="mirror")], hub, **changes)  # type: ignore[arg-type]


def test_a_commit_holds_at_most_max_files(tmp_path: Path) -> None:
    fill(tmp_path / "drop", numbered(95))
    hub = FakeHub()
    _engine(tmp_path, hub, limits=Limits(20, 1 << 20)).sync()
    assert [len(commit.added) for commit in hub.repo.commits] == [20, 20, 20, 20, 15]


def test_deletes_count_as_files(tmp_path: Path) -> None:
    files = numbered(30)
    fill(tmp_path / "drop", files)
    hub = FakeHub()
    engine = _engine(tmp_path, hub, limits=Limits(20, 1 << 20))
    engine.sync()
    for name in list(files)[:25]:
        (tmp_path / "drop" / name).unlink()
    fill(tmp_path / "drop", {"new": b""})
    engine.sync()
    assert all(len(commit.added) + len(commit.deleted) <= 20 for commit in hub.repo.commits)
    assert [len(commit.deleted) for commit in hub.repo.commits] == [0, 0, 0, 20, 5], "many wait until no more come"
    assert len(hub.repo.files) == 6


def test_a_commit_holds_at_most_max_bytes_unless_one_file_is_larger(tmp_path: Path) -> None:
    files = {f"{number}": bytes([number]) * 300 for number in range(9)}
    fill(tmp_path / "drop", {**files, "large": b"x" * 2_000})
    hub = FakeHub()
    _engine(tmp_path, hub, limits=Limits(1_000, 1_000)).sync()
    sizes = [[len(content) for content in commit.added.values()] for commit in hub.repo.commits]
    assert sorted(sum(each) for each in sizes) == [900, 900, 900, 2_000]


def test_what_travels_outside_the_commit_does_not_fill_it(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {f"{number}": bytes([number]) * 300 for number in range(20)})
    hub = FakeHub(largest_regular_bytes=100)
    _engine(tmp_path, hub, limits=Limits(1_000, 1_000)).sync()
    assert [len(commit.added) for commit in hub.repo.commits] == [20]


def test_the_budget_of_commits_paces_them_and_a_backlog_makes_them_larger_not_more(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub, per_hour=60.0, burst=5.0)
    (tmp_path / "drop").mkdir()
    with engine.running() as running:
        for number in range(1_200):
            fill(tmp_path / "drop", {f"{number:04}": str(number).encode()})
            running.hint(Change(f"{number:04}", ChangeKind.CLOSED, engine.clock()))
            running.go_on(3.0)
        running.go_on(300.0)
    assert len(hub.repo.files) == 1_200
    assert len(hub.repo.commits) <= 5 + 66  # an hour and six minutes


def test_under_a_backlog_commits_grow_and_when_it_is_worked_off_they_are_as_usual(tmp_path: Path) -> None:
    fill(tmp_path / "drop", numbered(2_000))
    hub = FakeHub()
    engine = _engine(tmp_path, hub, limits=Limits(20, 1 << 20), most_files=200, per_hour=60.0, burst=4.0)
    with engine.running() as running:
        running.go_on(3_600.0)
        assert len(hub.repo.files) == 2_000
        sizes = [len(commit.added) for commit in hub.repo.commits]
        assert sizes[:2] == [20, 20]
        assert sorted(sizes[:6]) == sizes[:6]
        assert max(sizes) == 200
        fill(tmp_path / "drop", {f"later/{name}": content for name, content in numbered(300).items()})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(3_600.0)
    assert len(hub.repo.commits[len(sizes)].added) <= 200
    assert len(hub.repo.files) == 2_300


def test_a_commit_that_was_too_large_or_got_no_answer_makes_the_next_one_smaller(tmp_path: Path) -> None:
    fill(tmp_path / "drop", numbered(800))
    hub = FakeHub()
    hub.fail("commit", Fault(AmbiguousError("504: Gateway Time-out")), Fault(AmbiguousError("504: Gateway Time-out")))
    _engine(tmp_path, hub, limits=Limits(400, 1 << 20)).sync()
    assert [len(commit.added) for commit in hub.repo.commits][:2] == [100, 200]
    assert len(hub.repo.files) == 800


def test_a_refused_commit_draws_nothing_from_the_budget(tmp_path: Path) -> None:
    fill(tmp_path / "drop", numbered(1))
    hub = FakeHub()
    hub.fail("commit", *[Fault(MovedError("409: Another commit operation is in progress"))] * 4)
    engine = _engine(tmp_path, hub, per_hour=1.0, burst=1.0)
    began = engine.clock()
    engine.sync()
    assert len(hub.repo.commits) == 1
    assert engine.clock() - began < 60.0


def test_what_was_committed_before_a_restart_counts(tmp_path: Path) -> None:
    fill(tmp_path / "drop", numbered(1))
    hub = FakeHub()
    engine = _engine(tmp_path, hub, per_hour=60.0, burst=5.0, ages_s=[1.0] * 5)
    began = engine.clock()
    times: list[float] = []
    hub.on_call = lambda verb: times.append(engine.clock()) if verb == "commit" else None
    with capture_logs() as logs:
        engine.sync()
    assert len(times) == 1
    assert 55.0 <= times[0] - began <= 65.0
    deferred = next(each for each in logs if each["event"] == "commit.deferred")
    assert deferred["files"] == 1
    assert deferred["says"] == f"next commit in {deferred['not_before_s']:.0f} s, 1 file waiting"


def test_the_rate_of_bytes_is_kept_and_each_byte_counts_once(tmp_path: Path) -> None:
    regular = {f"small/{number}": bytes([number]) * 1_000 for number in range(50)}
    large = {f"large/{number}": bytes([number]) * 10_000 for number in range(5)}
    fill(tmp_path / "drop", {**regular, **large})
    hub = FakeHub(largest_regular_bytes=2_000)
    engine = _engine(tmp_path, hub, inline_bytes=2_000, limits=Limits(10, 1 << 20), bytes_per_s=1_000.0)
    began = engine.clock()
    engine.sync()
    assert len(hub.repo.files) == 55
    assert 80.0 <= engine.clock() - began <= 110.0


@contextmanager
def _at_most_open(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_files_and_directories_need_few_descriptors(tmp_path: Path) -> None:
    files = {f"{number % 100}/{name}": content for number, (name, content) in enumerate(numbered(3_000).items())}
    large = {f"large/{number}": bytes([number]) * 5_000 for number in range(100)}
    fill(tmp_path / "drop", {**files, **large})
    hub = FakeHub(largest_regular_bytes=1_000)
    with _at_most_open(64):
        assembled = _engine(tmp_path, hub, inline_bytes=1_000).sync()
    assert not assembled.gave_up
    assert hub.repo.files == {f"incoming/{name}": content for name, content in {**files, **large}.items()}
    assert len(hub.repo.commits) <= 5
