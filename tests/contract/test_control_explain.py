"""When a path goes, or what keeps it, over a real socket; the test is the worker."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from hf_watch.control.client import UnknownPathError
from hf_watch.ledger.ledger import Ledger
from hf_watch.ledger.rows import DeleteState, Intended, Recorded
from hf_watch.model import Fingerprint
from hf_watch.threads.commands import Answer
from hf_watch.threads.status import TargetState
from tests.seat import ALL_IS_WELL, DESTINATION, DIGEST, Seat, raw

if TYPE_CHECKING:
    from pathlib import Path

ODD = os.fsdecode(b"\xff odd")
NOW = 100.0


@dataclass(frozen=True)
class Hinted:
    """A path that is not published yet."""

    path: str
    due: float = NOW
    trouble: str | None = None
    since: float = 0.0


@pytest.fixture(name="seat")
def _seat(tmp_path: Path) -> Seat:
    (tmp_path / "drop").mkdir()
    return Seat(tmp_path, clock=lambda: NOW)


def _said(seat: Seat, path: str) -> tuple[str | None, int | None, float | None, str]:
    with seat.serving() as client:
        [turn] = client.explain(path).turns
    assert turn.target == "drop"
    assert seat.inbox.requests() == [], "no worker is asked"
    return turn.state, turn.ahead, turn.next_commit_s, turn.verdict


def _is(seat: Seat, *waits: Hinted, flies: tuple[Hinted, ...] = (), of_worker: dict[str, Any] | None = None) -> None:
    target = replace(ALL_IS_WELL.targets[0], waits=waits, flies=flies)
    seat.status = replace(ALL_IS_WELL, targets=(target,), **(of_worker or {}))


def test_a_path_that_changed_a_moment_ago_is_to_hold_still(seat: Seat) -> None:
    _is(seat, Hinted("a", NOW + 1.5))
    assert _said(seat, "a") == ("waiting", 0, 1.5, "it is to hold still for 1.5 s more")
    assert _said(seat, str(seat.drop / "a"))[1:3] == (0, 1.5)


def test_a_path_that_settled_waits_its_turn_and_for_the_commit(seat: Seat) -> None:
    _is(
        seat, Hinted("b", 40.0), Hinted(ODD, 30.0), Hinted("later", 50.0), flies=(Hinted("f"),),
        of_worker={"not_before": NOW + 34.0, "reason": "the budget is spent"},
    )  # fmt: skip
    assert _said(seat, "b") == (
        "waiting", 2, 34.0,
        "it has held still, 2 paths before it; the next commit goes in 34 s at the earliest; the budget is spent",
    )  # fmt: skip
    assert _said(seat, ODD)[1] == 1
    assert _said(seat, "f")[0] == "in_flight"


def test_a_path_in_use_says_so(seat: Seat) -> None:
    _is(seat, Hinted("a", NOW + 4.0, "it is being written"))
    assert _said(seat, "a")[3] == "it is being written; it is looked at again in 4.0 s"


@pytest.mark.parametrize(
    ("target", "worker", "why"),
    [
        ({"state": TargetState.LOST}, {}, "the watched directory is missing"),
        ({}, {"is_refused": True, "reason": "403: no write permission"}, "no write permission"),
        ({"refusal": "everybody may read the repo"}, {}, "everybody may read the repo"),
    ],
)
def test_nothing_goes_while_a_person_is_needed(
    seat: Seat, target: dict[str, Any], worker: dict[str, Any], why: str
) -> None:
    found = replace(ALL_IS_WELL.targets[0], waits=(Hinted("a"),), **target)
    seat.status = replace(ALL_IS_WELL, targets=(found,), **worker)
    state, ahead, next_commit_s, verdict = _said(seat, "a")
    assert (state, ahead, next_commit_s) == ("waiting", None, None)
    assert why in verdict


def test_a_paused_target_keeps_it(seat: Seat) -> None:
    _is(seat, Hinted("a"))
    with seat.serving() as client, seat.answering(Answer()):
        client.pause("drop")
        [turn] = client.explain("a").turns
    assert (turn.target_state, turn.verdict) == ("paused", "it waits: it was paused")


def test_what_the_ledger_knows_is_told_where_the_worker_has_nothing_to_say(seat: Seat) -> None:
    with Ledger(seat.ledger_file) as ledger:
        root = ledger.roots.of(DESTINATION, str(seat.drop), "in")
        ledger.quarantine.set_aside(root, "q", None, "too odd")
        ledger.batches.intend("batch", root.destination_id, [Intended(root, "p", "in/p", DIGEST, 1)], 10)
        for path in ("p", "d/p"):
            ledger.files.record(root, [Recorded(path, f"in/{path}", Fingerprint(1, 5, 3, 4), DIGEST, 1)])
        ledger.batches.recorded("batch", "c" * 40)
        assert _said(seat, "q") == ("quarantined", None, None, "it is set aside: too odd")
        assert _said(seat, "p")[:1] == ("published",)
        assert "at in/p with commit " + "c" * 40 in _said(seat, "p")[3]
        assert _said(seat, "d") == (None, None, None, "nothing is known of it")
        ledger.deletes.note(root, ["p"])
        assert "held back" not in _said(seat, "p")[3]
        ledger.deletes.settle(root, DeleteState.NOTED, DeleteState.HELD)
        assert "its delete is held back until `hf-watch confirm-deletes drop`" in _said(seat, "p")[3]
        _is(seat, Hinted("q", NOW + 1.0))
        assert _said(seat, "q")[0] == "waiting", "it changed since it was set aside"


def test_a_file_of_a_group_goes_with_its_directory(seat: Seat) -> None:
    _is(seat, Hinted("step-1", NOW + 2.0))
    assert _said(seat, "step-1/model.bin")[0] is None
    seat.group = "directory"
    assert _said(seat, "step-1/model.bin")[:3] == ("waiting", 0, 2.0)
    assert _said(seat, "model.bin")[0] is None


@pytest.mark.parametrize(
    ("asked", "code"), [("", 400), ("path=", 400), ("path=/elsewhere", 404), ("path=a&target=other", 404)]
)
def test_what_makes_no_sense_is_refused(seat: Seat, asked: str, code: int) -> None:
    with seat.serving() as client:
        assert raw(seat, "GET", f"/v1/explain?{asked}").status_code == code
        with pytest.raises(UnknownPathError):
            client.explain("/elsewhere")
