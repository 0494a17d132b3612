"""Nothing is lost, torn, invented or made twice: the short form of tests/soak/test_conservation.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conservation import ARCHIVED, DELETED, GROUPED, KEEP, MIRROR, Case, Storm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("case", "seed", "kills"),
    [(MIRROR, 1, 8), (KEEP, 2, 8), (DELETED, 3, 3), (ARCHIVED, 4, 3), (GROUPED, 5, 3)],
    ids=["mirror", "keep", "delete", "archive", "grouped"],
)
def test_what_was_finished_arrives_whatever_fails(case: Case, seed: int, kills: int, tmp_path: Path) -> None:
    Storm(tmp_path, case, seed, kills).run()
