"""What the tests of the real command stand on: a local Hub, and a place for the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hf_watch.local_hub import LocalHub
from tests.steered import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        yield hub


@pytest.fixture(name="at")
def _at(tmp_path: Path, hub: LocalHub) -> Place:
    return Place(tmp_path, hub)
