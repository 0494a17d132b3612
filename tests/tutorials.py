"""The commands of a page of docs/, as a reader would type them.

A fenced block `sh tested` is run to its end, `sh background` is kept running beside the others, `toml NAME` is written
to that file; all other blocks are there to be read.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.running import STOP_TIMEOUT_S, Running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BLOCK = re.compile(r"^```(?P<language>\w*) ?(?P<mark>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
STRICT = ("bash", "-euo", "pipefail", "-c")
LONGEST_S = 300


@dataclass(frozen=True)
class Block:
    language: str
    mark: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(found["language"], found["mark"], found["text"]) for found in BLOCK.finditer(page.read_text())]


def follow(page: Path, directory: Path, env: Mapping[str, str]) -> int:
    """Do all that the page says, in `directory`; how many commands that were. What runs beside must end well, too."""
    env = {**env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}
    done = 0
    with ExitStack() as beside:
        for block in blocks_of(page):
            if (block.language, block.mark) == ("sh", "tested"):
                result = subprocess.run(
                    [*STRICT, block.text], cwd=directory, env=env, capture_output=True, text=True, timeout=LONGEST_S,
                    check=False,
                )  # fmt: skip
                assert result.returncode == 0, f"{page.name}:\n{block.text}\n{result.stdout}\n{result.stderr}"
            elif (block.language, block.mark) == ("sh", "background"):
                beside.enter_context(_beside(block.text, directory, env, directory / f"log{done}"))
            elif block.language == "toml" and block.mark:
                beside.close()  # what ran with the former settings is stopped, as the page says
                (directory / block.mark).write_text(block.text)
            else:
                continue
            done += 1
    return done


@contextmanager
def _beside(command: str, directory: Path, env: Mapping[str, str], log_file: Path) -> Iterator[None]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*STRICT, command], cwd=directory, env=dict(env), stderr=log, stdout=log, start_new_session=True
        )
    try:
        Running(process, log_file).wait_for("service.started")
        yield
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(STOP_TIMEOUT_S) in {0, -signal.SIGTERM}, log_file.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
