"""The ledger under fire: no room, no right, no file, no ledger in it. Nothing is committed that was not intended."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Self

import pytest
from structlog.testing import capture_logs

from hf_watch.errors import LedgerError
from hf_watch.ledger.batches import Batches
from hf_watch.ledger.ledger import Ledger
from tests.disk import fill, numbered, without_privileges
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NAME = "ledger.sqlite3"


class Unopened(Ledger):
    """As a worker gets it."""

    def __enter__(self) -> Self:
        return self


def _engine(tmp_path: Path, hub: FakeHub, **changes: object) -> Engine:
    (tmp_path / "drop").mkdir(exist_ok=True)
    return Engine(tmp_path, [target_spec(tmp_path / "drop", rescan_s=1e6)], hub, **changes)  # type: ignore[arg-type]


def _published(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"incoming/{name}": content for name, content in files.items()}


@contextmanager
def _no_room(most_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: SQLite finds its disk full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_commits_says_so_and_is_waited_for(tmp_path: Path) -> None:
    files = numbered(50)
    hub = FakeHub()
    engine = _engine(tmp_path, hub)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(5.0)
        fill(tmp_path / "drop", files)
        with _no_room(1_000):
            running.worker._targets[0].rescan(engine.clock())
            running.go_on(600.0)
            assert "commit" not in hub.calls
            staged = hub.calls.count("stage")
            assert 1 <= staged <= 20
            reason = running.worker.status.reason
            assert reason is not None
            assert NAME in reason
        running.go_on(120.0)
    assert hub.repo.files == _published(files)
    assert len(hub.repo.commits) == 1
    assert [each["event"] for each in logs if each["event"].startswith("ledger.")] == [
        "ledger.failed", "ledger.recovered",
    ]  # fmt: skip


def test_a_full_disk_fails_a_single_pass(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub)
    fill(tmp_path / "drop", numbered(3))
    with engine.assembled() as assembled, _no_room(1_000):
        assembled.worker.run()
    assert assembled.worker.failure is not None
    assert "commit" not in hub.calls


def test_a_ledger_that_cannot_be_opened_at_the_start_is_waited_for(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub, ledger_of=Unopened)
    fill(tmp_path / "drop", {"a": b"a"})
    state_dir = engine.state_dir = tmp_path / "state"
    with capture_logs() as logs:
        assert engine.sync().worker.failure is not None
        assert not hub.calls
        state_dir.mkdir()
        assert engine.sync().worker.failure is None
    assert hub.repo.files == {"incoming/a": b"a"}
    assert [each["event"] for each in logs if each["event"].startswith("ledger.")] == ["ledger.failed"]


def test_a_ledger_that_may_only_be_read_stops_commits_until_it_may_be_written(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub)
    engine.state_dir = tmp_path / "state"
    engine.state_dir.mkdir()
    engine.sync()
    fill(tmp_path / "drop", {"a": b"a"})
    hub.calls.clear()
    file = engine.state_dir / NAME
    engine.ledger_of = Unopened
    with without_privileges():
        file.chmod(0o400)
        engine.state_dir.chmod(0o500)
        failure = engine.sync().worker.failure
        engine.state_dir.chmod(0o700)
        file.chmod(0o600)
    assert failure is not None
    assert not hub.calls
    assert engine.sync().worker.failure is None
    assert hub.repo.files == {"incoming/a": b"a"}


class FullWhenAnswered(Ledger):
    """Finds no room when it is to write down the first answer."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        rooms = iter([_no_room(1_000)])

        class Answered(Batches):
            def recorded(self, batch_id: str, commit: str | None) -> None:
                with next(rooms, nullcontext()):
                    super().recorded(batch_id, commit)

        self.batches = Answered(self._connection, time.time)


def test_an_answer_that_cannot_be_written_down_is_not_lost(tmp_path: Path) -> None:
    """The commit is made; what says so finds no room: the paths stay in doubt, and no second commit is made."""
    files = numbered(5)
    fill(tmp_path / "drop", files)
    hub = FakeHub()
    engine = _engine(tmp_path, hub, ledger_of=FullWhenAnswered)
    with engine.running() as running:
        running.go_on(10.0)
        assert hub.repo.files == _published(files)
        running.go_on(600.0)
        assert running.worker.left() == 0
        assert hub.calls.count("commit") == 1
        made = hub.repo.head
        fill(tmp_path / "drop", {"next": b"next"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(60.0)
        with Ledger(tmp_path / NAME) as ledger:
            root = ledger.roots.of(DESTINATION, str(tmp_path / "drop"), "incoming")
            assert not ledger.batches.unanswered(root), "it was looked up, as after a restart"
            assert ledger.batches.made(made)
    engine.ledger_of = Ledger
    engine.sync()
    assert hub.calls.count("commit") == 2


def test_what_was_in_hand_when_the_ledger_failed_goes_as_it_is_on_disk_by_then(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"README.md": b"old", "a": b"old"})  # two commits, the second in hand when the first fails
    hub = FakeHub()
    engine = _engine(tmp_path, hub, ledger_of=FullWhenAnswered)
    engine.targets = [target_spec(tmp_path / "drop", prefix="")]
    with engine.running() as running:
        while not hub.repo.commits:
            running.turn()
        [(first, _)] = hub.repo.commits[0].added.items()
        files = {"README.md": b"new", "a": b"new"}
        fill(tmp_path / "drop", files)
        running.go_on(60.0)
    assert hub.repo.files == files
    contents = [content for commit in hub.repo.commits for path, content in commit.added.items() if path != first]
    assert contents == [b"new"]


def test_a_ledger_that_is_locked_for_too_long_is_waited_for(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, hub, ledger_of=partial(Ledger, lock_timeout_s=0.0))
    engine.sync()
    files = numbered(3)
    fill(tmp_path / "drop", files)
    with engine.running() as running, closing(sqlite3.connect(tmp_path / NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        running.turn(5)
        assert not hub.repo.files
        other.execute("ROLLBACK")
        running.go_on(120.0)
    assert hub.repo.files == _published(files)


@pytest.mark.parametrize("large", [False, True])
def test_a_corrupt_ledger_is_set_aside_and_found_out_anew_without_an_upload(tmp_path: Path, large: bool) -> None:
    files = {"large": os.urandom(11 << 20)} if large else numbered(60)
    fill(tmp_path / "drop", files)
    hub = FakeHub()
    engine = _engine(tmp_path, hub, inline_bytes=1 << 20)
    engine.sync()
    (tmp_path / NAME).write_bytes(b"this is no ledger" * 1_000)
    hub.calls.clear()
    with capture_logs() as logs:
        engine.sync()
    assert not {"stage", "commit"} & set(hub.calls)
    assert [each["event"] for each in logs if "ledger" in each["event"]] == ["ledger.set_aside"]
    assert len(list(tmp_path.glob(f"{NAME}.corrupt-*"))) == 1
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head"]


def test_a_ledger_that_becomes_corrupt_while_it_is_used_is_set_aside(tmp_path: Path) -> None:
    files = numbered(60)
    fill(tmp_path / "drop", files)
    hub = FakeHub()
    engine = _engine(tmp_path, hub)
    engine.sync()
    with capture_logs() as logs, engine.running() as running:
        running.go_on(10.0)
        with (tmp_path / NAME).open("r+b") as file:
            size = file.seek(0, 2)
            assert size > 8 * 4096
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        fill(tmp_path / "drop", {"new": b"new"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(200.0)
    assert hub.repo.files == _published({**files, "new": b"new"})
    assert "ledger.set_aside" in [each["event"] for each in logs]
    assert len(hub.repo.commits) == 2


def test_a_state_directory_that_is_emptied_costs_time_and_nothing_else(tmp_path: Path) -> None:
    files = numbered(60)
    fill(tmp_path / "drop", files)
    hub = FakeHub()
    engine = _engine(tmp_path, hub)
    with engine.running() as running:
        running.go_on(10.0)
        for file in tmp_path.glob(f"{NAME}*"):
            file.unlink()
        fill(tmp_path / "drop", {"new": b"new"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(120.0)
    assert hub.repo.files == _published({**files, "new": b"new"})
    assert len(hub.repo.commits) == 2
    with Ledger(tmp_path / NAME) as ledger:
        assert ledger.files.count(ledger.roots.of(DESTINATION, str(tmp_path / "drop"), "incoming")) == 61


def test_two_connections_that_find_it_corrupt_set_it_aside_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / NAME) as one, Ledger(tmp_path / NAME) as other:
        one.roots.of(DESTINATION, "x", "")
        one._connection._is_corrupt = other._connection._is_corrupt = True
        one.reopen()
        root = one.roots.of(DESTINATION, "x", "")
        one.roots.see_head(root, "head")
        with pytest.raises(LedgerError):
            other.roots.see_head(root, "lost")
        other.reopen()
        assert other.roots.head(root) == "head"
    assert len([each for each in tmp_path.iterdir() if "corrupt" in each.name and each.name.endswith("Z")]) <= 1
