"""The settings reach what they are for: given to the real command, seen in what it does."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.eventually import eventually
from tests.running import environment, run, running

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub

DEST = "hf://datasets/acme/drop/incoming"


@pytest.fixture(name="hub")
def _hub(hub: LocalHub) -> LocalHub:
    hub.create_repo("dataset", "acme/drop", private=True)
    return hub


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


def _has_inotify(pid: int) -> bool:
    """Whether a process watches anything by inotify."""
    said = ""
    for each in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # closed by now
            said += each.read_text()
    return "inotify wd:" in said


def _held(hub: LocalHub) -> set[str]:
    return {path for path in hub.files("dataset", "acme/drop") if path.startswith("incoming/")}


@pytest.mark.parametrize("observer", ["auto", "polling"])
def test_the_options_of_a_target(hub: LocalHub, drop: Path, tmp_path: Path, observer: str) -> None:
    options = [
        "--observer", observer, "--poll-s", "1", "--quiet-s", "0.1", "--max-wait-s", "0.5", "--publish-open",
        "--hidden", "--exclude", "*.raw", "--commit-message", "{target}: {summary}",
    ]  # fmt: skip
    env = environment(hub.url, tmp_path)
    with running(["run", str(drop), DEST, *options], env, tmp_path / "log") as daemon:
        daemon.wait_for("target.scanned")
        assert _has_inotify(daemon.process.pid) is (observer == "auto")
        (drop / "left.raw").write_text("raw")
        (drop / ".hidden").write_text("hidden")
        with (drop / "open").open("w") as file:
            file.write("written so far")
            file.flush()
            eventually(lambda: _held(hub) == {"incoming/.hidden", "incoming/open"}, "both, the open one too")
        assert daemon.stop() == 0
    titles = [
        commit.title for commit in hub.commits("dataset", "acme/drop") if commit.added and "batch" in commit.description
    ]
    assert titles
    assert all(title.startswith("drop: Add ") for title in titles)


def test_a_rate_of_bytes_puts_off_what_comes_after_them(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path, HF_WATCH_UPLOAD__MAX_BYTES_PER_S="1", HF_WATCH_SHUTDOWN_S="0.5")
    with running(["run", str(drop), DEST, "--quiet-s", "0.1"], env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        (drop / "a").write_bytes(b"a" * 100_000)
        daemon.wait_for("commit.recorded")
        (drop / "b").write_bytes(b"b")
        (deferred,) = daemon.wait_for("commit.deferred")
        assert deferred["not_before_s"] > 1_000
        assert daemon.stop() == 0
    assert _held(hub) == {"incoming/a"}


def test_a_pass_compares_when_it_is_told_to_and_a_plan_asks_nobody_when_it_is_not_to(
    hub: LocalHub, drop: Path, tmp_path: Path
) -> None:
    env = environment(hub.url, tmp_path)
    (drop / "a").write_text("a")

    def asked(*arguments: str) -> list[str]:
        before = len(hub.requests)
        assert run([arguments[0], str(drop), DEST, *arguments[1:]], env, tmp_path).returncode == 0
        return [each.path for each in hub.requests[before:]]

    asked("sync", "--quiet-s", "0.1")
    assert not any("/tree/" in path for path in asked("sync"))
    assert any("/tree/" in path for path in asked("sync", "--verify"))
    assert asked("plan", "--offline") == []
    del env["HF_TOKEN"]
    planned = run(["plan", str(drop), DEST, "--offline", "--json"], env, tmp_path)
    assert json.loads(planned.stdout)["targets"][0]["unchanged"] == 1
