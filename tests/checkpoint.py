"""A directory of 40 files, written over 20 s in real time, and what the Hub may have of it: all, in one commit."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from hf_watch.local_hub import LocalHub
from tests.eventually import eventually
from tests.running import environment, running

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

REPO = ("dataset", "acme/drop")
FILES = 40
TAKES_S = 20.0
WEIGHTS = b"\0\1\2\3\4\5\6\7" * 4_000
MARKER = "_SUCCESS"


def written_over_time(directory: Path) -> Iterator[int]:
    """Write one file after the other, each when its time has come, and say which one it was."""
    began = time.monotonic()
    for number in range(FILES):
        due = began + number * TAKES_S / FILES
        eventually(lambda due=due: time.monotonic() >= due, f"it is time for file {number}")  # type: ignore[misc]
        (directory / f"{number:02}.bin").write_bytes(bytes([number]) + WEIGHTS)
        yield number


def is_one_commit(place: Path, kill_after: Collection[int], quiet_s: float, *, marked: bool) -> None:
    """Publish it with a daemon that is killed after each of these files, and started again at once."""
    drop = place / "drop"
    checkpoint = drop / "step-1"
    checkpoint.mkdir(parents=True)
    with LocalHub(place / "hub", open_namespaces=True) as hub, ExitStack() as lives:
        options = ["--create-repo", "--group", "directory", "--quiet-s", str(quiet_s)]
        options += ["--ready-marker", MARKER] if marked else []
        arguments = ["run", str(drop), "hf://datasets/acme/drop", *options, "--state-dir", str(place / "state")]
        daemon = lives.enter_context(running(arguments, environment(hub.url, place), place / "log"))
        daemon.wait_for("service.started")
        for number in written_over_time(checkpoint):
            if number in kill_after:
                daemon.kill()
                daemon = lives.enter_context(running(arguments, environment(hub.url, place), place / f"log-{number}"))
        if marked:
            (checkpoint / MARKER).touch()
        written = {f"step-1/{file.name}" for file in checkpoint.iterdir()}
        assert len(written) == FILES + marked
        eventually(lambda: written <= hub.files(*REPO).keys(), "the checkpoint is on the Hub", 120.0)
        made = [set(commit.added) & written for commit in hub.commits(*REPO)]
        assert [each for each in made if each] == [written]
        assert daemon.stop() == 0
        assert all(hub.read(*REPO, path) == (drop / path).read_bytes() for path in written)
