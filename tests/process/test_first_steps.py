"""What somebody meets who tries it for the first time: no token yet, a mistake in a setting, a question too many."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.running import environment, run, running

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub

ROOT = Path(__file__).parents[2]
DEST = "hf://datasets/acme/drop/incoming"


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "a.csv").write_text("1")
    return drop


def test_make_demo_watches_a_directory_and_shows_the_page(tmp_path: Path) -> None:
    made = ["make", "--dry-run", "demo", f"DEMO_DIR={tmp_path}/demo", "DEMO_PAGE=127.0.0.1:0"]
    said = subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    [command] = [line for line in said if "hf-watch run" in line]
    (tmp_path / "demo" / "drop").mkdir(parents=True)
    words = shlex.split(command)
    settings = dict(word.split("=", 1) for word in words[: words.index(".venv/bin/hf-watch")])
    arguments = words[words.index(".venv/bin/hf-watch") + 1 :]
    with running(arguments, environment("", tmp_path, **settings), tmp_path / "log") as daemon:
        [started] = daemon.wait_for("page.started")
        daemon.wait_for("service.started")
        (tmp_path / "demo" / "drop" / "a.txt").write_text("a")
        daemon.wait_for("commit.recorded")
        assert (tmp_path / "demo/hub/repos/datasets/demo/drop/main/a.txt").read_text() == "a", "where the demo says"
        assert httpx2.get(started["url"], timeout=60.0).status_code == 200
        assert daemon.stop() == 0


def test_without_a_token_check_plan_and_explain_tell_what_they_can(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    del env["HF_TOKEN"]
    checked = run(["check", str(drop), DEST, "--json"], env, tmp_path)
    rows = {each["check"]: each for each in json.loads(checked.stdout)["checks"]}
    assert (checked.returncode, rows["token"]["level"]) == (1, "fail")
    assert "HF_TOKEN" in rows["token"]["remedy"]
    assert {"settings", "source drop", "inotify watches", "state", "cache", "clock"} <= rows.keys()
    (destination,) = [row for name, row in rows.items() if name.startswith("destination ")]
    assert (destination["level"], destination["text"]) == ("warn", "not asked: there is no token")
    before = len(hub.requests)
    planned = run(["plan", str(drop), DEST], env, tmp_path)
    assert planned.returncode == 1
    assert b"upload  a.csv -> incoming/a.csv" in planned.stdout
    assert b"the Hub was not asked, and may hold some of it already (no token: set HF_TOKEN" in planned.stdout
    assert json.loads(run(["plan", str(drop), DEST, "--json"], env, tmp_path).stdout)["unasked"].startswith("no token")
    explained = run(["explain", str(drop / "a.csv"), str(drop), DEST], env, tmp_path)
    assert explained.returncode == 1
    assert b"not asked (no token" in explained.stdout
    assert len(hub.requests) == before


def test_what_cannot_be_read_for_a_token_is_a_row_of_check(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path, HF_TOKEN_PATH=str(tmp_path))
    del env["HF_TOKEN"]
    checked = run(["check", str(drop), DEST], env, tmp_path)
    assert checked.returncode == 1
    assert b"fail  token: the place of the token cannot be read" in checked.stdout


def test_two_directories_with_one_place_are_named_at_the_start(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    config = tmp_path / "hf-watch.toml"
    config.write_text("".join(f'[[target]]\nsource = "{each}"\ndest = "{DEST}"\n' for each in (drop, other)))
    env = environment(hub.url, tmp_path)
    checked = run(["check"], env, tmp_path)
    assert b"warn  dest: drop and other go to one place, hf://datasets/acme/drop@main/incoming" in checked.stdout
    assert b"commits: at most 100 an hour" in checked.stdout
    assert b"commits:" not in run(["check", "--local", str(tmp_path / "own")], env, tmp_path).stdout, "no limit there"
    with running(["run", "--config", str(config)], env, tmp_path / "log") as daemon:
        assert daemon.wait_for("dest.shared")[0]["targets"] == ["drop", "other"]
        daemon.wait_for("service.started")
        assert daemon.stop() == 0


def test_a_push_to_a_hub_that_ends_with_it_says_where_the_content_lies(tmp_path: Path) -> None:
    env = environment("", tmp_path)
    arguments = ["push", "-", "hf://acme/model@next%2Fone/docs/a.txt", "--local", str(tmp_path / "own")]
    for more in ([], [], ["--json"]):
        ended = run([*arguments, *more], env, tmp_path, stdin=b"pushed")
        assert ended.returncode == 0, ended.stderr
        place = json.loads(ended.stdout)["file"] if more else ended.stdout.decode().rstrip("\n")
        assert Path(place).read_bytes() == b"pushed"
        assert b"http://" not in ended.stdout
