"""What the Hub answers, or does not, and what is done about it."""

from __future__ import annotations

import itertools
import math
import os
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.errors import (
    AmbiguousError,
    MissingContentError,
    MovedError,
    RejectedError,
    RetryableError,
    SourceError,
    TooLargeError,
    UnauthorizedError,
    UnreachableError,
)
from hf_watch.ledger.ledger import Ledger
from hf_watch.logs.repeats import TOLD_FIRST
from hf_watch.model import Created
from hf_watch.pacing.pacing import HUB_ASKED
from hf_watch.rules.filters import Filter
from hf_watch.threads.commands import Retry
from tests.disk import fill, numbered
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hf_watch.errors import HubError
    from hf_watch.model import Batch, Receipt, Staged, Upload
    from tests.engine import Running


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    fill(tmp_path / "drop", {"a": b"a", "b": b"b"})
    return tmp_path / "drop"


PUBLISHED = {"incoming/a": b"a", "incoming/b": b"b"}
RETRYABLE = Fault(RetryableError("503: Service Unavailable"))
NOT_LANDED = Fault(AmbiguousError("504: Gateway Time-out"))
LATE = Fault(AmbiguousError("504: Gateway Time-out"), late=True)


def _engine(tmp_path: Path, drop: Path, hub: FakeHub, **changes: object) -> Engine:
    return Engine(tmp_path, [target_spec(drop, **changes)], hub)


# Answers that are lost.


def test_a_commit_whose_answer_was_lost_is_found_by_its_id_and_not_made_again(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", lost_answer())
    with capture_logs() as logs:
        _engine(tmp_path, drop, hub).sync()
    assert hub.repo.files == PUBLISHED
    assert len(hub.repo.commits) == 1
    assert [each["commit"] for each in logs if each["event"] == "commit.found"] == [hub.repo.head]


class Noting(FakeHub):
    """Keeps the parents that commits name."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: list[str | None] = []

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        self.parents.append(parent)
        return super().commit(batch, parent)


def test_a_commit_that_did_not_land_is_repeated_with_the_head_as_its_parent(tmp_path: Path, drop: Path) -> None:
    hub = Noting()
    hub.fail("commit", NOT_LANDED)
    _engine(tmp_path, drop, hub).sync()
    assert hub.repo.files == PUBLISHED
    assert hub.parents == [None, "0" * 40]


def test_what_was_refused_for_now_is_sent_again_as_it_is_without_a_parent(tmp_path: Path, drop: Path) -> None:
    hub = Noting()
    hub.fail("commit", RETRYABLE, Fault(MovedError("409: Another commit operation is in progress")))
    _engine(tmp_path, drop, hub).sync()
    assert hub.repo.files == PUBLISHED
    assert hub.parents == [None] * 3
    assert hub.calls.count("stage") == 1


@pytest.mark.parametrize("verb", ["stage", "commit"])
def test_content_that_was_taken_for_sent_is_staged_anew_and_nothing_is_set_aside(
    tmp_path: Path, drop: Path, verb: str
) -> None:
    hub = FakeHub()
    hub.fail(verb, Fault(MissingContentError("400: an LFS pointer pointed to a file that does not exist")))
    assembled = _engine(tmp_path, drop, hub).sync()
    assert hub.repo.files == PUBLISHED
    assert hub.calls.count("stage") == 2
    assert not assembled.gave_up


def test_a_commit_that_lands_while_it_is_repeated_is_not_made_twice(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", LATE)
    hub.on_call = lambda verb: hub.land() if verb == "commit" and hub.calls.count("commit") == 2 else None
    engine = _engine(tmp_path, drop, hub)
    engine.sync()
    assert hub.calls.count("commit") == 2
    assert hub.repo.files == PUBLISHED
    assert len(hub.repo.commits) == 1
    hub.calls.clear()
    engine.sync()
    assert "commit" not in hub.calls


def test_a_late_commit_of_an_old_content_does_not_outlive_the_new_one(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, drop, hub)
    with engine.running() as running:
        running.go_on(10.0)
        fill(drop, {"a": b"changed"})
        hub.fail("commit", LATE)
        while not hub.late:
            running.turn()
        fill(drop, {"a": b"a"})  # what the Hub still holds: no commit would stop the late one
        running.go_on(20.0)
        hub.land()
        assert hub.repo.files["incoming/a"] == b"changed"
        running.go_on(600.0)
    assert hub.repo.files == PUBLISHED


@pytest.mark.parametrize("killed", [False, True])
def test_a_commit_that_is_held_up_on_its_way_does_not_outlive_the_one_that_made_up_for_it(
    tmp_path: Path, drop: Path, *, killed: bool
) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, drop, hub)
    with engine.running() as running:
        running.go_on(10.0)
        fill(drop, {"a": b"old"})
        hub.fail("commit", LATE)
        while not hub.late:
            running.turn()
        fill(drop, {"a": b"new"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(30.0)
        assert hub.repo.files["incoming/a"] == b"new"
        hub.land(anyway=True)
        fill(drop, {"c": b"c"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(10.0)
        assert hub.repo.files["incoming/a"] == b"old", "on top of newer commits, and below others"
        if not killed:
            running.go_on(300.0)
    if killed:
        with engine.running() as running:
            running.go_on(300.0)
    assert hub.repo.files == {"incoming/a": b"new", "incoming/b": b"b", "incoming/c": b"c"}


def test_a_lost_answer_that_nobody_waited_for_is_looked_up_at_the_next_start(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", lost_answer())
    hub.fail("head", None, *[RETRYABLE] * 9)
    engine = _engine(tmp_path, drop, hub)
    assert engine.sync().worker.failure is not None
    hub.script.clear()
    engine.sync()
    assert hub.repo.files == PUBLISHED
    assert len(hub.repo.commits) == 1
    with Ledger(tmp_path / "ledger.sqlite3") as ledger:
        assert not ledger.batches.unanswered(ledger.roots.of(DESTINATION, str(drop), "incoming"))


# Refusals for now.


def test_a_commit_says_at_which_attempt_it_was_made(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", RETRYABLE, RETRYABLE)
    with capture_logs() as logs:
        _engine(tmp_path, drop, hub).sync()
        fill(drop, {"c": b"c"})
        _engine(tmp_path, drop, hub).sync()
    assert [each["attempt"] for each in logs if each["event"] == "commit.recorded"] == [3, 1]


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("429: Too Many Requests", 500.0),
        UnreachableError("503: Service Unavailable", 500.0),
        AmbiguousError("503: Service Unavailable", 500.0),
        MovedError("409: Another commit operation is in progress", 500.0),
    ],
)
def test_nothing_is_asked_before_the_time_that_the_hub_asked_for(tmp_path: Path, drop: Path, error: HubError) -> None:
    hub = FakeHub()
    hub.fail("commit", Fault(error))
    engine = _engine(tmp_path, drop, hub)
    times: list[float] = []
    hub.on_call = lambda _: times.append(engine.clock())
    with engine.running() as running:
        while not hub.calls.count("commit"):
            running.turn()
        refused_at, asked = engine.clock(), len(times)
        running.worker._inbox.ask(Retry(0, ""))
        running.go_on(510.0)
    assert min(times[asked:]) - refused_at >= 500.0
    assert hub.repo.files == PUBLISHED


@pytest.mark.parametrize("insists", [False, True])
def test_a_restart_is_no_way_around_the_time_that_the_hub_asked_for_but_a_person_is(
    tmp_path: Path, drop: Path, *, insists: bool
) -> None:
    hub = FakeHub()
    hub.fail("commit", Fault(RetryableError("429: Too Many Requests", 500.0)))
    engine = _engine(tmp_path, drop, hub)
    engine.ledger_of = lambda file: Ledger(file, wall_clock=lambda: time.time() + engine.clock())
    with engine.running() as running:
        while not hub.calls.count("commit"):
            running.turn()

    def restarted() -> AbstractContextManager[Running]:
        """As app.py starts it: with what is left of what the Hub asked to wait."""
        with engine.ledger_of(tmp_path / "ledger.sqlite3") as ledger:
            engine.wait_s = ledger.waits.left_s(DESTINATION.endpoint)
        return engine.running()

    for _ in range(3):
        hub.calls.clear()
        with restarted() as running:
            running.go_on(100.0)
            assert running.worker.status.reason == HUB_ASKED
            assert not hub.calls
    with restarted() as running:
        if insists:
            running.worker._inbox.ask(Retry(0, ""))
        running.go_on(10.0 if insists else 210.0)
    assert hub.repo.files == PUBLISHED


def test_what_is_staged_stays_in_hand_until_the_time_that_the_hub_asked_for(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", Fault(RetryableError("429: Too Many Requests", retry_after_s=500.0)))
    engine = _engine(tmp_path, drop, hub)
    times: list[float] = []
    hub.on_call = lambda verb: times.append(engine.clock()) if verb == "commit" else None
    engine.sync()
    assert hub.repo.files == PUBLISHED
    assert hub.calls == ["check_write", "head", "stage", "commit", "head", "commit", "recent"]  # is it private?
    assert 500.0 <= times[1] - times[0] <= 502.0


def test_a_refusal_for_now_is_tried_again_with_growing_waits_and_a_single_pass_gives_up_after_six(
    tmp_path: Path, drop: Path
) -> None:
    hub = FakeHub()
    hub.fail("commit", *[RETRYABLE] * 100)
    engine = _engine(tmp_path, drop, hub)
    times: list[float] = []
    hub.on_call = lambda verb: times.append(engine.clock()) if verb == "commit" else None
    worker = engine.sync().worker
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert len(times) == 6
    assert waits == sorted(waits)
    assert worker.failure == "503: Service Unavailable"
    assert not hub.repo.commits


def test_a_daemon_never_gives_up_and_asks_about_once_a_minute(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", *[RETRYABLE] * 100)
    engine = _engine(tmp_path, drop, hub)
    with engine.running() as running:
        running.go_on(1_800.0)
        assert 30 <= len(hub.calls) <= 75
        hub.script.clear()
        running.go_on(120.0)
    assert hub.repo.files == PUBLISHED


def test_a_hub_that_is_down_at_start_loses_nothing(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("check_write", *[RETRYABLE] * 8)
    engine = _engine(tmp_path, drop, hub)
    with engine.running() as running:
        running.go_on(600.0)
    assert hub.repo.files == PUBLISHED


def test_an_outage_costs_one_light_request_a_minute_and_ends_within_a_minute(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, drop, hub)
    down = Fault(UnreachableError("no answer from hub.example: Connection refused"))
    with capture_logs() as logs, engine.running() as running:
        running.go_on(10.0)
        for verb in ("head", "stage", "paths_info", "commit"):
            hub.fail(verb, *[down] * 10_000)
        fill(drop, numbered(100))
        running.worker._targets[0].rescan(engine.clock())
        hub.calls.clear()
        running.go_on(4 * 3_600.0)
        assert len(hub.calls) <= 4 * 60 + 10
        assert set(hub.calls[2:]) == {"head"}, "nothing is read or sent only to learn that the Hub is down"
        asked = len(hub.calls)
        hub.script.clear()
        running.go_on(65.0)
        assert len(hub.repo.files) == 102
        told = [each for each in logs if each["event"] == "commit.deferred"]
        assert TOLD_FIRST < len(told) <= TOLD_FIRST + 10
        assert abs(TOLD_FIRST + sum(each.get("repeated", 0) for each in told) - asked) <= 2, "none is passed over"
        hub.fail("stage", down)
        fill(drop, {"later": b"later"})
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(65.0)
        [again] = [each for each in logs if each["event"] == "commit.deferred"][len(told) :]
        assert "repeated" not in again, "the next outage is news"


def test_an_outage_that_ends_in_a_refusal_has_ended(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("check_write", Fault(UnreachableError("no answer")))
    hub.fail("head", Fault(UnauthorizedError("401: Unauthorized")))
    engine = _engine(tmp_path, drop, hub)
    engine.sync()
    assert hub.repo.files == PUBLISHED


def test_a_file_that_cannot_be_read_while_it_is_sent_stops_nobody_else(tmp_path: Path, drop: Path) -> None:
    class Failing(FakeHub):
        def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
            if any(upload.snapshot.content is None for upload in uploads):
                raise SourceError("Input/output error")
            return super().stage(uploads)

    fill(drop, {"large": b"x" * 2_000})
    hub = Failing()
    engine = Engine(tmp_path, [target_spec(drop)], hub, inline_bytes=1_000)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(200.0)
    assert hub.repo.files == PUBLISHED
    assert [each["path"] for each in logs if each["event"] == "path.unreadable"] == ["large"]


def test_a_transfer_cache_that_cannot_be_written_is_not_a_file_s_fault(tmp_path: Path, drop: Path) -> None:
    class Failing(FakeHub):
        def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
            raise SourceError(f"Permission denied ({len(uploads)})")

    worker = _engine(tmp_path, drop, Failing()).sync().worker
    assert worker.failure == "Permission denied (2)"


def test_files_whose_staging_failed_are_staged_again(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("stage", RETRYABLE, RETRYABLE)
    assert _engine(tmp_path, drop, hub).sync().worker.failure is None
    assert hub.repo.files == PUBLISHED


def test_somebody_elses_commit_in_between_is_no_failure(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", *[Fault(MovedError("409: Another commit operation is in progress"))] * 3)
    assert _engine(tmp_path, drop, hub).sync().worker.failure is None
    assert hub.repo.files == PUBLISHED


# Token and repo.


def test_a_refused_token_is_read_again_and_tried_slowly(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", Fault(UnauthorizedError("401: Unauthorized")))
    hub.fail("check_write", None, *[Fault(UnauthorizedError("401: Unauthorized"))] * 3)
    engine = _engine(tmp_path, drop, hub)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(30.0)
        asked = len(hub.calls)
        running.go_on(20.0)
        assert len(hub.calls) == asked
        running.go_on(300.0)
    assert hub.calls[asked : asked + 7] == ["refresh_token", "check_write"] * 3 + ["refresh_token"]
    assert hub.calls.count("refresh_token") == 4
    assert hub.repo.files == PUBLISHED
    assert sum(each["event"] == "destination.refused" for each in logs) == 1


def test_a_refusal_is_named_once_and_then_every_hour(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("check_write", *[Fault(UnauthorizedError("403: Forbidden"))] * 1_000)
    with capture_logs() as logs, _engine(tmp_path, drop, hub).running() as running:
        running.go_on(4 * 3_600.0 + 30.0)
        assert len(hub.calls) <= 2 * 4 * 60 + 10
        assert running.worker.left() == len(PUBLISHED), "it goes on collecting"
    assert [each["log_level"] for each in logs if each["event"] == "destination.refused"] == ["error"] * 5


def test_a_delete_of_what_somebody_else_deletes_in_between_is_dropped(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, drop, hub, on_delete="mirror")
    engine.sync()
    (drop / "a").unlink()
    fill(drop, {"c": b"c"})
    with engine.running() as running:

        def delete_first(verb: str) -> None:
            if verb == "commit" and "incoming/a" in hub.repo.files:
                hub.repo.apply("", "theirs", {}, ["incoming/a"])

        hub.on_call = delete_first
        running.go_on(120.0)
    assert hub.repo.files == {"incoming/b": b"b", "incoming/c": b"c"}


def test_a_refused_token_fails_a_single_pass_at_once(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("check_write", Fault(UnauthorizedError("403: Forbidden")))
    assert _engine(tmp_path, drop, hub).sync().worker.failure == "403: Forbidden"
    assert hub.calls == ["check_write"]


@pytest.mark.parametrize("made", Created)
def test_a_missing_repo_is_created_if_asked_for_and_what_was_made_is_said(
    tmp_path: Path, drop: Path, made: Created
) -> None:
    hub = FakeHub()
    hub.exists = False
    hub.makes = made
    engine = _engine(tmp_path, drop, hub)
    assert engine.sync().worker.failure is not None
    engine.create_repo = True
    with capture_logs() as logs:
        engine.sync()
    assert hub.repo.files == PUBLISHED
    said = [each["event"] for each in logs if each["event"].endswith(".created")]
    assert said == {Created.REPO: ["repo.created"], Created.BRANCH: ["branch.created"], Created.NOTHING: []}[made]


def test_a_repo_that_is_deleted_while_it_is_published_to_is_created_anew(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop)], hub, create_repo=True)
    with engine.running() as running:
        running.go_on(10.0)
        hub.repo.files.clear()
        hub.repo.commits.clear()
        hub.exists = False
        fill(drop, {"c": b"c"})
        running.go_on(700.0)
    assert hub.repo.files == {**PUBLISHED, "incoming/c": b"c"}


def test_a_single_pass_over_a_missing_root_fails_and_a_daemon_waits_for_it(tmp_path: Path) -> None:
    hub = FakeHub()
    engine = _engine(tmp_path, tmp_path / "drop", hub)
    assert engine.sync().worker.failure == "a watched directory is missing"
    with engine.running() as running, capture_logs() as logs:
        running.go_on(30.0)
        fill(tmp_path / "drop", {"a": b"a"})
        running.go_on(10.0)
    assert hub.repo.files == {"incoming/a": b"a"}
    assert [each["event"] for each in logs if each["event"] == "target.found"] == ["target.found"]


# Refusals for good.


@pytest.mark.parametrize("count", [1, 2, 37, 256])
def test_one_bad_file_is_set_aside_and_the_others_are_published(tmp_path: Path, count: int) -> None:
    files = numbered(count)
    bad = sorted(files)[count // 3]
    fill(tmp_path / "drop", files)
    hub = FakeHub(bad=lambda path: path.endswith(bad))
    assembled = _engine(tmp_path, tmp_path / "drop", hub).sync()
    assert hub.repo.files == {f"incoming/{name}": content for name, content in files.items() if name != bad}
    assert assembled.gave_up == {str(tmp_path / "drop" / bad): "400: one of these is bad"}
    assert hub.calls.count("commit") <= 1 + 2 * math.ceil(math.log2(count))
    with Ledger(tmp_path / "ledger.sqlite3") as ledger:
        assert not ledger.batches.unanswered(ledger.roots.of(DESTINATION, str(tmp_path / "drop"), "incoming"))


def test_one_bad_file_of_a_thousand_costs_few_requests(tmp_path: Path, drop: Path) -> None:
    fill(drop, numbered(998))
    hub = FakeHub(bad=lambda path: path.endswith("0123.txt"))
    _engine(tmp_path, drop, hub).sync()
    assert len(hub.repo.files) == 999
    assert hub.calls.count("commit") <= 1 + 2 * math.ceil(math.log2(1_000))
    assert hub.calls.count("stage") == 1, "what was uploaded is not uploaded again"


def test_a_file_that_was_set_aside_is_tried_again_after_a_day(tmp_path: Path, drop: Path) -> None:
    bad = {"incoming/a"}
    hub = FakeHub(bad=lambda path: path in bad)
    ahead_s = [0.0]
    engine = _engine(tmp_path, drop, hub)
    engine.ledger_of = partial(Ledger, wall_clock=lambda: time.time() + ahead_s[0])
    engine.sync()
    bad.clear()
    ahead_s[0] = 23 * 3_600.0
    engine.sync()
    assert hub.repo.files == {"incoming/b": b"b"}
    ahead_s[0] = 25 * 3_600.0
    engine.sync()
    assert hub.repo.files == PUBLISHED


@pytest.mark.parametrize("name", ["README.md", ".gitignore", ".gitattributes"])
def test_what_the_hub_itself_reads_travels_alone_and_last(tmp_path: Path, name: str) -> None:
    drop = tmp_path / "root"
    fill(drop, {**numbered(20), name: b"bad", f"sub/{name}": b"an ordinary file"})
    hub = FakeHub(bad=lambda path: path == name)
    engine = _engine(tmp_path, drop, hub, prefix="", wanted=Filter(hidden=True))
    engine.sync()
    assert hub.calls.count("commit") == 2
    assert [len(commit.added) for commit in hub.repo.commits] == [21]
    assert name not in hub.repo.files


def test_a_file_that_was_set_aside_is_left_alone_until_it_changes(tmp_path: Path, drop: Path) -> None:
    bad = {"incoming/a"}
    hub = FakeHub(bad=lambda path: path in bad)
    engine = _engine(tmp_path, drop, hub)
    engine.sync()
    commits = hub.calls.count("commit")
    assembled = engine.sync()
    assert hub.calls.count("commit") == commits
    assert list(assembled.gave_up) == [str(drop / "a")]
    bad.clear()
    fill(drop, {"a": b"better"})
    assert not engine.sync().gave_up
    assert hub.repo.files == {"incoming/a": b"better", "incoming/b": b"b"}


def test_a_file_that_is_refused_while_it_is_staged_is_set_aside_alone(tmp_path: Path) -> None:
    class Choosy(FakeHub):
        def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
            if any(upload.repo_path.endswith("/0011.txt") for upload in uploads):
                raise RejectedError("422: no")
            return super().stage(uploads)

    fill(tmp_path / "drop", numbered(30))
    hub = Choosy()
    assembled = _engine(tmp_path, tmp_path / "drop", hub).sync()
    assert list(assembled.gave_up) == [str(tmp_path / "drop" / "0011.txt")]
    assert len(hub.repo.files) == 29
    assert len(hub.repo.commits) == 1


def test_a_batch_that_is_too_large_is_halved(tmp_path: Path) -> None:
    fill(tmp_path / "drop", numbered(8))
    hub = FakeHub()
    hub.fail("commit", Fault(TooLargeError("413: Payload Too Large")))
    assert not _engine(tmp_path, tmp_path / "drop", hub).sync().gave_up
    assert [len(commit.added) for commit in hub.repo.commits] == [4, 4]


def test_what_the_repos_gitignore_drops_is_reported_and_not_recorded(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.ignored = {"incoming/a"}
    engine = _engine(tmp_path, drop, hub)
    with capture_logs() as logs:
        assert not engine.sync().gave_up
    assert hub.repo.files == {"incoming/b": b"b"}
    assert [each["path"] for each in logs if each["event"] == "path.skipped"] == ["a"]
    with Ledger(tmp_path / "ledger.sqlite3") as ledger:
        assert ledger.files.known(ledger.roots.of(DESTINATION, str(drop), "incoming"), "a") is None
    with capture_logs() as logs:
        engine.sync()
    assert not [each for each in logs if each["event"] == "path.skipped"]


# Names.


@pytest.mark.parametrize("name", ["new\nline", "sp ace", "ünï", "back\\slash", "%41", "#?&", "-rf", "'\""])
def test_odd_names_are_published_as_they_are(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "drop", {name: b"content", f"{name}/below".replace(name, "d" + name): b"below"})
    hub = FakeHub()
    engine = _engine(tmp_path, tmp_path / "drop", hub, on_delete="mirror")
    engine.sync()
    assert hub.repo.files == {f"incoming/{name}": b"content", f"incoming/d{name}/below": b"below"}
    (tmp_path / "drop" / name).unlink()
    engine.sync()
    assert hub.repo.files == {f"incoming/d{name}/below": b"below"}


def test_a_name_that_the_hub_cannot_hold_is_set_aside_with_its_reason(tmp_path: Path, drop: Path) -> None:
    (drop / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    hub = FakeHub()
    engine = _engine(tmp_path, drop, hub)
    with capture_logs() as logs:
        assembled = engine.sync()
    assert hub.repo.files == PUBLISHED
    assert ["UTF-8" in reason for reason in assembled.gave_up.values()] == [True]
    assert [each["path"] for each in logs if each["event"] == "path.quarantined"] == ["caf\udce9"]


def test_every_pass_says_what_it_left_out(tmp_path: Path, drop: Path) -> None:
    (drop / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    engine = _engine(tmp_path, drop, FakeHub())
    engine.sync()
    with capture_logs() as logs:
        assembled = engine.sync()
    assert len(assembled.gave_up) == 1
    assert [each["path"] for each in logs if each["event"] == "path.quarantined"] == ["caf\udce9"]
