"""A daemon that is seen and steered by the real commands, and a storm that it is flushed under."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hf_watch.control.client import connected
from tests.running import environment, run, running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hf_watch.local_hub import LocalHub
    from tests.running import Running

DEST = "hf://datasets/acme/drop/incoming"


class Place:
    """Where a daemon runs, and the commands that talk to it."""

    def __init__(self, directory: Path, hub: LocalHub) -> None:
        self.directory = directory
        self.drop = directory / "drop"
        self.state_dir = directory / "state"
        self.env = environment(hub.url, directory)
        self.drop.mkdir()
        self._lives = 0

    @contextmanager
    def running(self, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Running]:
        self._lives += 1
        log = self.directory / f"log{self._lives}"
        arguments = [
            "run",
            str(self.drop),
            DEST,
            "--state-dir",
            str(self.state_dir),
            "--quiet-s",
            "0.1",
            "--create-repo",
        ]
        with running([*arguments, *options], env or self.env, log) as daemon:
            daemon.wait_for("service.started")
            yield daemon

    def say(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return run([*arguments, "--state-dir", str(self.state_dir)], self.env, self.directory)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.say("status", "--json").stdout)
        return found


def held(hub: LocalHub) -> set[str]:
    return {
        path.removeprefix("incoming/") for path in hub.files("dataset", "acme/drop") if path.startswith("incoming/")
    }


def flushed_under_a_storm(hub: LocalHub, at: Place, *, times: int) -> None:
    """Flush while somebody writes; whatever was there before each flush must be on the Hub after it."""
    is_over = threading.Event()
    never = threading.Event()

    def storm() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            directory = at.drop / f"d{number % 7}"
            directory.mkdir(exist_ok=True)
            (directory / f"{number:06}.txt").write_text(str(number))
            (at.drop / "again.txt").write_text(str(number))
            never.wait(0.01)

    with at.running(
        "--rescan-s", "3600", "--max-wait-s", "1", env={**at.env, "HF_WATCH_COMMIT__PER_HOUR": "0"}
    ) as daemon:
        writer = threading.Thread(target=storm)
        writer.start()
        try:
            with connected([at.state_dir]) as client:
                for _ in range(times):
                    there = {str(path.relative_to(at.drop)) for path in at.drop.rglob("*.txt")}
                    flush = client.flush(wait=True, timeout_s=None)
                    assert flush.published, flush
                    assert not there - held(hub)
        finally:
            is_over.set()
            writer.join()
        assert daemon.stop() == 0
