"""The service from its first start to its end, as an administrator sees it."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from hf_watch.local_hub.faults import Fault
from tests.eventually import eventually
from tests.systemd.serving import DROP, target

if TYPE_CHECKING:
    from tests.systemd.serving import Serving

LEDGER = "/var/lib/hf-watch/ledger.sqlite3"


def test_it_is_active_when_it_is_ready_and_what_is_dropped_arrives(serving: Serving) -> None:
    serving.install()
    serving.start()
    assert serving.show("ActiveState") == "active"
    assert serving.events("service.started"), serving.told()
    large = os.urandom(12 << 20)  # above what travels inside a commit: by Xet, under MemoryDenyWriteExecute
    serving.write("small.txt", b"small")
    serving.write("large.bin", large)
    serving.wait_until_held({"small.txt": b"small", "large.bin": large})
    assert serving.hub.xet_bytes_received > len(large) // 2
    eventually(lambda: "watching 1 folder" in serving.show("StatusText"), serving.show("StatusText"))


def test_it_is_not_active_before_its_watches_stand(serving: Serving) -> None:
    serving.install()
    serving.start()
    serving.systemctl("stop")
    with serving.locked(LEDGER):
        serving.systemctl("start", "--no-block")
        eventually(lambda: serving.pid, "it runs")
        looking = ("find", f"/proc/{serving.pid}/fd", "-lname", "*ledger*")
        eventually(lambda: "fd" in serving.machine.run(*looking, check=False).stdout, "it opens its ledger")
        assert serving.show("ActiveState") == "activating"
    serving.wait_for_property("ActiveState", "active")


def test_its_events_are_fields_of_the_journal(serving: Serving) -> None:
    serving.install()
    serving.start()
    serving.write("a.txt", b"abc")
    [recorded] = serving.wait_for("commit.recorded")
    assert (recorded["HF_WATCH_FILES"], recorded["HF_WATCH_BYTES"]) == ("1", "3")
    assert recorded["PRIORITY"] == "6"
    assert recorded["SYSLOG_IDENTIFIER"] == "hf-watch"
    assert recorded["MESSAGE"].startswith("commit.recorded target=drop files=1")
    serving.hub.delete_repo("dataset", "acme/drop")
    serving.configure(target(create_repo=False))
    serving.systemctl("reload")
    [refused] = serving.wait_for("destination.refused")
    assert refused["PRIORITY"] == "3"
    assert "acme/drop" in refused["HF_WATCH_DESTINATION"]


def test_killed_in_the_middle_of_a_burst_it_is_started_again_and_nothing_is_lost(serving: Serving) -> None:
    serving.install()
    serving.drop_in("quick", "[Service]\nRestartSec=200ms\n")
    serving.start()
    wanted = {f"{number:03}.bin": os.urandom(2_000) for number in range(300)}
    for number, (name, content) in enumerate(wanted.items()):
        serving.write(name, content)
        if number % 100 == 50:
            serving.systemctl("kill", "-s", "KILL")
    serving.wait_until_held(wanted)
    assert serving.show("ActiveState") == "active"
    assert int(serving.show("NRestarts")) >= 1


def test_a_stop_during_a_hung_upload_ends_in_time_and_the_next_start_converges(serving: Serving) -> None:
    serving.install(settings="shutdown_s = 2")
    serving.start()
    serving.write("before.txt", b"before")
    serving.wait_until_held({"before.txt": b"before"})
    serving.hub.faults.add(r"/commit/", Fault(hang=True), times=None)
    serving.write("hung.txt", b"hung")
    eventually(lambda: serving.hub.faults.met, "the upload hangs")
    serving.systemctl("stop")
    assert serving.show("Result") == "success", "it left by itself; systemd had to end nothing"
    [stopped] = serving.wait_for("service.stopped")
    assert "acme/drop" in stopped["HF_WATCH_STUCK"]
    serving.hub.faults.clear()
    serving.start()
    serving.wait_until_held({"before.txt": b"before", "hung.txt": b"hung"})


def test_wrong_settings_end_in_78_and_are_not_tried_again(serving: Serving) -> None:
    serving.install(target(quiet="soon"))
    serving.drop_in("quick", "[Service]\nRestartSec=50ms\n")
    started = serving.machine.run("systemctl", "start", serving.unit, check=False)
    assert started.returncode != 0
    assert (serving.show("ExecMainStatus"), serving.show("Result")) == ("78", "exit-code")
    told = serving.told()
    assert "quiet is unknown; did you mean quiet_s?" in told
    assert (serving.show("ActiveState"), serving.show("NRestarts")) == ("failed", "0"), told


def test_without_a_token_it_says_so(serving: Serving) -> None:
    serving.install()
    serving.machine.run("rm", serving.token_file)
    serving.machine.run("systemctl", "start", serving.unit, check=False)
    assert serving.show("ExecMainStatus") == "78"
    assert "no token" in serving.told()


def test_the_token_is_a_credential_and_nowhere_else(serving: Serving) -> None:
    serving.install(settings='log_level = "debug"')
    serving.start()
    serving.write("a.bin", os.urandom(11 << 20))
    serving.wait_for("commit.recorded")
    machine, pid = serving.machine, serving.pid
    seen = {
        "systemctl show": serving.systemctl("show"),
        "systemctl cat": serving.systemctl("cat"),
        "environ": machine.run("cat", f"/proc/{pid}/environ").stdout,
        "command line": machine.run("cat", f"/proc/{pid}/cmdline").stdout,
        "journal": machine.run("journalctl", "-o", "export", "--all").stdout,
    }
    assert not [where for where, text in seen.items() if serving.token in text]
    places = "/var/lib/hf-watch /var/cache/hf-watch /run/hf-watch /run/systemd/system /etc/systemd/system /srv"
    found = machine.run("grep", "-rlF", serving.token, *places.split(), check=False)
    assert (found.returncode, found.stdout) == (1, "")
    assert machine.run("stat", "-c", "%U %a", serving.token_file).stdout == "root 600\n"


def test_an_encrypted_credential_will_do(serving: Serving) -> None:
    machine = serving.machine
    serving.install()
    machine.run("rm", serving.token_file)
    machine.run("systemd-creds", "encrypt", "--name=token", "-", "/etc/hf-watch/token.cred", stdin=serving.token)
    serving.drop_in("token", "[Service]\nLoadCredentialEncrypted=token:/etc/hf-watch/token.cred\n")
    serving.start()
    serving.write("a.txt", b"a")
    serving.wait_until_held({"a.txt": b"a"})
    assert serving.token not in machine.run("cat", "/etc/hf-watch/token.cred").stdout


def test_nothing_is_written_elsewhere(serving: Serving) -> None:
    serving.install()
    serving.machine.run("touch", "/var/before")
    serving.start()
    serving.write("a.bin", os.urandom(11 << 20))
    serving.wait_for("commit.recorded")
    serving.systemctl("stop")
    places = "/var /etc /srv /home /opt /tmp /run /dev/shm"
    newer = serving.machine.shell(f"find {places} -xdev -newer /var/before -type f").split()
    allowed = ("/var/lib/hf-watch/", "/var/cache/hf-watch/", "/srv/drop/", "/var/log/", "/run/log/", "/run/systemd/")
    assert "/var/lib/hf-watch/ledger.sqlite3" in newer
    assert not [path for path in newer if not path.startswith(allowed)]
    owned = serving.machine.shell(f"find {places} -xdev -user hf-watch").split()
    assert not [path for path in owned if not f"{path}/".startswith(allowed)]


def test_at_rest_it_takes_next_to_nothing(serving: Serving) -> None:
    serving.install()
    serving.start()
    content = b"\1\2\3"  # for a text there are rules in memory, 50 MB, until none has come for a while
    serving.write("a.txt", content)
    serving.wait_until_held({"a.txt": content})
    eventually(lambda: "nothing waits" in serving.show("StatusText"), "it is at rest", 30.0)
    pid = serving.pid
    before_s, began = _cpu_s(serving, pid), time.monotonic()
    eventually(lambda: time.monotonic() - began >= 60.0, "a minute has passed", 90.0)
    used = (_cpu_s(serving, pid) - before_s) / (time.monotonic() - began)
    resident = next(line for line in _proc(serving, pid, "status").splitlines() if line.startswith("VmRSS"))
    print(f"at rest: {used:.4%} of a core, {resident}")  # noqa: T201  the figure in README.md
    assert used <= 0.001
    assert int(resident.split()[1]) < 80_000, resident


def _cpu_s(serving: Serving, pid: int) -> float:
    """What all its threads have run so far, ended ones too."""
    fields = _proc(serving, pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, of proc(5)


def _proc(serving: Serving, pid: int, name: str) -> str:
    return serving.machine.run("cat", f"/proc/{pid}/{name}").stdout


def test_a_file_that_another_user_holds_open_is_never_published_torn(serving: Serving) -> None:
    """The writer begins before the service does: no event tells of it, only the lease, which needs CAP_LEASE here."""
    serving.install(target(quiet_s=0.2))
    serving.machine.run("useradd", "--groups", "hf-watch", "bob")
    script = f"umask 027; (for part in 1 2 3 4; do printf %s $part; sleep 3; done) >{DROP}/slow.txt"
    writer = serving.machine.inside("runuser", "-u", "bob", "--", "sh", "-euc", script)
    with subprocess.Popen(writer):
        eventually(lambda: serving.machine.path(f"{DROP}/slow.txt").exists(), "somebody began to write")
        serving.start()
        serving.wait_until_held({"slow.txt": b"1234"})
    commits = [each for each in serving.hub.commits("dataset", "acme/drop") if "incoming/slow.txt" in each.added]
    assert len(commits) == 1
