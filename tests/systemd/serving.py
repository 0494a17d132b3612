"""hf-watch as a service of a machine: what an administrator does with it, and what can be seen of it."""

from __future__ import annotations

import json
import secrets
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.contents import contents
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hf_watch.local_hub import LocalHub
    from tests.systemd.machine import Machine

DEST = "hf://datasets/acme/drop/incoming"
DROP = "/srv/drop"
UNIT = "hf-watch.service"
WAIT_S = 60.0


def target(source: str = DROP, dest: str = DEST, **more: object) -> str:
    """A [[target]] table of the configuration."""
    values = {"source": source, "dest": dest, "quiet_s": 0.1, "create_repo": True, **more}
    return "[[target]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


@dataclass
class Serving:
    """One unit of one machine, and the Hub it publishes to."""

    machine: Machine
    hub: LocalHub
    unit: str = UNIT
    config: str = "/etc/hf-watch/hf-watch.toml"
    token_file: str = "/etc/hf-watch/token"  # noqa: S105  a path
    token: str = field(default_factory=lambda: "hf_" + secrets.token_hex(16))

    def install(self, *targets: str, settings: str = "") -> None:
        """Everything but the start: units, the configuration, the token, a directory to watch, and where the Hub is."""
        self.machine.run("/opt/hf-watch/bin/hf-watch", "service", "install")
        self.configure(*(targets or (target(),)), settings=settings)
        self.machine.run("install", "-m", "600", "/dev/stdin", self.token_file, stdin=self.token + "\n")
        self.drop_in("hub", f"[Service]\nEnvironment=HF_ENDPOINT={self.hub.url}\n")
        self.make_directory(DROP)

    def configure(self, *targets: str, settings: str = "") -> None:
        """Write the configuration."""
        self.machine.run("install", "-m", "644", "/dev/stdin", self.config, stdin="\n".join([settings, *targets]))

    def drop_in(self, name: str, text: str) -> None:
        """What `systemctl edit` does."""
        place = f"/etc/systemd/system/{self.unit}.d/{name}.conf"
        self.machine.run("install", "-D", "-m", "644", "/dev/stdin", place, stdin=text)
        self.machine.run("systemctl", "daemon-reload")

    def make_directory(self, path: str, owner: str = "root:hf-watch", mode: str = "2775") -> None:
        """A directory that people write to and the service's group reads."""
        self.machine.run("mkdir", "-p", path)
        self.machine.run("chown", owner, path)
        self.machine.run("chmod", mode, path)

    def systemctl(self, verb: str, *arguments: str, check: bool = True) -> str:
        return self.machine.run("systemctl", verb, *arguments, self.unit, check=check).stdout.strip()

    def start(self) -> None:
        """`systemctl start` returns when the service has said that it is ready, or fails."""
        self.systemctl("start")

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.systemctl("show", "--value", "-p", name)

    def wait_for_property(self, name: str, wanted: str) -> None:
        eventually(lambda: self.show(name) == wanted, f"{name} is {wanted}, not {self.show(name)}", WAIT_S)

    @property
    def pid(self) -> int:
        return int(self.show("MainPID"))

    @contextmanager
    def locked(self, ledger: str) -> Iterator[None]:
        """Another process holds the ledger's write lock as long as the block."""
        hold = (
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
            " db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
        )
        command = self.machine.inside("/opt/hf-watch/bin/python", "-c", hold, ledger)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            try:
                yield
            finally:
                holder.kill()

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """The unit's lines so far, as journalctl tells them."""
        self.machine.run("journalctl", "--sync")
        told = self.machine.run("journalctl", "-u", self.unit, "-o", "json", "--all", *matches, check=False)
        return [json.loads(line) for line in told.stdout.splitlines() if line]

    def events(self, name: str) -> list[dict[str, Any]]:
        return self.journal(f"HF_WATCH_EVENT={name}")

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        def arrived() -> list[dict[str, Any]]:
            found = self.events(name)
            return found if len(found) >= count else []

        try:
            return eventually(arrived, f"{count} x {name}", WAIT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from error

    def told(self) -> str:
        """The journal, for a person who looks at a failure."""
        return self.machine.run("journalctl", "-n", "100", "-o", "short-monotonic", check=False).stdout

    def write(self, name: str, content: bytes, directory: str = DROP) -> None:
        """Somebody puts a file into a watched directory, in place at once."""
        aside = self.machine.path(f"{directory}/.{name.replace('/', '_')}.new")
        aside.write_bytes(content)
        aside.chmod(0o644)
        aside.rename(self.machine.path(f"{directory}/{name}"))

    def held(self, repo: str = "acme/drop", prefix: str = "incoming/") -> dict[str, bytes]:
        """What the repo holds below its directory, by relative path."""
        return contents(self.hub, "dataset", repo, prefix)

    def wait_until_held(self, wanted: dict[str, bytes], repo: str = "acme/drop", prefix: str = "incoming/") -> None:
        def is_held() -> bool:
            return self.held(repo, prefix) == wanted

        try:
            eventually(is_held, f"{sorted(wanted)} on the Hub, not {sorted(self.held(repo, prefix))}", WAIT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from error
