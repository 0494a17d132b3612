"""What a running daemon holds, and inputs made to raise it; the tests take a few of each, the soak takes many."""

from __future__ import annotations

import os
import re
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.disk import fill, numbered
from tests.eventually import eventually
from tests.running import environment, running

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub

DEST = "hf://datasets/acme/drop"
QUICK = ["--quiet-s", "0.2", "--create-repo"]
BOUND_MB = 60 + 4 * 64  # as README.md states it, with the default memory.budget_bytes
LARGE_BYTES = 30_000_000  # below memory.inline_bytes: read into memory whole
PATIENCE_S = 600.0


@dataclass
class Peaks:
    """The most that a process was seen to hold."""

    memory_mb: float = 0.0
    threads: int = 0
    descriptors: int = 0

    def look(self, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text()
        self.memory_mb = max(self.memory_mb, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024)
        self.threads = max(self.threads, int(re.findall(r"Threads:\s+(\d+)", status)[0]))
        self.descriptors = max(self.descriptors, len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208  names alone


def large_files(drop: Path, count: int) -> None:
    """Files of 30 MB, each with a content of its own, that take little of the disk."""
    drop.mkdir(exist_ok=True)
    for number in range(count):
        with (drop / f"{number}.bin").open("wb") as file:
            file.write(os.urandom(4_096))
            file.truncate(LARGE_BYTES)


def published(hub: LocalHub) -> int:
    try:
        return len(hub.files("dataset", "acme/drop")) - 1  # a new repo holds .gitattributes
    except KeyError:
        return 0


def peaks_over(
    place: Path, hub: LocalHub, rounds: list[dict[str, bytes]], *, most_open: int | None = None
) -> list[Peaks]:
    """Start on what is in `place`/drop, then add each round's files and wait; the peaks after the start and each round.

    `most_open`: as `ulimit -n` sets it.
    """
    drop, peaks, found = place / "drop", Peaks(), []
    with running(["run", str(drop), DEST, *QUICK], environment(hub.url, place), place / "log") as daemon:
        if most_open is not None:
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (most_open, most_open))
        for files in [{}, *rounds]:
            fill(drop, files)
            wanted = sum(path.is_file() for path in drop.rglob("*"))

            def arrived(wanted: int = wanted) -> bool:
                peaks.look(daemon.process.pid)
                return published(hub) == wanted

            eventually(arrived, f"{wanted} files are published", PATIENCE_S)
            found.append(Peaks(peaks.memory_mb, peaks.threads, peaks.descriptors))
        assert not [each for each in daemon.log() if each["level"] in {"error", "critical"}]
        assert daemon.stop() == 0
    return found


def memory_holds(place: Path, hub: LocalHub, *, files: int) -> None:
    large_files(place / "drop", files)
    [peaks] = peaks_over(place, hub, [])
    assert peaks.memory_mb <= BOUND_MB


def descriptors_suffice(place: Path, hub: LocalHub, *, files: int) -> None:
    """Many small files in many directories, and large ones that are sent from disk, with 64 descriptors in all."""
    many = {f"{number % 100}/{name}": content for number, (name, content) in enumerate(numbered(files).items())}
    fill(place / "drop", many)
    for number in range(files // 50):
        with (place / "drop" / f"{number}.bin").open("wb") as file:
            file.write(os.urandom(64))
            file.truncate(40_000_000)
    [_, peaks] = peaks_over(place, hub, [{"later/file": b"later"}], most_open=64)
    assert peaks.descriptors <= 64


def watches_leave_descriptors(place: Path, hub: LocalHub, *, targets: int, destinations: int) -> list[dict[str, Any]]:
    """More directories than 64 descriptors can watch; what each `watch.limited` said."""
    tables = []
    for number in range(destinations):
        hub.create_repo("dataset", f"acme/drop{number}", private=True)
    for number in range(targets):
        fill(place / f"d{number}", {"early": b"early %d" % number, "large.bin": os.urandom(64)})
        os.truncate(place / f"d{number}" / "large.bin", 40_000_000 if number % 4 == 0 else 64)
        tables.append(
            f'[[target]]\nsource = "{place}/d{number}"\ndest = "{DEST}{number % destinations}/{number}"\n'
            "quiet_s = 0.2\npoll_s = 1\n"
        )
    (place / "hf-watch.toml").write_text("\n".join(tables))

    def has_all(name: str) -> bool:
        held = [hub.files("dataset", f"acme/drop{number}") for number in range(destinations)]
        return all(f"{number}/{name}" in held[number % destinations] for number in range(targets))

    with running(["run", "--config", "hf-watch.toml"], environment(hub.url, place), place / "log") as daemon:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        eventually(lambda: has_all("early") and has_all("large.bin"), "all is published", PATIENCE_S)
        for number in range(targets):
            fill(place / f"d{number}", {"late": b"late %d" % number})
        eventually(lambda: has_all("late"), "what comes later is seen, by watching or by polling", PATIENCE_S)
        limited = daemon.events("watch.limited")
        assert not [each for each in daemon.log() if each["level"] in {"error", "critical"}]
        assert daemon.stop() == 0
    return limited


def threads_stay(place: Path, hub: LocalHub, *, files: int) -> None:
    """Their number is that of the first files, however many come."""
    large_files(place / "drop", 3)
    storm = {f"{letter}/{name}": content for letter in "abcdef" for name, content in numbered(files // 6).items()}
    first, *later = peaks_over(place, hub, [{"warm": b"up"}, storm, dict.fromkeys(storm, b"again")])
    assert first.threads <= 40
    assert max(peaks.threads for peaks in later) <= first.threads + 4  # the client starts its workers as it needs them
