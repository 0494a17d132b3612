"""The real command in a process of its own: started, watched through its log, signalled, and always stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COMMAND = (sys.executable, "-m", "hf_watch")
STOP_TIMEOUT_S = 60.0


def environment(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """What a process of ours sees: the local Hub, and nothing of the machine's own settings."""
    not_ours = (
        "HF_",
        "XDG_",
        "CREDENTIALS_",
        "COLUMNS",
        "LINES",
    )  # the last two: of the terminal that the tests run on
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(not_ours)},
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": endpoint,
        "HF_TOKEN": "hf_" + "t" * 32,
        **more,
    }


@dataclass(frozen=True)
class Running:
    """A process and its log."""

    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> list[dict[str, Any]]:
        """The events so far; a line that is being written is not one yet."""
        lines = self.log_file.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.log() if event["event"] == name]

    def wait_for(self, name: str, *, count: int = 1) -> list[dict[str, Any]]:
        def arrived() -> list[dict[str, Any]]:
            found = self.events(name)
            assert len(found) >= count or self.process.poll() is None, f"ended early:\n{self.log_file.read_text()}"
            return found if len(found) >= count else []

        return eventually(arrived, f"{count} x {name}")

    def published(self) -> int:
        """How many operations were recorded as committed."""
        return sum(event["files"] for event in self.events("commit.recorded"))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(STOP_TIMEOUT_S)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def running(arguments: list[str], env: Mapping[str, str], log_file: Path) -> Iterator[Running]:
    """Start `hf-watch` with its log in a file; it is gone afterwards, whatever happens."""
    with log_file.open("wb") as log:
        process = subprocess.Popen([*COMMAND, *arguments], env=dict(env), stderr=log, stdout=log, cwd=log_file.parent)
    try:
        yield Running(process, log_file)
    finally:
        process.kill()
        process.wait()


def run(
    arguments: list[str], env: Mapping[str, str], cwd: Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `hf-watch` to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], env=dict(env), cwd=cwd, input=stdin, capture_output=True, timeout=120, check=False
    )
