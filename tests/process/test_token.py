"""The token, from wherever the Hub's own tools have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.local_hub import LocalHub, Token
from tests.running import environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "hf_" + "q" * 32


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", tokens={TOKEN: Token("acme")}) as hub:
        hub.create_repo("dataset", "acme/drop", private=True)
        yield hub


@pytest.mark.parametrize("place", ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME"])
def test_the_token_is_found_where_the_hub_s_tools_have_it(hub: LocalHub, tmp_path: Path, place: str) -> None:
    env = environment(hub.url, tmp_path)
    del env["HF_TOKEN"]
    file = tmp_path / "a token" if place == "HF_TOKEN_PATH" else Path(env["HF_HOME"]) / "token"  # `hf auth login`
    file.parent.mkdir(exist_ok=True)
    if place == "HF_TOKEN":
        file.write_text("hf_" + "w" * 32)  # of less weight
    else:
        file.write_text(TOKEN + "\n")
    env |= {name: value for name, value in {"HF_TOKEN": TOKEN, "HF_TOKEN_PATH": str(file)}.items() if name == place}
    pushed = run(["push", "-", "hf://datasets/acme/drop/a"], env, tmp_path, stdin=b"a")
    assert pushed.returncode == 0, pushed.stderr
    assert hub.read("dataset", "acme/drop", "a") == b"a"
