from __future__ import annotations

import io
from collections import deque

import pytest

from hf_watch.errors import (
    AmbiguousError,
    HubError,
    MissingContentError,
    MissingRepoError,
    RejectedError,
    RetryableError,
    UnreachableError,
)
from hf_watch.push import intake
from hf_watch.push.upload import MOST_ATTEMPTS, Pusher
from tests.fake_hub import FakeHub, Fault, lost_answer

LIMITS = intake.IntakeLimits(1_000, 1_000)


def _push(hub: FakeHub, content: bytes = b"content", *, create_repo: bool = False) -> tuple[str | None, list[float]]:
    waited: list[float] = []
    pusher = Pusher(hub, create_repo=create_repo, private=True, sleep=waited.append, unit_random=lambda: 0.5)
    with intake.stream([content], "a/b", LIMITS) as upload:
        return pusher.push(upload, "Add a/b").commit, waited


def test_one_file_is_one_commit() -> None:
    hub = FakeHub()
    commit, waited = _push(hub)
    assert hub.repo.files == {"a/b": b"content"}
    assert (commit, waited) == (hub.repo.head, [])


def test_what_the_repo_holds_makes_no_commit() -> None:
    hub = FakeHub()
    hub.repo.files["a/b"] = b"content"
    assert _push(hub) == (None, [])
    assert not hub.repo.commits


def test_a_lost_answer_makes_no_second_commit() -> None:
    hub = FakeHub()
    hub.script["commit"] = deque([lost_answer()])
    commit, waited = _push(hub)
    assert len(hub.repo.commits) == len(waited) == 1
    assert commit is None


def test_content_that_was_taken_for_sent_is_staged_anew() -> None:
    hub = FakeHub()
    hub.script["commit"] = deque([Fault(MissingContentError("400"))])
    commit, waited = _push(hub)
    assert (commit, len(waited), hub.calls) == (hub.repo.head, 1, ["stage", "commit", "stage", "commit"])


def test_a_hub_that_is_away_after_a_lost_answer_is_waited_for() -> None:
    hub = FakeHub()
    hub.script["commit"] = deque([Fault(AmbiguousError("504"))])
    hub.script["head"] = deque([Fault(UnreachableError("no answer"))])
    commit, waited = _push(hub)
    assert commit == hub.repo.head
    assert len(waited) == 2
    assert hub.calls == ["stage", "commit", "head", "head", "stage", "commit"]


@pytest.mark.parametrize(
    ("call", "error"), [("stage", RetryableError("429", 30.0)), ("commit", AmbiguousError("503", 30.0))]
)
def test_what_the_hub_asks_to_wait_is_waited(call: str, error: HubError) -> None:
    hub = FakeHub()
    hub.script[call] = deque([Fault(error), None])
    _, waited = _push(hub)
    assert len(waited) == 1
    assert waited[0] >= 30.0


def test_it_gives_up_with_the_last_error() -> None:
    hub = FakeHub()
    hub.script["stage"] = deque([Fault(RetryableError("503"))] * MOST_ATTEMPTS)
    with pytest.raises(RetryableError):
        _push(hub)
    assert hub.calls == ["stage"] * MOST_ATTEMPTS


def test_a_missing_repo_is_created_only_when_asked() -> None:
    hub = FakeHub()
    hub.exists = False
    with pytest.raises(MissingRepoError):
        _push(hub)
    assert _push(hub, create_repo=True)[0] == hub.repo.head


def test_what_the_repo_ignores_is_a_failure() -> None:
    hub = FakeHub()
    hub.ignored.add("a/b")
    with pytest.raises(RejectedError, match=r"\.gitignore"):
        _push(hub)


def test_standard_input_is_read_to_its_end() -> None:
    with intake.taken("-", lambda _: "x", LIMITS, io.BytesIO(b"piped")) as upload:
        assert upload.snapshot.content == b"piped"
