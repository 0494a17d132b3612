"""The sentence that `systemctl status` shows."""

from __future__ import annotations

import pytest

from hf_watch.threads.status import TargetState, TargetStatus, WorkerStatus, sentence

NOW = 1_000.0


def _target(name: str, state: TargetState = TargetState.WATCHING, waiting: int = 0, in_flight: int = 0) -> TargetStatus:
    return TargetStatus(name, state, waiting, in_flight)


def _late(name: str, lag_s: float) -> TargetStatus:
    return TargetStatus(name, TargetState.WATCHING, 1, settled_since=NOW - lag_s)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ([WorkerStatus("d", (_target("a"),))], "watching 1 folder, nothing waits"),
        (
            [
                WorkerStatus("d", (_target("a", waiting=10, in_flight=1), _target("b")), None, False, NOW + 40, NOW),
                WorkerStatus("e", (_target("c", waiting=1),), next_due=NOW + 50, committed_at=NOW - 60),
            ],
            "watching 3 folders, 12 files waiting, last commit 60 s ago, next in 40 s",
        ),
        (
            [WorkerStatus("d", (_target("a", TargetState.LOST), _target("b", waiting=1)), next_due=NOW)],
            "watching 1 folder, 1 missing, 1 file waiting",
        ),
        (
            [WorkerStatus("hf://d", (_target("a"),), reason="401: no", is_refused=True)],
            "watching 1 folder, nothing waits; hf://d: 401: no",
        ),
        (
            [WorkerStatus("d", (_late("a", 301.0), _late("b", 400.0), _late("c", -5.0)))],
            "late: b is 400 s behind; watching 3 folders, 3 files waiting",
        ),
        ([WorkerStatus("d", (_late("a", 300.0),))], "watching 1 folder, 1 file waiting"),
    ],
)  # fmt: skip
def test_it_tells_a_person_how_it_is_doing(workers: list[WorkerStatus], said: str) -> None:
    assert sentence(workers, NOW, 300.0, lambda moment: f"{NOW - moment:.0f} s ago") == said
