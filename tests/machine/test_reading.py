"""Files that are being written, that change under the reader, or that may not be read."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.ledger.ledger import Ledger
from tests.disk import fill, without_privileges
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hf_watch.model import Known, Staged, Upload


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    fill(tmp_path / "drop", {"a": b"a"})
    return tmp_path / "drop"


def _events(logs: Sequence[object], event: str) -> list[object]:
    return [each for each in logs if isinstance(each, dict) and each["event"] == event]


def test_a_file_held_open_for_writing_is_not_published_until_it_is_closed_and_named_once(
    tmp_path: Path, drop: Path
) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    with capture_logs() as logs, engine.running() as running:
        with (drop / "log").open("wb", buffering=0) as writer:
            writer.write(b"half")
            running.go_on(1_000.0)
            assert hub.repo.files == {"incoming/a": b"a"}
            writer.write(b" and half")
        running.go_on(60.0)
    assert hub.repo.files == {"incoming/a": b"a", "incoming/log": b"half and half"}
    assert len(_events(logs, "path.busy")) == 1


def test_a_single_pass_names_the_file_that_is_being_written_and_publishes_the_others(
    tmp_path: Path, drop: Path
) -> None:
    hub = FakeHub()
    with (drop / "log").open("wb"):
        assembled = Engine(tmp_path, [target_spec(drop)], hub).sync()
    assert hub.repo.files == {"incoming/a": b"a"}
    assert assembled.gave_up == {str(drop / "log"): "open for writing"}


def test_publish_open_publishes_it_after_max_wait(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, publish_open=True, max_wait_s=60.0)], hub)
    with engine.running() as running, (drop / "log").open("wb", buffering=0) as writer:
        writer.write(b"line\n")
        running.go_on(50.0)
        assert "incoming/log" not in hub.repo.files
        running.go_on(60.0)
    assert hub.repo.files["incoming/log"] == b"line\n"


class Meddled(FakeHub):
    """Something happens to the disk once, while files are staged: before their content is sent, or after."""

    def __init__(self, meddle: Callable[[], object], *, after: bool) -> None:
        super().__init__(largest_regular_bytes=1_000)
        self._meddles = [meddle]
        self._after = after

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        if not self._after:
            self._meddle()
        staged = super().stage(uploads)
        self._meddle()
        return staged

    def _meddle(self) -> None:
        if self._meddles:
            self._meddles.pop()()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("size_bytes", [100, 5_000])
def test_a_file_that_changes_while_it_is_staged_is_never_committed_torn(
    tmp_path: Path, drop: Path, size_bytes: int, *, after: bool
) -> None:
    old, new = b"o" * size_bytes, b"n" * size_bytes

    def overwrite_half() -> None:
        with (drop / "x").open("r+b") as file:
            file.write(new[: size_bytes // 2])

    fill(drop, {"x": old})
    hub = Meddled(overwrite_half, after=after)
    engine = Engine(tmp_path, [target_spec(drop)], hub, inline_bytes=1_000)
    engine.sync()
    engine.sync()
    final = new[: size_bytes // 2] + old[size_bytes // 2 :]
    assert {commit.added.get("incoming/x") for commit in hub.repo.commits} <= {None, old, final}
    assert hub.repo.files == {"incoming/a": b"a", "incoming/x": final}


def test_a_large_file_that_is_half_written_while_it_is_sent_is_never_committed_so(tmp_path: Path, drop: Path) -> None:
    old, new = b"o" * 5_000, b"n" * 5_000
    half = new[:2_500] + old[2_500:]
    fill(drop, {"x": old})
    writer = (drop / "x").open("r+b", buffering=0)

    class HalfWritten(FakeHub):
        def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
            if not writer.closed:
                writer.write(new[:2_500])
            staged = super().stage(uploads)
            if not writer.closed:
                writer.write(new[2_500:])
                writer.close()
            return staged

    hub = HalfWritten(largest_regular_bytes=1_000)
    engine = Engine(tmp_path, [target_spec(drop, publish_open=True, max_wait_s=0.0)], hub, inline_bytes=1_000)
    engine.sync()
    assert hub.repo.files == {"incoming/a": b"a", "incoming/x": new}
    assert half not in [commit.added.get("incoming/x") for commit in hub.repo.commits]


@pytest.mark.parametrize("size_bytes", [100, 5_000])
def test_a_file_that_another_one_replaces_while_it_is_staged_ends_as_the_other_one(
    tmp_path: Path, drop: Path, size_bytes: int
) -> None:
    fill(drop, {"x": b"o" * size_bytes})
    fill(tmp_path, {"new": b"n" * size_bytes})
    hub = Meddled(lambda: (tmp_path / "new").rename(drop / "x"), after=False)
    engine = Engine(tmp_path, [target_spec(drop)], hub, inline_bytes=1_000)
    engine.sync()
    engine.sync()
    assert hub.repo.files["incoming/x"] == b"n" * size_bytes
    assert {commit.added["incoming/x"][:1] for commit in hub.repo.commits if "incoming/x" in commit.added} <= {
        b"o",
        b"n",
    }


@pytest.mark.parametrize("size_bytes", [100, 5_000])
def test_a_tree_that_goes_while_it_is_staged_is_no_failure(tmp_path: Path, drop: Path, size_bytes: int) -> None:
    fill(drop, {f"d/{number}": bytes([number]) * size_bytes for number in range(9)})
    hub = Meddled(lambda: shutil.rmtree(drop / "d"), after=False)
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub, inline_bytes=1_000)
    engine.sync()
    engine.sync()
    assert hub.repo.files == {"incoming/a": b"a"}


def test_a_file_that_may_not_be_read_stops_nobody_and_is_published_when_it_may(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"secret": b"s"})
    (drop / "secret").chmod(0)
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    with capture_logs() as logs, engine.running() as running:
        with without_privileges():
            running.go_on(300.0)
        assert hub.repo.files == {"incoming/a": b"a"}
        (drop / "secret").chmod(0o600)
        running.go_on(120.0)
    assert hub.repo.files == {"incoming/a": b"a", "incoming/secret": b"s"}
    assert len(_events(logs, "path.unreadable")) == 1


def test_a_published_file_that_may_not_be_read_any_more_is_not_deleted(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"secret": b"s"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub)
    engine.sync()
    (drop / "secret").chmod(0)
    (drop / "secret").touch()
    with without_privileges():
        assembled = engine.sync()
    assert list(assembled.gave_up) == [str(drop / "secret")]
    assert hub.repo.files == {"incoming/a": b"a", "incoming/secret": b"s"}


def test_a_directory_that_may_not_be_listed_is_named_once_and_stops_nobody(tmp_path: Path, drop: Path) -> None:
    fill(drop, {"closed/x": b"x"})
    (drop / "closed").chmod(0)
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    with capture_logs() as logs, engine.running() as running:
        with without_privileges():
            running.go_on(1_000.0)
        (drop / "closed").chmod(0o755)
        running.go_on(400.0)
    assert hub.repo.files == {"incoming/a": b"a", "incoming/closed/x": b"x"}
    assert len(_events(logs, "directory.unreadable")) == 1


def _known(engine: Engine, drop: Path, path: str) -> Known | None:
    with Ledger(engine.state_dir / "ledger.sqlite3") as ledger:
        return ledger.files.known(ledger.roots.of(DESTINATION, str(drop), "incoming"), path)


def test_a_file_stamped_within_a_tick_of_its_snapshot_is_read_again_without_the_hub(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub, per_hour=1.0, burst=1.0)
    stamped_ns = (drop / "a").stat().st_ctime_ns
    engine.wall_clock_ns = lambda: stamped_ns
    with engine.running() as running:
        while not hub.repo.commits:
            running.turn()
        known = _known(engine, drop, "a")
        assert known is not None
        assert known.fingerprint is None, "it cannot vouch for the content yet"
        engine.wall_clock_ns = lambda: stamped_ns + (1 << 30)
        running.worker._recorder.second_look._wall_clock_ns = engine.wall_clock_ns
        asked = len(hub.calls)
        running.go_on(5.0)
        known = _known(engine, drop, "a")
        assert known is not None
        assert known.fingerprint is not None
        assert len(hub.calls) == asked
    with engine.assembled() as assembled:
        began = engine.clock()
        assembled.worker.run()
        assert engine.clock() - began < 10.0, "nothing waits for a budget that it does not need"


def test_a_file_that_changed_within_the_tick_is_published_anew(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub)
    stamped_ns = (drop / "a").stat().st_ctime_ns
    engine.wall_clock_ns = lambda: stamped_ns
    with engine.running() as running:
        while not hub.repo.commits:
            running.turn()
        (drop / "a").write_bytes(b"b")
        running.go_on(60.0)
    assert hub.repo.files == {"incoming/a": b"b"}
