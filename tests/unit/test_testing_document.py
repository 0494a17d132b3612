"""docs/testing.md names tests: they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_document_names_is_there() -> None:
    text = (ROOT / "docs" / "testing.md").read_text()
    named = re.findall(r"`(test_\w+)::(test_\w+)", text)
    assert len(named) > 10
    for module, test in named:
        assert f"def {test}(" in (ROOT / "tests" / "machine" / f"{module}.py").read_text(), f"{module}::{test}"


def test_every_file_that_the_document_names_is_there() -> None:
    named = re.findall(r"`((?:tests|benchmarks)/[\w/.]+)`", (ROOT / "docs" / "testing.md").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
