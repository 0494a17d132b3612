"""A checkpoint that is written over 20 s is one commit, though the daemon is killed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.checkpoint import is_one_commit

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkpoint_written_over_20_s_is_one_commit_with_a_kill_in_the_middle(tmp_path: Path) -> None:
    is_one_commit(tmp_path, kill_after={19}, quiet_s=0.1, marked=True)
