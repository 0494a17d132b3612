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
