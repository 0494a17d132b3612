"""A flush that says that all is published is right, however often it is asked under a storm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hf_watch.local_hub import LocalHub
from tests.steered import Place, flushed_under_a_storm

if TYPE_CHECKING:
    from pathlib import Path

TIMES = 200


@pytest.mark.timeout(3_600)
def test_a_flush_waits_for_everything_that_was_there(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        flushed_under_a_storm(hub, Place(tmp_path, hub), times=TIMES)
