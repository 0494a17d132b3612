"""The real command where the system's limits are low and mounts go away: all of it real, in a user's own namespace.

This file is also the program that runs in there: `unshare -rm python test_system_limits.py SCENARIO DIRECTORY`. Where
the system does not let a user have namespaces, tests/contract shows the same by scripted refusals.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hf_watch.local_hub import LocalHub
from tests import namespace
from tests.disk import fill
from tests.eventually import eventually
from tests.running import environment, run, running

LIMITS = Path("/proc/sys/user")  # this namespace's own
DEST = "hf://datasets/acme/drop"
QUICK = ["--quiet-s", "0.1", "--poll-s", "1", "--create-repo"]


def _published(hub: LocalHub, *names: str) -> bool:
    return set(names) <= set(_files(hub))


def _files(hub: LocalHub) -> list[str]:
    try:
        return list(hub.files("dataset", "acme/drop"))
    except KeyError:
        return []  # not created yet


def watches_run_out_and_come_back(place: Path, hub: LocalHub) -> None:
    drop = place / "drop"
    directories = [f"d{number:02}" for number in range(20)]
    fill(drop, {f"{directory}/below/early": directory.encode() for directory in directories})
    (LIMITS / "max_inotify_watches").write_text("15")
    with running(["run", str(drop), DEST, *QUICK], environment(hub.url, place), place / "log") as daemon:
        [limited] = daemon.wait_for("watch.limited")
        assert limited["setting"] == "user.max_inotify_watches"
        assert (limited["limit"], limited["missing"], limited["needed"]) == (15, 26, 41)
        fill(drop, {f"{directory}/below/late": directory.encode() for directory in directories})
        names = [f"{directory}/below/{name}" for directory in directories for name in ("early", "late")]
        eventually(lambda: _published(hub, *names), "what has no watch is polled")
        (LIMITS / "max_inotify_watches").write_text("100")
        daemon.wait_for("watch.restored")
        fill(drop, {"d19/below/last": b"last"})
        eventually(lambda: _published(hub, "d19/below/last"), "it is watched")
        assert len(daemon.events("watch.limited")) == 1
        assert daemon.stop() == 0


def no_instance_is_left_and_one_comes_back(place: Path, hub: LocalHub) -> None:
    drop = place / "drop"
    fill(drop, {"early": b"early"})
    (LIMITS / "max_inotify_instances").write_text("0")
    with running(["run", str(drop), DEST, *QUICK], environment(hub.url, place), place / "log") as daemon:
        [limited] = daemon.wait_for("watch.limited")
        assert (limited["setting"], limited["limit"], limited["needed"]) == ("user.max_inotify_instances", 0, 1)
        fill(drop, {"late": b"late"})
        eventually(lambda: _published(hub, "early", "late"), "it is polled")
        (LIMITS / "max_inotify_instances").write_text("10")
        daemon.wait_for("watch.restored")
        fill(drop, {"last": b"last"})
        eventually(lambda: _published(hub, "last"), "it is watched")
        assert daemon.stop() == 0


def some_of_several_targets_get_an_instance(place: Path, hub: LocalHub) -> None:
    names = [f"d{number}" for number in range(5)]
    table = '[[target]]\nsource = "{0}/{1}"\ndest = "{2}/{1}"\ncreate_repo = true\nquiet_s = 0.1\npoll_s = 1\n'
    (place / "hf-watch.toml").write_text("".join(table.format(place, name, DEST) for name in names))
    fill(place, {f"{name}/early": name.encode() for name in names})
    (LIMITS / "max_inotify_instances").write_text("2")
    with running(["run", "--config", "hf-watch.toml"], environment(hub.url, place), place / "log") as daemon:
        limited = daemon.wait_for("watch.limited", count=3)
        assert {(each["setting"], each["limit"]) for each in limited} == {("user.max_inotify_instances", 2)}
        assert [each["needed"] for each in limited] == [3, 4, 5]
        fill(place, {f"{name}/late": name.encode() for name in names})
        wanted = [f"{name}/{when}" for name in names for when in ("early", "late")]
        eventually(lambda: _published(hub, *wanted), "some are watched, the others are polled")
        (LIMITS / "max_inotify_instances").write_text("5")
        daemon.wait_for("watch.restored", count=3)
        fill(place, {f"{name}/last": name.encode() for name in names})
        eventually(lambda: _published(hub, *(f"{name}/last" for name in names)), "all are watched")
        assert len(daemon.events("watch.limited")) == 3
        assert daemon.stop() == 0


def the_disk_of_the_ledger_is_full_for_a_while(place: Path, hub: LocalHub) -> None:
    drop, state = place / "drop", place / "state"
    fill(drop, {"early": b"early"})
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(state)], check=True)
    arguments = ["run", str(drop), DEST, *QUICK, "--state-dir", str(state)]
    with running(arguments, environment(hub.url, place), place / "log") as daemon:
        daemon.wait_for("commit.recorded")
        with (state / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * 4096):
                pass
        fill(drop, {f"{number:03}": b"%d" % number for number in range(300)})
        [failed] = daemon.wait_for("ledger.failed")
        assert "full" in failed["reason"]
        eventually(lambda: _reason(place, state), "the status says so")
        assert not _published(hub, "000")
        (state / "filler").unlink()
        daemon.wait_for("ledger.recovered")
        eventually(lambda: _published(hub, *(f"{number:03}" for number in range(300))), "it goes on")
        batches = [each.description for each in hub.commits("dataset", "acme/drop")]
        assert len(set(batches)) == len(batches)
        assert len(daemon.events("ledger.failed")) == 1
        assert daemon.stop() == 0
    subprocess.run(["umount", str(state)], check=True)


def _reason(place: Path, state: Path) -> bool:
    """Whether `status` names the ledger as what everything waits for."""
    said = run(["status", "--json", "--state-dir", str(state)], environment("", place), place).stdout
    return "ledger.sqlite3" in (json.loads(said)["targets"][0]["reason"] or "")


def the_root_is_unmounted_and_mounted_again(place: Path, hub: LocalHub) -> None:
    drop, disk = place / "drop", place / "disk"
    drop.mkdir()
    fill(disk, {"a": b"a", "b": b"b"})
    subprocess.run(["mount", "--bind", str(disk), str(drop)], check=True)
    arguments = ["run", str(drop), DEST, *QUICK, "--rescan-s", "10", "--on-delete", "mirror"]
    with running(arguments, environment(hub.url, place), place / "log") as daemon:
        eventually(lambda: _published(hub, "a", "b"), "it is published")
        subprocess.run(["umount", str(drop)], check=True)
        daemon.wait_for("target.lost")
        scanned = len(daemon.events("target.scanned"))
        daemon.wait_for("target.scanned", count=scanned + 1)  # the empty directory that came to light
        assert _published(hub, "a", "b")
        (disk / "a").unlink()
        fill(disk, {"c": b"c"})
        subprocess.run(["mount", "--bind", str(disk), str(drop)], check=True)
        eventually(lambda: set(_files(hub)) >= {"b", "c"}, "it is taken up again")
        eventually(lambda: not _published(hub, "a"), "what is deleted in it is deleted")
        assert daemon.stop() == 0
    subprocess.run(["umount", str(drop)], check=True)


def what_is_mounted_below_the_root_is_unmounted(place: Path, hub: LocalHub) -> None:
    drop = place / "drop"
    fill(drop, {"own": b"own"})
    (drop / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(drop / "sub")], check=True)
    fill(drop, {"sub/a": b"a", "sub/deep/b": b"b", "sub/doomed": b"doomed"})
    arguments = ["run", str(drop), DEST, *QUICK, "--rescan-s", "1", "--on-delete", "mirror"]
    with running(arguments, environment(hub.url, place), place / "log") as daemon:
        eventually(lambda: _published(hub, "own", "sub/a", "sub/deep/b", "sub/doomed"), "it is published")
        (drop / "sub" / "doomed").unlink()
        eventually(lambda: not _published(hub, "sub/doomed"), "what is deleted on it is deleted")
        subprocess.run(["umount", "--lazy", str(drop / "sub")], check=True)
        scanned = len(daemon.events("target.scanned"))
        daemon.wait_for("target.scanned", count=scanned + 3)
        (drop / "own").unlink()
        fill(drop, {"new": b"new"})
        eventually(
            lambda: _published(hub, "new") and not _published(hub, "own"), "what is deleted beside it is deleted"
        )
        assert _published(hub, "sub/a", "sub/deep/b")
        assert daemon.stop() == 0


SCENARIOS = {
    each.__name__: each
    for each in (
        watches_run_out_and_come_back,
        no_instance_is_left_and_one_comes_back,
        some_of_several_targets_get_an_instance,
        the_disk_of_the_ledger_is_full_for_a_while,
        the_root_is_unmounted_and_mounted_again,
        what_is_mounted_below_the_root_is_unmounted,
    )
}


if namespace.can_be_had():  # CI takes a skipped test for a failed one

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_limits(tmp_path: Path, scenario: str) -> None:
        namespace.play(__file__, scenario, tmp_path)


if __name__ == "__main__":
    with LocalHub(Path(sys.argv[2]) / "hub", open_namespaces=True) as hub:
        SCENARIOS[sys.argv[1]](Path(sys.argv[2]), hub)
