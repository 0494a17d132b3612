"""Two kills in a row, at every pair of steps; and one at every step of every scenario with the real client."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from hf_watch.hub.transport import install_client
from hf_watch.local_hub import LocalHub
from tests.kill_points import IN_A_MIRROR, ON_ANY_SIDE, FakeSide, OnDelete, RealSide, Scenario, played

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = 40  # the second life is killed at each of its first steps: looking the first one's commits up, and repeating it


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("scenario", IN_A_MIRROR)
def test_two_kills_in_a_row_are_made_up_for(scenario: Scenario, tmp_path: Path) -> None:
    unharmed = played(tmp_path / "unharmed", FakeSide(), scenario, "mirror")
    for first in range(unharmed.fate.taken):
        for second in range(AGAIN):
            played(tmp_path / "killed", FakeSide(), scenario, "mirror", first, second)
            shutil.rmtree(tmp_path / "killed")


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("on_delete", ["keep", "mirror"])
@pytest.mark.parametrize("scenario", ON_ANY_SIDE)
def test_a_kill_at_any_step_is_made_up_for_with_the_real_client(
    scenario: Scenario, on_delete: OnDelete, tmp_path: Path
) -> None:
    install_client()
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        unharmed = played(tmp_path / "unharmed", RealSide(hub, "acme/unharmed"), scenario, on_delete)
        for step in range(unharmed.fate.taken):
            played(tmp_path / str(step), RealSide(hub, f"acme/{step}"), scenario, on_delete, step)
