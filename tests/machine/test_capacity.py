"""What the Hub would refuse is known before it does, and said in good time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.snapshots.capacity import Capacity
from tests.disk import fill
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path


def engine(tmp_path: Path, path_in_repo: str = "{relpath}", **most: int) -> Engine:
    spec = target_spec(tmp_path / "drop", path_in_repo=path_in_repo, on_delete="mirror")
    return Engine(tmp_path, [spec], FakeHub(), capacity=lambda ledger: Capacity(ledger, **most))


def held(engine: Engine) -> int:
    assert isinstance(engine.hub, FakeHub)
    return len(engine.hub.repo.files)


def numbered(count: int, place: str = "d/{}") -> dict[str, bytes]:
    return {place.format(n): b"%d" % n for n in range(count)}


@pytest.mark.parametrize(("path_in_repo", "place"), [("{relpath}", "d/{}"), ("all/{name}", "{0}/x{0}")])
def test_a_folder_takes_so_many_entries_and_the_rest_is_told_how_to_spread(
    tmp_path: Path, path_in_repo: str, place: str
) -> None:
    done = engine(tmp_path, path_in_repo, most_entries=10)
    fill(tmp_path / "drop", numbered(7, place))
    with capture_logs() as logs:
        assert not done.sync().gave_up
    assert "limit.near" not in {each["event"] for each in logs}
    fill(tmp_path / "drop", numbered(9, place))
    with capture_logs() as logs:
        assert not done.sync().gave_up
    assert [each["event"] for each in logs].count("limit.near") == 1
    fill(tmp_path / "drop", numbered(12, place))
    gave_up = done.sync().gave_up
    assert held(done) == 10
    assert len(gave_up) == 2
    assert all('path_in_repo = "{sha256:.2}/' in reason for reason in gave_up.values())


def test_what_is_there_already_may_change_and_what_goes_makes_room(tmp_path: Path) -> None:
    done = engine(tmp_path, most_entries=10)
    fill(tmp_path / "drop", numbered(10))
    done.sync()
    fill(tmp_path / "drop", {"d/3": b"other"})
    assert not done.sync().gave_up
    (tmp_path / "drop" / "d/4").unlink()
    done.sync()
    fill(tmp_path / "drop", {"d/new": b""})
    assert not done.sync().gave_up
    assert held(done) == 10


def test_a_repo_takes_so_many_files(tmp_path: Path) -> None:
    done = engine(tmp_path, most_files=10)
    fill(tmp_path / "drop", numbered(12, "{0}/{0}"))
    with capture_logs() as logs:
        gave_up = done.sync().gave_up
    assert held(done) == 10
    assert all("use another one" in reason for reason in gave_up.values())
    assert [each["event"] for each in logs].count("limit.near") == 1


def test_a_file_may_be_so_large(tmp_path: Path) -> None:
    done = engine(tmp_path, most_bytes=10)
    fill(tmp_path / "drop", {"fits": b"x" * 10, "large": b"x" * 11})
    assert len(done.sync().gave_up) == 1
    assert held(done) == 1
