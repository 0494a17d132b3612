"""What every case needs: a local Hub, a daemon or a peer in a process of its own, and what they cost."""

from __future__ import annotations

import ctypes
import json
import os

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # read when the client is imported

import resource
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hf_watch.local_hub import LocalHub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPO = "bench/drop"
LOOK_S = 0.01
MB = 1_000_000
KIB = 1_024  # what Linux calls kB
IN_ACCESS, IN_ISDIR = 0x1, 0x4000_0000  # include/uapi/linux/inotify.h
PR_CAPBSET_DROP, CAP_LEASE = 24, 28  # include/uapi/linux/prctl.h, capability.h
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Bench:
    """One local Hub, and a directory for everything."""

    hub: LocalHub
    place: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {
            "HF_ENDPOINT": self.hub.url,
            "HF_TOKEN": "hf_" + "b" * 32,
            "HF_HOME": str(self.place / "home"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        return {**kept, **own, **more}

    def head(self, repo: str = REPO) -> str:
        return self.hub.head("dataset", repo)

    def held(self, repo: str = REPO) -> int:
        """How many files the repo holds below incoming/."""
        return sum(path.startswith("incoming/") for path in self.hub.files("dataset", repo))

    def commits(self, repo: str = REPO) -> int:
        """How many commits were made after the one that made the repo."""
        return len(self.hub.commits("dataset", repo)) - 1

    def new_repo(self, name: str) -> str:
        repo = f"bench/{name}"
        self.hub.create_repo("dataset", repo, private=True)
        return repo


@contextmanager
def bench(commit_quota_per_hour: int | None = None) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as place,
        LocalHub(Path(place) / "hub", open_namespaces=True, commit_quota_per_hour=commit_quota_per_hour) as hub,
    ):
        hub.create_repo("dataset", REPO, private=True)
        yield Bench(hub, Path(place))


@dataclass(frozen=True)
class Process:
    """A program under measurement."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().split("\n")[:-1]
        return [each for line in lines if line.startswith("{") and (each := json.loads(line))["event"] == name]

    def published(self) -> int:
        return sum(event["files"] for event in self.events("commit.recorded"))

    def peak_mb(self) -> float:
        return self._status("VmHWM") * KIB / MB

    def resident_mb(self) -> float:
        return self._status("VmRSS") * KIB / MB

    def _status(self, key: str) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(key + ":")))

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def read_bytes(self) -> int:
        text = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("rchar:")))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Reads:
    """How often anybody read from a file below a folder while the `with` block ran."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._folder = folder
        self._queue = -1

    def __enter__(self) -> Self:
        self._queue = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for directory, _, _ in os.walk(self._folder):
            if LIBC.inotify_add_watch(self._queue, os.fsencode(directory), IN_ACCESS) < 0:
                raise OSError(ctypes.get_errno(), directory)
        return self

    def look(self) -> int:
        """The count so far."""
        with suppress(BlockingIOError):
            while events := os.read(self._queue, 1 << 16):
                offset = 0
                while offset < len(events):
                    _, mask, _, length = struct.unpack_from("iIII", events, offset)
                    self.count += not mask & IN_ISDIR
                    offset += 16 + length
        return self.count

    def __exit__(self, *_: object) -> None:
        os.close(self._queue)


@contextmanager
def daemon(
    made: Bench, folder: Path, *options: str, files: int = 0, repo: str = REPO, leases: bool = True, **env: str
) -> Iterator[Process]:
    """`hf-watch run`, its watches standing and its first scan done. `files` limits its open files.

    Without `leases` it may not ask who writes to the files of others, as a service that is not root.
    """
    command = [sys.executable, "-m", "hf_watch", "run", str(folder), f"hf://datasets/{repo}/incoming", *options]
    state = ["--state-dir", str(made.place / f"state-{repo.replace('/', '-')}")]
    with _process(command + state, made.environment(**env), made.place / "daemon.log", files, leases) as process:
        wait(lambda: process.events("service.started") and process.events("target.scanned"), "the first scan", 900)
        yield process


@contextmanager
def peer(made: Bench, name: str, folder: Path, repo: str) -> Iterator[Process]:
    command = [sys.executable, str(Path(__file__).with_name("peers.py")), name, str(folder), repo]
    with _process(command, made.environment(), made.place / f"{name}.log") as process:
        yield process


@contextmanager
def _process(
    command: list[str], env: dict[str, str], log: Path, files: int = 0, leases: bool = True
) -> Iterator[Process]:
    def limit() -> None:
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        if not leases and LIBC.prctl(PR_CAPBSET_DROP, CAP_LEASE, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "CAP_LEASE cannot be dropped")

    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, preexec_fn=limit)  # noqa: PLW1509  no thread forks here
    try:
        yield Process(process, log)
    finally:
        process.kill()
        process.wait()


def wait(check: Callable[[], object], what: str, timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        time.sleep(LOOK_S)


class HeadWatch:
    """When the branch's head last moved."""

    def __init__(self, made: Bench, repo: str = REPO) -> None:
        self._made = made
        self._repo = repo
        self._head = made.head(repo)
        self.moved_at = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="head watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_S):
            head = self._made.head(self._repo)
            if head != self._head:
                self._head, self.moved_at = head, time.monotonic()


def one_shot(made: Bench, folder: Path, name: str) -> tuple[float, float]:
    """`upload_folder` of a finished tree: seconds inside the call's process but for its imports, and its peak in MB."""
    repo = made.new_repo(name)
    program = (
        "import sys, time, resource\nfrom huggingface_hub import HfApi\nbegan = time.monotonic()\n"
        "HfApi().upload_folder(repo_id=sys.argv[2], repo_type='dataset', folder_path=sys.argv[1],"
        " path_in_repo='incoming')\n"
        "print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(folder), repo],
        env=made.environment(), check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, peak_kb = ended.stdout.split()[-2:]
    return float(seconds), float(peak_kb) * KIB / MB
