"""From nothing to a running service, and back, by the commands that README.md names."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.systemd.serving import DROP, Serving, target

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub
    from tests.systemd.machine import Machine

ROOT = Path(__file__).parents[2]
COMMAND = "/opt/hf-watch/bin/hf-watch"
WITHOUT_HASHES = r"sed -nE 's/^([a-zA-Z0-9_.-]+==[^ ;]+).*/\1/p' /opt/dist/systemd.txt >/run/versions"


def _readme_commands() -> list[str]:
    [block] = re.findall(
        r"<!-- server -->\n```\n(.*?)```\n<!-- /server -->", (ROOT / "README.md").read_text(), re.DOTALL
    )
    return str(block).splitlines()


def test_four_commands_lead_to_a_running_service(serving: Serving) -> None:
    machine = serving.machine
    create, install, give_token, start = _readme_commands()
    machine.shell(f"rm -rf /opt/hf-watch; {WITHOUT_HASHES}")
    [wheel] = machine.shell("ls /opt/dist/*.whl").split()
    assert "'.[systemd]'" in create
    pip = " ".join(f"{name}='{value}'" for name, value in os.environ.items() if name.startswith("PIP_"))
    create = create.replace("'.[systemd]'", f"'{wheel}[systemd]'")
    machine.shell(f"export PIP_QUIET=1 {pip} PIP_CONSTRAINT=/run/versions; {create}")
    told = machine.shell(install)
    assert "systemctl enable --now hf-watch" in told
    assert "[[target]]" in machine.run("cat", serving.config).stdout, "a configuration to fill in"
    machine.run("sh", "-euc", give_token, stdin=serving.token)
    serving.configure(target())
    serving.drop_in("hub", f"[Service]\nEnvironment=HF_ENDPOINT={serving.hub.url}\n")
    serving.make_directory(DROP)
    machine.shell(start)
    serving.write("a.txt", b"a")
    serving.wait_until_held({"a.txt": b"a"})
    assert serving.systemctl("is-enabled") == "enabled"
    status = json.loads(machine.run(COMMAND, "status", "--json").stdout)
    assert (status["health"], status["pid"]) == ("healthy", serving.pid)


def test_a_second_install_keeps_what_is_the_administrator_s(serving: Serving) -> None:
    serving.install()
    before = serving.machine.shell("cat /etc/hf-watch/*; cat /etc/systemd/system/hf-watch.service.d/hub.conf")
    serving.machine.run(COMMAND, "service", "install")
    after = serving.machine.shell("cat /etc/hf-watch/*; cat /etc/systemd/system/hf-watch.service.d/hub.conf")
    assert before == after


def test_an_uninstall_leaves_the_state_and_a_purge_does_not(serving: Serving) -> None:
    machine = serving.machine
    serving.install()
    serving.systemctl("enable", "--now")
    serving.write("a.txt", b"a")
    serving.wait_until_held({"a.txt": b"a"})
    told = machine.run(COMMAND, "service", "uninstall").stdout
    assert "kept: /var/lib/hf-watch" in told
    assert machine.shell("ls /var/lib/hf-watch/ledger.sqlite3 /etc/hf-watch/token")
    assert serving.show("LoadState") == "not-found"
    assert not machine.shell("pgrep -u hf-watch || true")

    machine.run(COMMAND, "service", "install")
    serving.start()
    assert len(serving.hub.commits("dataset", "acme/drop")) == 2, "the ledger that was kept knows it all"
    machine.run(COMMAND, "service", "uninstall", "--purge")
    left = machine.shell(
        "ls -d /var/lib/hf-watch* /var/cache/hf-watch* /etc/hf-watch /etc/systemd/system/hf-w* || true"
    )
    assert left == ""


def test_a_program_in_somebody_s_home_is_refused(machine: Machine) -> None:
    machine.shell("cp -r /opt/hf-watch /home/tools && sed -i 1s,/opt/hf-watch,/home/tools, /home/tools/bin/hf-watch")
    refused = machine.run("/home/tools/bin/hf-watch", "service", "install", check=False)
    assert refused.returncode == 1
    assert "/home/tools lies in /home" in refused.stderr
    assert "/opt/hf-watch" in refused.stderr, "it says what to do"
    assert not machine.shell("ls /etc/systemd/system | grep hf-watch || true")


def test_a_program_that_the_service_s_user_cannot_reach_is_refused(machine: Machine) -> None:
    machine.run("chmod", "700", "/opt/hf-watch")
    refused = machine.run(COMMAND, "service", "install", check=False)
    assert refused.returncode == 1
    assert "chmod o+rx /opt/hf-watch" in refused.stderr


def test_the_check_sees_what_the_service_would(serving: Serving) -> None:
    machine = serving.machine
    serving.install(target(), target("/home/shared", "hf://datasets/acme/other/incoming"))
    machine.shell(f"mkdir /home/shared; chown root:root {DROP}; chmod 700 {DROP}")
    found = machine.run(COMMAND, "service", "check", "--json", check=False)
    assert found.returncode == 1
    levels = {each["check"]: each["level"] for each in json.loads(found.stdout)["checks"]}
    assert levels["source drop"] == "fail", "its user may not read it, though root may"
    assert levels["source shared"] == "fail", "its sandbox has no homes"
    assert levels["state"] == levels["cache"] == levels["inotify watches"] == "ok"

    machine.shell(f"setfacl -m u:hf-watch:rx {DROP}")
    serving.configure(target())
    found = machine.run(COMMAND, "service", "check", check=False)
    assert found.returncode == 0, found.stdout
    assert not machine.shell("ls /run/systemd/system | grep hf-watch || true"), "nothing is left of it"


def test_another_configuration_and_another_program_are_in_the_unit(serving: Serving) -> None:
    machine = serving.machine
    machine.run(COMMAND, "service", "install", "--config", "/srv/50% of it.toml")
    assert "[[target]]" in machine.run("cat", "/srv/50% of it.toml").stdout
    serving.config = "/srv/50% of it.toml"
    serving.configure(target())
    machine.run("install", "-m", "600", "/dev/stdin", serving.token_file, stdin=serving.token)
    serving.drop_in("hub", f"[Service]\nEnvironment=HF_ENDPOINT={serving.hub.url}\n")
    serving.make_directory(DROP)
    serving.start()
    serving.write("a.txt", b"a")
    serving.wait_until_held({"a.txt": b"a"})


def test_a_user_s_own_service(machine: Machine, hub: LocalHub) -> None:
    machine.shell("useradd -m -u 1234 alice; loginctl enable-linger alice")
    alice = ("runuser", "-u", "alice", "--", "env", "HOME=/home/alice", "XDG_RUNTIME_DIR=/run/user/1234")
    machine.run("systemctl", "start", "user@1234.service")
    told = machine.run(*alice, COMMAND, "service", "install", "--user").stdout
    assert "systemctl --user enable --now hf-watch" in told
    config = "/home/alice/.config/hf-watch/hf-watch.toml"
    place = "/home/alice/.config/systemd/user/hf-watch.service.d/hub.conf"
    environment = f"Environment=HF_ENDPOINT={hub.url} HF_TOKEN=hf_{'a' * 32}"
    machine.run(*alice, "mkdir", place.removesuffix("/hub.conf"))
    machine.run(*alice, "tee", place, stdin=f"[Service]\n{environment}\n")
    machine.run(*alice, "mkdir", "/home/alice/drop")
    machine.run(*alice, "tee", config, stdin=target("/home/alice/drop"))
    machine.run(*alice, "systemctl", "--user", "daemon-reload")
    verified = machine.run(*alice, "systemd-analyze", "--user", "verify", place.removesuffix(".d/hub.conf"))
    assert verified.stdout + verified.stderr == ""
    checked = machine.run(*alice, COMMAND, "service", "check", "--user", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    machine.run(*alice, "systemctl", "--user", "enable", "--now", "hf-watch")
    machine.run(*alice, "tee", "/home/alice/drop/a.txt", stdin="a")
    Serving(machine, hub).wait_until_held({"a.txt": b"a"})
    machine.run(*alice, COMMAND, "service", "uninstall", "--user")
    assert machine.run(*alice, "ls", config).stdout
