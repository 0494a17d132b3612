"""What everybody may read gets only what is meant for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from tests.disk import fill
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path


def engine(tmp_path: Path, *, public: bool) -> Engine:
    fill(tmp_path / "open", {"a": b"1"})
    fill(tmp_path / "closed", {"b": b"2"})
    hub = FakeHub()
    hub.is_public = public
    targets = [
        target_spec(tmp_path / "open", name="open", prefix="open"),
        target_spec(tmp_path / "closed", name="closed", prefix="closed", allow_public=False),
    ]
    return Engine(tmp_path, targets, hub)


def hub_of(engine: Engine) -> FakeHub:
    assert isinstance(engine.hub, FakeHub)
    return engine.hub


def test_a_target_that_is_not_meant_for_it_is_refused_and_the_others_run(tmp_path: Path) -> None:
    done = engine(tmp_path, public=True)
    with capture_logs() as logs:
        assembled = done.sync()
    assert hub_of(done).repo.files == {"open/a": b"1"}
    assert "allow_public = true" in (assembled.worker.failure or "")
    assert [each["target"] for each in logs if each["event"] == "target.refused"] == ["closed"]


def test_a_private_repo_gets_everything_with_the_requests_it_always_took(tmp_path: Path) -> None:
    done = engine(tmp_path, public=False)
    assert done.sync().worker.failure is None
    assert hub_of(done).repo.files == {"open/a": b"1", "closed/b": b"2"}
    assert hub_of(done).calls[:2] == ["check_write", "head"]
    calls = len(hub_of(done).calls)
    done.sync()
    assert hub_of(done).calls[calls:] == ["check_write", "head"]


def test_a_repo_that_is_made_public_gets_no_more_and_one_made_private_does_again(tmp_path: Path) -> None:
    done = engine(tmp_path, public=False)
    hub = hub_of(done)
    with done.running() as running, capture_logs() as logs:
        running.go_on(120.0)
        hub.is_public = True
        fill(tmp_path / "closed", {"c": b"3"})
        fill(tmp_path / "open", {"c": b"4"})
        running.go_on(400.0)  # a rescan finds them
        assert set(hub.repo.files) == {"open/a", "closed/b", "open/c"}
        [_, closed] = running.worker.status.targets
        assert closed.refusal is not None
        assert closed.waiting >= 1
        hub.is_public = False
        running.go_on(120.0)
        assert set(hub.repo.files) == {"open/a", "closed/b", "open/c", "closed/c"}
    events = [each["event"] for each in logs]
    assert events.count("target.refused") == events.count("target.allowed") == 1


def test_what_is_in_hand_when_it_is_made_public_is_not_sent(tmp_path: Path) -> None:
    done = engine(tmp_path, public=False)
    hub = hub_of(done)
    done.per_hour, done.burst = 1.0, 1.0
    with done.running() as running:
        running.go_on(5.0)
        fill(tmp_path / "closed", {"c": b"3"})
        hub.is_public = True
        running.go_on(8_000.0)
    assert "closed/c" not in hub.repo.files
