"""Files that get their names back, and never in the place of another one.

Each on file systems that can rename unless something is there, and on those that cannot.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hf_watch.disk import relocation
from hf_watch.disk.roots import LEAVING_PREFIX
from tests.kernels import without_rename_flags

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    On = Callable[[Callable[[], object]], None]

PRIVATE = f"{LEAVING_PREFIX}a.txt{relocation.PRIVATE_SUFFIX}"


def _as_it_is(act: Callable[[], object]) -> None:
    act()


@pytest.fixture(name="on", params=[_as_it_is, without_rename_flags], ids=["rename", "link"])
def _on(request: pytest.FixtureRequest) -> On:
    found: On = request.param
    return found


def _contents(directory: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in directory.iterdir()}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], {"a.txt": "left"}),
        (["a.txt"], {"a.txt": "a new one", "a-1.txt": "left"}),
        (["a.txt", "a-1.txt"], {"a.txt": "a new one", "a-1.txt": "a new one", "a-2.txt": "left"}),
    ],
)
def test_a_file_that_was_cut_short_while_it_left_gets_a_name_back(
    tmp_path: Path, on: On, there: list[str], expected: dict[str, str]
) -> None:
    (tmp_path / PRIVATE).write_text("left")
    for name in there:
        (tmp_path / name).write_text("a new one")
    on(lambda: relocation.restore(str(tmp_path), "", PRIVATE))
    assert _contents(tmp_path) == expected


def test_a_file_that_has_its_name_back_already_only_loses_the_other(tmp_path: Path, on: On) -> None:
    (tmp_path / PRIVATE).write_text("left")
    os.link(tmp_path / PRIVATE, tmp_path / "a.txt")
    on(lambda: relocation.restore(str(tmp_path), "", PRIVATE))
    assert _contents(tmp_path) == {"a.txt": "left"}
