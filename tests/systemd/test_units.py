"""The unit files, as systemd's own tools judge them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from hf_watch.systemd.unit_files import template

if TYPE_CHECKING:
    from tests.systemd.serving import Serving

SYSTEM_UNITS = ("hf-watch.service", "hf-watch@.service")
MOST_EXPOSURE = 1.5


def test_systemd_has_nothing_to_say_against_them(serving: Serving) -> None:
    serving.install()
    for unit in SYSTEM_UNITS:
        found = serving.machine.run("systemd-analyze", "verify", f"/etc/systemd/system/{unit}")
        assert found.stdout + found.stderr == ""


@pytest.mark.parametrize("unit", SYSTEM_UNITS)
def test_the_sandbox_leaves_little_exposed(serving: Serving, unit: str) -> None:
    serving.install()
    told = serving.machine.run(
        "systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE * 10:.0f}", "--no-pager",
        f"/etc/systemd/system/{unit}",
    ).stdout  # fmt: skip
    [exposure] = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert float(exposure) <= MOST_EXPOSURE, told
    assert not json.loads(f"[{exposure}]")[0] > MOST_EXPOSURE


def test_an_instance_has_the_sandbox_of_the_plain_service() -> None:
    plain, instance = (template(name).replace("@labs", "").replace(" (%i)", "") for name in SYSTEM_UNITS)
    instance = (
        instance.replace("hf-watch@%i", "hf-watch").replace("%i.token", "token").replace("/%i.toml", "/hf-watch.toml")
    )
    directives = [line for line in instance.splitlines() if not line.startswith("#")]
    assert directives == [line for line in plain.splitlines() if not line.startswith("#")]


def test_every_line_of_the_sandbox_says_what_it_forbids() -> None:
    for name in (*SYSTEM_UNITS, "user/hf-watch.service"):
        lines = template(name).split("[Service]")[1].split("[Install]")[0].splitlines()
        commented = False
        for line in lines:
            commented = line.startswith("#") or (commented and bool(line))
            assert commented or not line, f"{name}: {line}"
