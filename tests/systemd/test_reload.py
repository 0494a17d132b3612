"""`systemctl reload`: the settings change while the service goes on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hf_watch.local_hub.faults import Fault
from tests.eventually import eventually
from tests.systemd.serving import DROP, target

if TYPE_CHECKING:
    from tests.systemd.serving import Serving

OTHER, OTHER_DEST = "/srv/other", "hf://datasets/acme/other/incoming"


def test_targets_come_change_and_go_while_the_service_runs(serving: Serving) -> None:
    serving.install()
    serving.make_directory(OTHER)
    serving.start()
    pid = serving.pid
    serving.write("b.txt", b"b", OTHER)
    serving.configure(target(), target(OTHER, OTHER_DEST))
    serving.systemctl("reload")
    [first] = serving.wait_for("settings.reloaded")
    assert first["HF_WATCH_ADDED"] == "1"
    serving.wait_until_held({"b.txt": b"b"}, "acme/other")

    serving.configure(target(exclude=["*.log"]), target(OTHER, OTHER_DEST))
    serving.systemctl("reload")
    serving.wait_for("settings.reloaded", 2)
    serving.write("no.log", b"no")
    serving.write("yes.txt", b"yes")
    serving.wait_until_held({"yes.txt": b"yes"})

    serving.configure(target(exclude=["*.log"]))
    serving.systemctl("reload")
    assert serving.wait_for("settings.reloaded", 3)[2]["HF_WATCH_REMOVED"] == "1"
    serving.write("late.txt", b"late", OTHER)
    serving.write("last.txt", b"last")
    serving.wait_until_held({"yes.txt": b"yes", "last.txt": b"last"})
    assert serving.held("acme/other") == {"b.txt": b"b"}
    assert (serving.pid, serving.show("ActiveState")) == (pid, "active")


def test_what_the_settings_do_not_change_goes_on_undisturbed(serving: Serving) -> None:
    serving.install(target(), target(OTHER, OTHER_DEST))
    serving.make_directory(OTHER)
    serving.start()
    serving.wait_for("target.scanned", 2)
    serving.hub.faults.add(r"/acme/drop/commit/", Fault(hang=True), times=1)
    serving.write("a.bin", os.urandom(1_000))
    eventually(lambda: serving.hub.faults.met, "a commit is under way")
    serving.configure(target(), target(OTHER, OTHER_DEST, exclude=["*.log"]))
    serving.systemctl("reload")
    [reloaded] = serving.wait_for("settings.reloaded")
    assert reloaded["HF_WATCH_CHANGED"] == "1"
    serving.write("b.txt", b"b", OTHER)
    serving.wait_until_held({"b.txt": b"b"}, "acme/other")
    serving.hub.faults.release()
    eventually(lambda: len(serving.held()) == 1, "the commit that was under way")
    assert len(serving.hub.commits("dataset", "acme/drop")) == 2, "the repo's first one, and this"


def test_a_bad_file_changes_nothing_and_says_why(serving: Serving) -> None:
    serving.install()
    serving.start()
    pid = serving.pid
    serving.configure(target(DROP, "hf://datasets/acme/elsewhere", quiet_s="soon"))
    serving.systemctl("reload", check=False)
    [refused] = serving.wait_for("settings.refused")
    assert "quiet_s" in refused["HF_WATCH_REASON"]
    assert refused["PRIORITY"] == "3"
    eventually(lambda: "settings not reloaded" in serving.show("StatusText"), "the status tells")
    serving.write("a.txt", b"a")
    serving.wait_until_held({"a.txt": b"a"})
    assert (serving.pid, serving.show("ActiveState"), serving.show("NRestarts")) == (pid, "active", "0")
    serving.configure(target())
    serving.systemctl("reload")
    serving.wait_for("settings.reloaded")
    eventually(lambda: "settings not reloaded" not in serving.show("StatusText"), "the status tells that it is well")


def test_a_token_file_is_read_again(serving: Serving) -> None:
    place = "/etc/hf-watch/rotated"
    serving.install()
    serving.drop_in("token", f"[Service]\nEnvironment=HF_TOKEN_PATH={place}\n")
    serving.machine.run("install", "-o", "hf-watch", "-m", "400", "/dev/stdin", place, stdin="hf_" + "0" * 32)
    serving.hub.faults.add(r".*", Fault(status=401), times=None)
    serving.start()
    serving.wait_for("destination.refused")
    serving.hub.faults.clear()
    serving.machine.run("install", "-o", "hf-watch", "-m", "400", "/dev/stdin", place, stdin=serving.token)
    serving.write("a.txt", b"a")
    serving.systemctl("reload")
    serving.wait_until_held({"a.txt": b"a"})
