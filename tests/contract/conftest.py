"""What the tests of watches stand on: a directory to watch, and a kernel that fails when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faulty import Faulty

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return (tmp_path / "root").resolve()


@pytest.fixture
def faulty() -> Faulty:
    return Faulty()
