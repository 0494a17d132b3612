"""Mounts below a watched root and the root itself, and inotify's limits: the real ones, in a user's own namespace.

This file is also the program that runs in there: `unshare -rm python test_watch_mounts.py SCENARIO DIRECTORY`. Where
the system does not let a user have namespaces, test_watch_faults.py shows the same with injected events.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hf_watch.watches import RootWatch, reasons
from tests import namespace
from tests.eventually import eventually
from tests.mirror import Mirror, mirrored, seen, watched


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def unmount(directory: Path) -> None:
    subprocess.run(["umount", str(directory)], check=True)


def root_unmounted(root: Path) -> None:
    mount("-t", "tmpfs", "none", str(root))
    mirror = Mirror(str(root))
    watch = RootWatch(str(root), mirror)
    watch.start()
    unmount(root)
    losses = (reasons.ROOT_UNMOUNTED, reasons.ROOT_REMOUNTED)  # the queue and the table of mounts tell it
    eventually(lambda: mirror.gaps().get("") in losses, "the loss is told")
    assert not watch.is_alive()
    watch.stop()
    watch.start()  # what was below the mount
    (root / "f").write_text("x")
    seen(mirror, "f")
    watch.stop()


def directory_unmounted(root: Path) -> None:
    (root / "sub").mkdir()
    mount("-t", "tmpfs", "none", str(root / "sub"))
    (root / "sub" / "a" / "b").mkdir(parents=True)
    with mirrored(str(root)) as (mirror, watch):
        watched(watch, 4)
        (root / "sub" / "a" / "b" / "f").write_text("x")
        seen(mirror, "sub/a/b/f")
        unmount(root / "sub")
        eventually(lambda: mirror.gaps().get("sub") in {reasons.UNMOUNTED, reasons.REMOUNTED}, "the gap")
        watched(watch, 2)
        (root / "sub" / "g").write_text("x")
        seen(mirror, "sub/g")


def directory_mounted(root: Path) -> None:
    (root / "a" / "sub").mkdir(parents=True)
    with mirrored(str(root)) as (mirror, watch):
        mount("-t", "tmpfs", "none", str(root / "a" / "sub"))
        eventually(lambda: mirror.gaps().get("a/sub") == reasons.REMOUNTED, "the gap")
        (root / "a" / "sub" / "f").write_text("x")
        seen(mirror, "a/sub/f")
        watched(watch, 3)


def root_held_and_unmounted_lazily(root: Path) -> None:
    mount("-t", "tmpfs", "none", str(root))
    (root / "held").write_text("x")
    mirror = Mirror(str(root))
    watch = RootWatch(str(root), mirror)
    watch.start()
    with (root / "held").open():  # keeps the file system: inotify says nothing
        subprocess.run(["umount", "--lazy", str(root)], check=True)
        eventually(lambda: mirror.gaps().get("") == reasons.ROOT_REMOUNTED, "the loss is told")
        assert not watch.is_alive()
    watch.stop()


def limits_reached(root: Path) -> None:
    for i in range(20):
        (root / f"d{i:02}" / "below").mkdir(parents=True)
    limits = Path("/proc/sys/user")  # this namespace's own
    (limits / "max_inotify_watches").write_text("15")
    with mirrored(str(root)) as (mirror, watch):
        polled = set(watch.polled())
        assert watch.figures().watched == 15
        assert len(polled) >= 13
        eventually(lambda: mirror.gaps() == dict.fromkeys(polled, "no inotify watches left: ENOSPC"), "the gaps")
        for i in range(20):
            (root / f"d{i:02}" / "f").write_text("x")
        seen(mirror, *(f"d{i:02}/f" for i in range(20) if f"d{i:02}" not in polled))
        (limits / "max_inotify_instances").write_text("1")
        with mirrored(str(root)) as (other, without):
            assert without.polled() == ("",)
            assert other.gaps() == {"": "no inotify instance left: EMFILE"}


def one_directory_at_two_places(root: Path) -> None:
    for name in ("a", "b", "c", "d"):  # whichever of two is listed first
        (root / name).mkdir()
    mount("--bind", str(root / "a"), str(root / "b"))
    mount("--bind", str(root / "d"), str(root / "c"))
    mount("--bind", str(root), str(root / "a"))  # the root below itself
    (root / "inner").mkdir()
    with mirrored(str(root)) as (mirror, watch):
        assert watch.polled() == ("a", "c")
        for directory in ("b", "d"):
            (root / directory / "f").write_text("x")
            seen(mirror, f"{directory}/f")


SCENARIOS = {
    each.__name__: each
    for each in (
        root_unmounted,
        root_held_and_unmounted_lazily,
        directory_unmounted,
        directory_mounted,
        limits_reached,
        one_directory_at_two_places,
    )
}


if namespace.can_be_had():  # CI takes a skipped test for a failed one

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_mounts(tmp_path: Path, scenario: str) -> None:
        namespace.play(__file__, scenario, tmp_path)


if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
