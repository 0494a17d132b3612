"""Every command of the tutorials and recipes, tried on the local Hub, and what is on the Hub in the end."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.settings.settings import Settings
from tests.running import environment
from tests.tutorials import blocks_of, follow

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub

LOCAL_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
DOCS = Path(__file__).parents[2] / "docs"


def _follow(page: str, tmp_path: Path, hub: LocalHub) -> int:
    work = tmp_path / "work"
    work.mkdir()
    return follow(DOCS / page, work, environment(hub.url, tmp_path))


def _files(hub: LocalHub, kind: str, repo: str) -> set[str]:
    return set(hub.files(kind, repo)) - {".gitattributes"}


def test_a_drop_folder(tmp_path: Path, hub: LocalHub) -> None:
    assert _follow("tutorial-drop-folder.md", tmp_path, hub) == 8
    assert _files(hub, "dataset", "acme/drop") == {f"incoming/run-{number}.csv" for number in range(1, 7)}


def test_development(tmp_path: Path, hub: LocalHub) -> None:
    assert _follow("tutorial-development.md", tmp_path, hub) == 6
    assert _files(hub, "dataset", "me/data") == {"two.txt"}
    assert _files(hub, "dataset", "me/results") == {"result.txt", "log/date.txt", "copies/result.txt"}


def test_a_server(tmp_path: Path, hub: LocalHub) -> None:
    assert _follow("tutorial-server.md", tmp_path, hub) == 6
    assert _files(hub, "dataset", "acme/runs") == {"raw/first.csv"}
    assert _files(hub, "model", "acme/model") == {"step-2.bin"}


def test_the_recipes(tmp_path: Path, hub: LocalHub) -> None:
    assert _follow("recipes.md", tmp_path, hub) == 8
    assert _files(hub, "model", "acme/model") == {"step-100/model.bin", "step-200/model.bin"}
    assert {"step-100/model.bin", "step-200/model.bin"} <= _files(hub, "model", "acme/run1")
    assert _files(hub, "dataset", "acme/results") == {"metrics.json"}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere_and_configurations_are_right(page: Path) -> None:
    for target in LOCAL_LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
    for block in blocks_of(page):
        if block.language == "toml":
            Settings.model_validate(tomllib.loads(block.text))
