"""Machines with hf-watch's wheel installed, each test with a fresh one."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.local_hub import LocalHub
from tests.systemd.machine import Machine, Store, missing, set_up, store
from tests.systemd.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
NUMBERS = itertools.count(1)
BASE = "base"

# This machine's own services and mounts are none of the test's business; the rest is what README.md says, with the
# versions that were resolved for it.
PREPARE = """
rm -rf /etc/systemd/system /etc/systemd/user
mkdir -p /etc/systemd/system /etc/systemd/user
ln -s /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
for unit in getty.target console-getty.service systemd-timesyncd.service systemd-firstboot.service; do
  ln -s /dev/null /etc/systemd/system/$unit
done
: >/etc/fstab
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' >/etc/machine-id
/usr/bin/python3 -m venv /opt/hf-watch
/opt/hf-watch/bin/pip install --quiet --require-hashes -r /opt/dist/systemd.txt
/opt/hf-watch/bin/pip install --quiet --no-deps /opt/dist/*.whl
"""


@pytest.fixture(scope="session", name="kept")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if why := missing():
        pytest.skip(why)
    dist = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", dist, ROOT],
        check=True,
    )
    with store() as kept:
        place = kept.path(f"{BASE}/upper/opt/dist")
        place.mkdir(parents=True)
        for file in (*dist.glob("*.whl"), ROOT / "requirements/systemd.txt"):
            shutil.copy(file, place)
        set_up(kept, BASE, PREPARE)
        yield kept


@pytest.fixture(name="new_machine")
def _new_machine(kept: Store) -> Iterator[Callable[[], Machine]]:
    machines: list[Machine] = []

    def new() -> Machine:
        machines.append(Machine(kept, f"m{next(NUMBERS)}-{os.getpid()}", [BASE]))
        return machines[-1]

    yield new
    for machine in machines:
        machine.power_off()


@pytest.fixture(name="machine")
def _machine(new_machine: Callable[[], Machine]) -> Machine:
    machine = new_machine()
    machine.boot()
    return machine


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        yield hub


@pytest.fixture(name="serving")
def _serving(machine: Machine, hub: LocalHub) -> Serving:
    return Serving(machine, hub)
