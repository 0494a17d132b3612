"""When the branch is not as it was left: what others changed or deleted there is published anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import RetryableError
from hf_watch.ledger.ledger import Ledger
from hf_watch.worker.opening import COMPARE_AGAIN_S
from tests.disk import fill
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hf_watch.model import RemoteFile

PUBLISHED = {"incoming/a": b"a", "incoming/b": b"b", "incoming/d/c": b"c" * 5_000}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    fill(tmp_path / "drop", {path.removeprefix("incoming/"): content for path, content in PUBLISHED.items()})
    hub = FakeHub(largest_regular_bytes=1_000)
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop")], hub, inline_bytes=1_000)
    engine.sync()
    return engine


def _hub(engine: Engine) -> FakeHub:
    assert isinstance(engine.hub, FakeHub)
    return engine.hub


def test_what_somebody_deleted_or_changed_on_the_hub_is_published_anew(engine: Engine) -> None:
    hub = _hub(engine)
    hub.repo.apply("", "theirs", {"incoming/b": b"edited", "incoming/new": b"theirs"}, ["incoming/a", "incoming/d/c"])
    engine.sync()
    assert hub.repo.files == {**PUBLISHED, "incoming/new": b"theirs"}
    assert set(hub.repo.commits[-1].added) == set(PUBLISHED)


def test_a_head_that_moved_elsewhere_is_compared_once_and_uploads_nothing(engine: Engine) -> None:
    hub = _hub(engine)
    hub.repo.apply("", "theirs", {"elsewhere": b"theirs"}, [])
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head", "tree"]
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head"]


def test_a_comparison_that_failed_is_made_again(engine: Engine) -> None:
    hub = _hub(engine)
    hub.repo.apply("", "theirs", {}, ["incoming/a"])
    hub.fail("tree", *[Fault(RetryableError("503: Service Unavailable"))] * 6)
    assert engine.sync().worker.failure is not None
    engine.sync()
    assert hub.repo.files == PUBLISHED


def test_what_somebody_changed_is_seen_before_our_next_commit_would_hide_it(engine: Engine, tmp_path: Path) -> None:
    hub = _hub(engine)
    with engine.running() as running:
        running.go_on(5.0)
        hub.repo.apply("", "theirs", {"incoming/b": b"edited"}, ["incoming/a"])
        fill(tmp_path / "drop", {"more": b"more"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(60.0)
    assert hub.repo.files == {**PUBLISHED, "incoming/more": b"more"}


def test_what_somebody_committed_a_moment_before_our_commit_is_not_hidden_by_it(engine: Engine, tmp_path: Path) -> None:
    hub = _hub(engine)

    def commit_before(verb: str) -> None:
        if verb == "commit" and len(hub.repo.commits) == 1:
            hub.repo.apply("", "theirs", {"incoming/b": b"edited"}, ["incoming/a"])

    hub.on_call = commit_before
    fill(tmp_path / "drop", {"more": b"more"})
    engine.sync()
    engine.sync()
    assert hub.repo.files == {**PUBLISHED, "incoming/more": b"more"}


@pytest.mark.parametrize("is_restarted", [False, True])
def test_others_are_looked_for_later_where_that_was_not_possible_after_a_commit(
    engine: Engine, tmp_path: Path, *, is_restarted: bool
) -> None:
    hub = _hub(engine)
    hub.calls.clear()
    hub.fail("recent", *[Fault(RetryableError("503: Service Unavailable"))] * 2)

    def commit_before(verb: str) -> None:
        if verb == "commit" and len(hub.repo.commits) == 1:
            hub.repo.apply("", "theirs", {}, ["incoming/a"])

    hub.on_call = commit_before
    fill(tmp_path / "drop", {"more": b"more"})
    with engine.running() as running:
        while "recent" not in hub.calls:
            running.turn()
        if not is_restarted:
            running.go_on(60.0)
    if is_restarted:
        hub.script.clear()
        with engine.running() as running:
            running.go_on(60.0)
    assert hub.repo.files == {**PUBLISHED, "incoming/more": b"more"}


def test_a_kill_right_after_a_commit_costs_one_question_and_no_comparison(engine: Engine, tmp_path: Path) -> None:
    hub = _hub(engine)
    hub.calls.clear()
    hub.fail("recent", Fault(RetryableError("503: Service Unavailable")))
    fill(tmp_path / "drop", {"more": b"more"})
    with engine.running() as running:
        while "recent" not in hub.calls:
            running.turn()
    for calls in (["check_write", "head", "recent"], ["check_write", "head"]):
        hub.calls.clear()
        engine.sync()
        assert hub.calls == calls


def test_where_others_commit_all_the_time_they_are_compared_once_an_hour_and_at_the_next_start(
    engine: Engine, tmp_path: Path
) -> None:
    hub = _hub(engine)

    def changed_under_our_commit(number: int) -> dict[str, bytes]:
        hub.calls.clear()
        hub.repo.apply("", "theirs", {"incoming/b": b"%d" % number}, [])
        fill(tmp_path / "drop", {f"more{number}": b"more"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(60.0)
        assert f"incoming/more{number}" in hub.repo.files
        return hub.repo.files

    with engine.running() as running:
        running.go_on(5.0)
        assert changed_under_our_commit(1)["incoming/b"] == b"b"
        assert hub.calls.count("tree") == 1
        assert changed_under_our_commit(2)["incoming/b"] == b"2"
        assert "tree" not in hub.calls
        running.go_on(COMPARE_AGAIN_S)
        assert changed_under_our_commit(3)["incoming/b"] == b"b"
        assert changed_under_our_commit(4)["incoming/b"] == b"4"
    engine.sync()
    assert hub.repo.files["incoming/b"] == b"b"


def test_verify_compares_even_when_the_head_is_the_one_last_made(engine: Engine) -> None:
    hub = _hub(engine)
    del hub.repo.files["incoming/a"]  # as a rewritten history would
    engine.sync()
    assert "incoming/a" not in hub.repo.files
    engine.verify = True
    engine.sync()
    assert hub.repo.files == PUBLISHED


def test_a_comparison_keeps_no_other_destination_waiting(engine: Engine, tmp_path: Path) -> None:
    hub = _hub(engine)
    file = tmp_path / "ledger.sqlite3"
    with Ledger(file) as ledger, Ledger(file, lock_timeout_s=0.0) as other:
        root = ledger.roots.of(DESTINATION, str(tmp_path / "drop"), "incoming")

        def slow_pages() -> Iterator[RemoteFile]:
            for file in hub.tree("incoming"):
                other.roots.see_head(root, "written meanwhile")
                yield file

        assert ledger.comparison.doubt_unlike(root, slow_pages()) == 0
