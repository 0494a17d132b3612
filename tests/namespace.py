"""Scenarios played by the file that holds them, as a program in a user's own namespace: with mounts, without root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NAMESPACE = ["unshare", "--map-root-user", "--mount"]
REPOSITORY = Path(__file__).parents[1]


def can_be_had() -> bool:
    """Whether the system lets a user have one."""
    try:
        return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def play(file: str, scenario: str, place: Path) -> None:
    """Run `file SCENARIO DIRECTORY` in there; what fails in it fails here."""
    command = [*NAMESPACE, sys.executable, file, scenario, str(place.resolve())]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'daemon'}"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
