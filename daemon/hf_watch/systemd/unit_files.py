"""The unit files that `service install` writes: those of systemd/, with this program in them."""

from __future__ import annotations

from importlib import resources
from typing import Final

PROGRAM: Final = "/opt/hf-watch/bin/hf-watch"  # as the files have it
CONFIG: Final = "%E/hf-watch/hf-watch.toml"
NEWER: Final = (253, 254)  # versions that can do something that Debian 12's 252 warns of: newer/VERSION.conf


def template(name: str) -> str:
    """A file of systemd/ as it is."""
    return resources.files("hf_watch.systemd").joinpath("units", *name.split("/")).read_text(encoding="utf-8")


def rendered(text: str, program: str, config: str | None) -> str:
    """The file for a program at another place, and for another configuration than the usual one."""
    text = text.replace(PROGRAM, quoted(program))
    return text if config is None else text.replace(CONFIG, quoted(config))


def newer(version: int) -> dict[str, str]:
    """The drop-ins for what this version of systemd can do beyond the oldest one, by their names."""
    return {f"50-systemd-{since}.conf": template(f"newer/{since}.conf") for since in NEWER if version >= since}


def quoted(path: str) -> str:
    """A path as systemd.unit(5) takes it on a command line: no specifier, one word."""
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if any(each.isspace() or each in "\"'\\" for each in path) else text


def check_unit(text: str, output: str, options: str) -> str:
    """A unit that runs `check` once, as the user and in the sandbox of the service whose unit `text` is.

    What it prints goes into the file `output`.
    """
    runs = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart=") and " run " in line]
    program, _, arguments = runs[-1].partition(" run ")
    return (
        f"{text}\n[Service]\nType=oneshot\nExecStart=\nExecStart={program} check {arguments} {options}\nExecReload=\n"
        "Restart=no\nWatchdogSec=0\n"
        "RuntimeDirectory=\n"  # the one of the service must not go when this ends
        "ProcSubset=all\n"  # the kernel's limits are read here, and only here
        f"StandardOutput=truncate:{output}\nStandardError=inherit\n"
    )
