"""Files by their state and targets with their settings, over a real socket."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from hf_watch.control.client import UnknownPathError
from hf_watch.ledger.ledger import Ledger
from hf_watch.ledger.rows import Intended, Recorded
from hf_watch.model import Fingerprint
from hf_watch.paths import decoded
from tests.seat import ALL_IS_WELL, DESTINATION, DIGEST, Seat, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ODD = os.fsdecode(b"\xff odd")
LOOK_ALIKES = [
    "\udcff",
    "\\udcff",
    "%FF",
    "%25FF",
    "a\nb",
    "a\\nb",
    "\u202etxt",
    "\\u202etxt",
    "a?b",
    "a#b",
    "a+b",
    " a",
]


@dataclass(frozen=True)
class Hinted:
    """A path that is not published yet."""

    path: str
    since: float = 0.0
    trouble: str | None = None
    due: float = 0.0


@pytest.fixture(name="seat")
def _seat(tmp_path: Path) -> Seat:
    (tmp_path / "drop").mkdir()
    return Seat(tmp_path)


def _published(seat: Seat, paths: Iterable[str]) -> None:
    paths = list(paths)
    with Ledger(seat.ledger_file) as ledger:
        root = ledger.roots.of(DESTINATION, str(seat.drop), "in")
        ledger.batches.intend(
            "batch", root.destination_id, [Intended(root, path, "x", DIGEST, 1) for path in paths], 10
        )
        ledger.files.record(root, [Recorded(path, "in/x", Fingerprint(1, 5, 3, 4), DIGEST, 1) for path in paths])
        ledger.batches.recorded("batch", "c" * 40)


def _set_aside(seat: Seat, paths: Iterable[str]) -> None:
    with Ledger(seat.ledger_file) as ledger:
        root = ledger.roots.of(DESTINATION, str(seat.drop), "in")
        for path in paths:
            ledger.quarantine.set_aside(root, path, None, "too odd")


def _unpublished(seat: Seat, waits: Sequence[Hinted] = (), flies: Sequence[Hinted] = ()) -> None:
    target = replace(ALL_IS_WELL.targets[0], waits=waits, flies=flies)
    seat.status = replace(ALL_IS_WELL, targets=(target,))


def _listed(seat: Seat, **asked: Any) -> list[tuple[str, str]]:
    """Every file as its state and path, page by page."""
    found: list[tuple[str, str]] = []
    while True:
        page = raw(seat, "GET", "/v1/files", params=asked).json()
        assert len(page["files"]) <= int(asked.get("limit", 100))
        found += [(each["state"], each["path"]) for each in page["files"]]
        if page["next"] is None:
            return found
        assert page["next"] != asked.get("after")
        asked["after"] = page["next"]


def test_files_come_state_by_state_and_page_by_page_and_no_worker_is_asked(seat: Seat) -> None:
    _unpublished(seat, waits=[Hinted("w2"), Hinted(ODD), Hinted("d/w1")], flies=[Hinted("f")])
    _set_aside(seat, ["q1", "d/q2"])
    _published(seat, ["p1", "d/p2", "d/e/p3"])
    with seat.serving():
        every = _listed(seat)
        assert every == [
            ("waiting", "d/w1"), ("waiting", "w2"), ("waiting", "\\udcff odd"), ("in_flight", "f"),
            ("quarantined", "q1"), ("quarantined", "d/q2"),
            ("published", "p1"), ("published", "d/p2"), ("published", "d/e/p3"),
        ]  # fmt: skip
        for limit in range(1, 10):
            assert _listed(seat, limit=limit) == every
        for state in ("waiting", "in_flight", "quarantined", "published"):
            assert _listed(seat, state=state, limit=1) == [each for each in every if each[0] == state]
        assert _listed(seat, path="d") == [each for each in every if each[1].startswith("d/")]
        assert _listed(seat, path=str(seat.drop / "d/e")) == [("published", "d/e/p3")]
        assert _listed(seat, path="p1") == [("published", "p1")]
    assert seat.inbox.requests() == []


def test_each_state_says_what_it_knows(seat: Seat) -> None:
    now = time.monotonic()
    seat.clock = lambda: now
    _unpublished(seat, waits=[Hinted("w", now - 7.0, "it is being written")])
    _set_aside(seat, ["q"])
    _published(seat, ["p"])
    with seat.serving():
        waiting, aside, published = raw(seat, "GET", "/v1/files").json()["files"]
    nothing = dict.fromkeys(["since_s", "reason", "repo_path", "bytes", "sha256", "commit", "url", "at"])
    assert waiting == nothing | {
        "target": "drop", "path": "w", "path_encoded": "w", "state": "waiting", "since_s": 7.0,
        "reason": "it is being written",
    }  # fmt: skip
    assert aside["at"].endswith("+00:00")
    assert aside == nothing | {
        "target": "drop", "path": "q", "path_encoded": "q", "state": "quarantined", "reason": "too odd",
        "at": aside["at"],
    }  # fmt: skip
    assert published["at"].endswith("+00:00")
    assert published == nothing | {
        "target": "drop", "path": "p", "path_encoded": "p", "state": "published", "repo_path": "in/x", "bytes": 5,
        "sha256": DIGEST.sha256.hex(), "commit": "c" * 40, "at": published["at"],
        "url": "https://hub.example/datasets/acme/drop/commit/" + "c" * 40,
    }  # fmt: skip


def test_names_that_look_alike_are_told_apart_and_asked_for_one_by_one(seat: Seat) -> None:
    waits, aside, published = (sorted(each + end for each in LOOK_ALIKES) for end in "wqp")
    _unpublished(seat, waits=[Hinted(each) for each in waits])
    _set_aside(seat, aside)
    _published(seat, published)
    everything = [*waits, *aside, *published]
    seat.clock = lambda: 0.0
    with seat.serving():
        files = raw(seat, "GET", "/v1/files").json()["files"]
        assert sorted(decoded(each["path_encoded"]) for each in files) == sorted(everything)
        assert all(each["path"].isprintable() for each in files)
        for each in files:
            assert raw(seat, "GET", "/v1/files", params={"path_encoded": each["path_encoded"]}).json()["files"] == [
                each
            ]
            [turn] = raw(seat, "GET", "/v1/explain", params={"path_encoded": each["path_encoded"]}).json()["turns"]
            assert (turn["path_encoded"], turn["state"]) == (each["path_encoded"], each["state"])
        quarantined = raw(seat, "GET", "/v1/quarantine").json()["quarantined"]
        assert sorted(decoded(each["path_encoded"]) for each in quarantined) == aside
        [target] = raw(seat, "GET", "/v1/status").json()["targets"]
        assert {decoded(each["path_encoded"]) for each in target["quarantine"]} < set(aside)
        assert decoded(target["source_encoded"]) == str(seat.drop)


def test_a_name_that_is_not_utf8_is_found(seat: Seat) -> None:
    _published(seat, [ODD, "even"])
    with seat.serving() as client:
        [found] = client.files("published", str(seat.drop / ODD), limit=10).files
        assert found.path == "\\udcff odd"
        with pytest.raises(UnknownPathError):
            client.files("published", "/elsewhere", limit=10)


@pytest.mark.parametrize(
    "asked", ["state=lost", "state=", "after=***", "after=LTEvYQ==", "limit=0", "path=a%00b&limit="]
)
def test_what_makes_no_sense_is_refused(seat: Seat, asked: str) -> None:
    with seat.serving():
        assert raw(seat, "GET", f"/v1/files?{asked}").status_code == 400


def test_targets_come_with_their_settings_and_without_secrets(seat: Seat) -> None:
    with seat.serving():
        [found] = raw(seat, "GET", "/v1/targets").json()["targets"]
        assert raw(seat, "GET", "/v1/targets?target=other").status_code == 404
    assert (found["target"], found["source"]) == ("drop", str(seat.drop))
    assert found["dest"] == "hf://datasets/acme/drop@main/in"
    assert found["settings"]["quiet_s"] == seat.settings().quiet_s
    assert found["settings"]["commit_message"] == "[removed]"
