"""A kill at every step: before, within and after each write of the ledger, before and after each call of the Hub.

A scenario is played once for every step that it takes; at that step the process dies, is started again, and the
scenario goes on. Nothing may tell afterwards, but that it took longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hf_watch.hub.transport import install_client
from hf_watch.local_hub import LocalHub
from tests.kill_points import (
    IN_A_MIRROR,
    WITH_DELETES,
    FakeSide,
    OnDelete,
    RealSide,
    Scenario,
    lost_answers,
    played,
    rename,
)

if TYPE_CHECKING:
    from pathlib import Path

PLAYS = [(scenario, "mirror") for scenario in IN_A_MIRROR] + [(scenario, "keep") for scenario in WITH_DELETES]


@pytest.mark.parametrize(("scenario", "on_delete"), PLAYS)
def test_a_kill_at_any_step_is_made_up_for(scenario: Scenario, on_delete: OnDelete, tmp_path: Path) -> None:
    unharmed = played(tmp_path / "unharmed", FakeSide(), scenario, on_delete)
    for step in range(unharmed.fate.taken):
        world = played(tmp_path / str(step), FakeSide(), scenario, on_delete, step)
        assert not world.deaths_left


@pytest.mark.parametrize("scenario", [lost_answers, rename])
def test_a_kill_at_any_step_is_made_up_for_with_the_real_client(scenario: Scenario, tmp_path: Path) -> None:
    install_client()
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        unharmed = played(tmp_path / "unharmed", RealSide(hub, "acme/unharmed"), scenario, "mirror")
        for step in range(unharmed.fate.taken):
            world = played(tmp_path / str(step), RealSide(hub, f"acme/{step}"), scenario, "mirror", step)
            assert not world.deaths_left
