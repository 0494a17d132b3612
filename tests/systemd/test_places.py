"""Directories that come and go, and several services side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.eventually import eventually
from tests.systemd.serving import Serving, target

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub
    from tests.systemd.machine import Machine

MOUNT = "/srv/mount"


def test_booted_without_its_mount_it_waits_and_deletes_nothing(serving: Serving) -> None:
    machine = serving.machine
    serving.install(target(MOUNT, on_delete="mirror"))
    serving.make_directory("/srv/disk")
    machine.shell(f"mkdir {MOUNT} && mount --bind /srv/disk {MOUNT}")
    serving.systemctl("enable", "--now")
    serving.write("a.txt", b"a", MOUNT)
    serving.wait_until_held({"a.txt": b"a"})

    machine.power_off()
    machine.boot()
    serving.wait_for_property("ActiveState", "active")
    serving.wait_for("target.scanned", 2)
    assert serving.held() == {"a.txt": b"a"}, "an empty mount point is no reason to delete"

    machine.shell(f"mount --bind /srv/disk {MOUNT}")
    serving.write("b.txt", b"b", MOUNT)
    serving.wait_until_held({"a.txt": b"a", "b.txt": b"b"})


def test_booted_without_its_directory_it_takes_it_up_when_it_is_mounted(serving: Serving) -> None:
    machine = serving.machine
    serving.install(target(f"{MOUNT}/drop"))
    machine.run("mkdir", MOUNT)
    serving.systemctl("enable")
    machine.power_off()
    machine.boot()
    serving.wait_for("target.lost")
    assert serving.show("ActiveState") == "active"
    machine.shell(f"mount -t tmpfs tmpfs {MOUNT} && install -d -g hf-watch -m 2775 {MOUNT}/drop")
    serving.wait_for("target.found")
    serving.write("a.txt", b"a", f"{MOUNT}/drop")
    serving.wait_until_held({"a.txt": b"a"})


def test_a_drop_folder_is_emptied_where_the_sandbox_lets_it_be(serving: Serving) -> None:
    machine = serving.machine
    serving.install(target(after_upload="delete"))
    checked = machine.run("/opt/hf-watch/bin/hf-watch", "service", "check", check=False)
    assert "/srv/drop: cannot be written" in checked.stdout, "all of the file system is read-only to it"
    serving.drop_in("drop", "[Service]\nReadWritePaths=/srv/drop\n")
    assert machine.run("/opt/hf-watch/bin/hf-watch", "service", "check").returncode == 0
    serving.start()
    serving.write("a.txt", b"a")
    serving.wait_until_held({"a.txt": b"a"})
    eventually(lambda: not machine.path("/srv/drop/a.txt").exists(), "what was published is gone")
    assert serving.held() == {"a.txt": b"a"}


def test_two_instances_run_side_by_side(machine: Machine, hub: LocalHub) -> None:
    one, two = (
        Serving(machine, hub, f"hf-watch@{name}.service", f"/etc/hf-watch/{name}.toml", f"/etc/hf-watch/{name}.token")
        for name in ("one", "two")
    )
    for number, serving in enumerate((one, two)):
        serving.make_directory(f"/srv/{number}", owner="root:root", mode="755")
        serving.install(target(f"/srv/{number}", f"hf://datasets/acme/repo{number}/incoming"))
        serving.start()
    for number, serving in enumerate((one, two)):
        serving.write("a.txt", b"%d" % number, f"/srv/{number}")
        serving.wait_until_held({"a.txt": b"%d" % number}, f"acme/repo{number}")
    one.systemctl("kill", "-s", "KILL")
    two.write("b.txt", b"b", "/srv/1")
    two.wait_until_held({"a.txt": b"1", "b.txt": b"b"}, "acme/repo1")
    assert two.show("NRestarts") == "0"


NAMES = [f"{number:02}.txt" for number in range(40)]


def unmounted(serving: Serving, mount: str) -> dict[str, bytes]:
    """A mirror of what is mounted, unmounted while it runs, then started anew; what the Hub holds all the same."""
    serving.install(target(MOUNT, on_delete="mirror", max_delete="5"))
    serving.make_directory("/srv/disk", mode="755")
    serving.machine.shell(f"mkdir {MOUNT} && {mount}")
    serving.start()
    for name in NAMES:
        serving.write(name, name.encode(), MOUNT)
    everything = {name: name.encode() for name in NAMES}
    serving.wait_until_held(everything)
    serving.machine.shell(f"mkdir /srv/aside && cp -p {MOUNT}/*.txt /srv/aside/ && umount {MOUNT}")
    serving.wait_for("target.lost")
    scans = len(serving.events("target.scanned"))
    serving.systemctl("restart")  # what it knew before is on disk
    serving.wait_for("target.scanned", scans + 1)
    assert serving.held() == everything, "an unmounted directory is no reason to delete"
    return everything


def confirmed(serving: Serving, removed: list[str], held: dict[str, bytes]) -> None:
    """Remove files; not one goes from the Hub before it is confirmed, then exactly those."""
    serving.machine.run("rm", *(f"{MOUNT}/{name}" for name in removed))
    (said,) = serving.wait_for("deletes.held")
    assert said["HF_WATCH_FILES"] == str(len(removed))
    serving.write("new.txt", b"new", MOUNT)
    serving.wait_until_held(held | {"new.txt": b"new"})
    serving.machine.run("/opt/hf-watch/bin/hf-watch", "confirm-deletes", "mount")
    left = {name: content for name, content in held.items() if name not in removed}
    serving.wait_until_held(left | {"new.txt": b"new"})


def test_a_bind_mount_that_goes_deletes_nothing_and_what_is_missing_later_is_confirmed(serving: Serving) -> None:
    mount = f"mount --bind /srv/disk {MOUNT}"
    held = unmounted(serving, mount)
    serving.machine.shell(mount)
    confirmed(serving, NAMES[:30], held)


def test_a_file_system_that_comes_back_with_less_deletes_nothing_of_what_it_had(serving: Serving) -> None:
    mount = f"mount -t tmpfs -o mode=755 tmpfs {MOUNT}"
    held = unmounted(serving, mount)
    scans = len(serving.events("target.scanned"))
    serving.machine.shell(f"{mount} && cp -p /srv/aside/3*.txt {MOUNT}/")
    serving.wait_for("target.scanned", scans + 1)
    assert serving.held() == held, "what another file system lacks was not deleted"
    confirmed(serving, NAMES[32:], held)


def test_a_mount_below_the_directory_that_goes_while_it_runs_deletes_nothing(serving: Serving) -> None:
    machine, place = serving.machine, "/srv/drop/mount"
    serving.install(target("/srv/drop", on_delete="mirror"))
    machine.shell(f"mkdir {place} && mount -t tmpfs tmpfs {place} && chmod 755 {place}")
    serving.start()
    serving.write("a.txt", b"a")
    serving.write("b.txt", b"b", place)
    serving.wait_until_held({"a.txt": b"a", "mount/b.txt": b"b"})
    machine.run("umount", place)
    serving.wait_for("watch.gap")
    serving.write("c.txt", b"c")
    serving.wait_until_held({"a.txt": b"a", "mount/b.txt": b"b", "c.txt": b"c"})
    serving.systemctl("restart")
    serving.wait_for("target.scanned", 2)
    serving.write("d.txt", b"d")
    serving.wait_until_held({"a.txt": b"a", "mount/b.txt": b"b", "c.txt": b"c", "d.txt": b"d"})
