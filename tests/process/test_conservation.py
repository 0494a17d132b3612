"""Nothing is lost, torn, invented or made twice: the short form of tests/soak/test_conservation.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conservation import KEEP, MIRROR, Case, Storm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("case", "seed"), [(MIRROR, 1), (KEEP, 2)], ids=["mirror", "keep"])
def test_what_was_finished_arrives_whatever_fails(case: Case, seed: int, tmp_path: Path) -> None:
    Storm(tmp_path, case, seed, kills=8).run()
