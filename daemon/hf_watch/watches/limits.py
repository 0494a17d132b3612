"""Which limit of this system a watch ran into, and how high it is."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Literal

from hf_watch.model import Shortage

SYSCTLS = Path("/proc/sys")
WATCHES = ("fs.inotify.max_user_watches", "user.max_inotify_watches")  # the second counts in a user namespace
INSTANCES = ("fs.inotify.max_user_instances", "user.max_inotify_instances")
DESCRIPTORS = "RLIMIT_NOFILE"
SHARE = 2  # watches take one of so many descriptors; files, the ledger and the Hub are left the others


def of_watches(sysctls: Path = SYSCTLS) -> Shortage:
    """No inotify watch was left."""
    return _lowest("watches", WATCHES, sysctls)


def of_instances(sysctls: Path = SYSCTLS) -> Shortage:
    """No inotify instance was left; or no descriptor, for which the kernel has the same word."""
    if not descriptors_left():
        return Shortage("descriptors", DESCRIPTORS, _most_open())
    return _lowest("instances", INSTANCES, sysctls)


def descriptors_left() -> bool:
    """Whether a watch may take some: without the rest of them nothing of what it sees could be published.

    A new descriptor is the lowest free number, which tells how many are taken.
    """
    try:
        fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(fd)
    most = _most_open()
    return most == resource.RLIM_INFINITY or fd < most // SHARE


def _most_open() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _lowest(what: Literal["watches", "instances"], names: tuple[str, ...], sysctls: Path) -> Shortage:
    """The lower one is what a user meets; of equal ones the first, the better known."""
    limits = [(value, name) for name in names if (value := _read(sysctls / name.replace(".", "/"))) is not None]
    if not limits:
        return Shortage(what, names[0], 0)
    value, name = min(limits, key=lambda each: each[0])
    return Shortage(what, name, value)


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None
