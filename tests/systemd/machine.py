"""A machine with a real systemd: this machine's own root under an overlay, booted by systemd-nspawn.

Everything lies on a tmpfs in a mount namespace of its own and ends with the process that keeps it: what a test changes
is gone afterwards, and nothing of this machine is touched. The network is this machine's, so that a Hub in the test's
own process is reached on loopback.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BOOT_S = 60.0
COMMAND_S = 120.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UP = frozenset({"running", "degraded"})

KEEP = 'mount -t tmpfs -o mode=755 tmpfs "$1" && echo kept && exec sleep infinity'

# In a mount namespace of its own: the overlay, and a /run of its own, where nspawn leaves things.
ENTER = """
set -eu
mkdir -p "$1/root" "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t tmpfs -o mode=755 tmpfs /run
root=$1; shift 2
exec setpriv --pdeathsig KILL systemd-nspawn --quiet --directory="$root/root" --register=no --keep-unit "$@"
"""


@dataclass(frozen=True)
class Store:
    """A tmpfs that only the mount namespace of one waiting process has; gone with it."""

    keeper: int  # the process
    place: str  # of the tmpfs, in its namespace

    def path(self, name: str) -> Path:
        """A directory of the store, as this process reaches it."""
        return Path(f"/proc/{self.keeper}/root{self.place}/{name}")

    def enter(self, name: str, below: Sequence[str], *arguments: str) -> list[str]:
        """The command that runs systemd-nspawn over the store's directory `name`, which lies over those `below`."""
        lower = ":".join([*(f"{self.place}/{each}/upper" for each in below), "/"])
        return [
            "nsenter", f"--mount=/proc/{self.keeper}/ns/mnt", "unshare", "--mount", "--propagation", "private",
            "sh", "-c", ENTER, "sh", f"{self.place}/{name}", lower, *arguments,
        ]  # fmt: skip


@contextmanager
def store() -> Iterator[Store]:
    """Keep a store as long as the block."""
    with tempfile.TemporaryDirectory(prefix="hf-watch-machines-") as place:
        keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "setpriv", "--pdeathsig", "KILL", "sh", "-c", KEEP, "sh",
             place],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert keeper.stdout is not None
            assert keeper.stdout.readline() == b"kept\n", "no tmpfs could be mounted"
            yield Store(keeper.pid, place)
        finally:
            keeper.kill()
            keeper.communicate()


def set_up(kept: Store, name: str, script: str) -> None:
    """Run a shell script as root over this machine's root, without booting; what it changes is layer `name`."""
    command = kept.enter(name, (), "--pipe", f"--machine={name}-{os.getpid()}", "sh", "-euc", script)
    done = subprocess.run(command, env=_outer(), capture_output=True, text=True, timeout=COMMAND_S * 4, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


@dataclass
class Machine:
    """One machine, up between `boot` and `power_off`; its disk stays until the store goes."""

    kept: Store
    name: str
    below: Sequence[str]
    _nspawn: subprocess.Popen[bytes] | None = None
    _leader: int = 0  # the machine's PID 1, by its number here
    _groups: list[Path] = field(default_factory=list)

    def boot(self) -> None:
        """Return when systemd has started everything it was to start."""
        self._groups = _new_control_groups(f"hf-watch-{self.name}-{os.getpid()}-{secrets.token_hex(3)}")
        command = self.kept.enter(self.name, self.below, "--boot", "--console=pipe", f"--machine={self.name}")
        into = " && ".join(f"echo $$ >{shlex.quote(str(group / 'cgroup.procs'))}" for group in self._groups)
        with self._console().open("wb") as console:
            self._nspawn = subprocess.Popen(
                ["sh", "-euc", f'{into or ":"}; exec "$@"', "sh", *command],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, env=_outer(),
            )  # fmt: skip
        eventually(self._is_up, f"{self.name} is up", BOOT_S)

    def power_off(self) -> None:
        """As if the plug were pulled."""
        if self._nspawn is None:
            return
        if self._leader:
            os.kill(self._leader, signal.SIGKILL)
        else:
            self._nspawn.kill()
        self._nspawn.wait(COMMAND_S)
        self._nspawn, self._leader = None, 0
        for group in self._groups:
            eventually(lambda group=group: _removed(group), f"{group} is empty")  # type: ignore[misc]

    @property
    def root(self) -> Path:
        """The machine's file tree, while it is up; before, `disk` takes what it is to find."""
        return Path(f"/proc/{self._leader}/root")

    @property
    def disk(self) -> Path:
        """The upper layer of its disk, while it is off."""
        path = self.kept.path(f"{self.name}/upper")
        path.mkdir(parents=True, exist_ok=True)
        return path

    def path(self, absolute: str) -> Path:
        """A path of the machine, as this process reaches it."""
        return self.root / absolute.lstrip("/")

    def run(self, *command: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root in the machine."""
        done = subprocess.run(
            self.inside(*command), input=stdin, capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
        assert done.returncode == 0 or not check, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def inside(self, *command: str) -> list[str]:
        """The command, as it runs in the machine from here."""
        return [
            "nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup", "--root",
            "env", "--chdir=/", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER=cat",
            "SYSTEMD_COLORS=0", *command,
        ]  # fmt: skip

    def shell(self, script: str) -> str:
        """What a shell script prints that runs as root in the machine."""
        return self.run("sh", "-euc", script).stdout

    def console(self) -> str:
        """What the machine said at its boot."""
        return self._console().read_text(errors="replace")

    def _console(self) -> Path:
        self.kept.path(self.name).mkdir(exist_ok=True)
        return self.kept.path(f"{self.name}/console")

    def _is_up(self) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, f"it did not boot:\n{self.console()}"
        self._leader = _child(self._nspawn.pid)
        if not self._leader:
            return False
        said = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return said in UP


def _outer() -> dict[str, str]:
    """The environment of nspawn itself, and of scripts that set layers up: pip's settings are the machine's own."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {**kept, "PATH": f"{PATH}", "HOME": "/root", "LANG": "C.UTF-8"}


def _child(parent: int) -> int:
    """The machine's first process: nspawn's only child, once it has its root."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return int(pids[0]) if (pids := listed.stdout.split()) else 0


def _new_control_groups(name: str) -> list[Path]:
    """A group for one machine in each hierarchy that systemd manages: two machines must not see each other's."""
    groups = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        where, _, what = line.partition(" - ")
        kind, _, options = what.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
            groups.append(Path(where.split()[4]) / name)
    for group in groups:
        group.mkdir()
    return groups


def _removed(group: Path) -> bool:
    """Remove a group with those in it, once the last process is gone."""
    try:
        for directory, _, _ in os.walk(group, topdown=False):
            Path(directory).rmdir()
    except OSError:
        return False
    return True


def missing() -> str | None:
    """Why no machine can be had here, or None."""
    if os.geteuid() != 0:
        return "it needs root"
    wanted = ("systemd-nspawn", "unshare", "nsenter", "setpriv", "ps")
    absent = [name for name in wanted if shutil.which(name) is None]
    return f"{', '.join(absent)} is not installed" if absent else None
