"""A checkpoint that is written over 20 s is one commit, however it is known to be complete, whenever it is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.checkpoint import is_one_commit

if TYPE_CHECKING:
    from pathlib import Path

LONGER_THAN_ANY_PAUSE_S = 15.0  # of a writer on a busy machine, which writes every half a second


@pytest.mark.timeout(600)
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("kill_after", [(), (19,), (0, 10, 20, 30, 39)])
def test_a_checkpoint_written_over_20_s_is_one_commit(
    tmp_path: Path, kill_after: tuple[int, ...], *, marked: bool
) -> None:
    is_one_commit(tmp_path, kill_after, 0.1 if marked else LONGER_THAN_ANY_PAUSE_S, marked=marked)
