"""A number of things is written as people write it: 1 file, 2 files."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import hf_watch
from hf_watch.threads.status import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(hf_watch.__file__).parent
THINGS = re.compile(r" (files|paths|deletes|commits|targets|directories|folders|lines|roots|bytes)\b")
NEVER_ONE = {
    "groups.py": "a group that is too large for a commit",
    "capacity.py": "a repo or folder that is full",
    "plan.py": "one file is named, not counted",
    "filters.py": "a bound, as it was set",
    "explain.py": "a bound, as it was set",
    "intake.py": "a bound",
    "routes.py": "a bound",
}


def test_one_thing_is_one_and_others_are_several() -> None:
    assert [counted(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [counted(number, "directory", "directories") for number in (1, 2)] == ["1 directory", "2 directories"]


def test_nobody_writes_1_files() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if "local_hub" not in file.parts]  # it speaks with programs
    found = {file.name: texts for file in files if (texts := list(_plurals(file)))}
    assert found.keys() == NEVER_ONE.keys(), found


def _plurals(file: Path) -> Iterator[str]:
    """Texts in which a value stands before things, whatever number it is."""
    for node in ast.walk(ast.parse(file.read_text())):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, text in pairwise(parts):
            if isinstance(value, ast.FormattedValue) and (found := THINGS.match(_text(text))):
                yield found[1]


def _text(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""
