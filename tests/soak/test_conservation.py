"""Nothing is lost, torn, invented or made twice, over many kills: `make soak`; a seed is repeated with `--seed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conservation import ARCHIVED, DELETED, GROUPED, KEEP, MIRROR, Storm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(3_600)
def test_what_was_finished_arrives_whatever_fails(seed: int, kills: int, tmp_path: Path) -> None:
    case = (KEEP, MIRROR, MIRROR, DELETED, ARCHIVED, GROUPED)[seed % 6]
    Storm(tmp_path, case, seed, kills).run()
