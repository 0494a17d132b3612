"""What a watch costs: arming, memory, rest, and two storms. `python -m benchmarks.watching [DIRECTORY]`.

DIRECTORY is where the trees are made, a temporary one by default; tmpfs makes the fiercest storm.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hf_watch.model import Change
from hf_watch.watches import RootWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hf_watch.model import Gap

REST_S = 10.0
STORM = 60_000
WRITER = """
import sys
root, number = sys.argv[1], int(sys.argv[2])
for i in range(number):
    with open(f"{root}/d{i % 50:03}/{sys.argv[3]}{i}", "wb") as file:
        file.write(b"x" * 100)
"""


class Tally:
    """A sink that keeps which paths it has heard of."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.hints = 0
        self.gaps = 0

    def put(self, hint: Change | Gap) -> None:
        if isinstance(hint, Change):
            self.hints += 1
            self.paths.add(hint.path)
        else:
            self.gaps += 1


def make_tree(root: Path, directories: int) -> None:
    for i in range(directories // 100):
        (root / f"d{i:03}").mkdir()
        for j in range(99):
            (root / f"d{i:03}" / f"below_{j:02}").mkdir()


@contextmanager
def watched(root: Path) -> Iterator[tuple[RootWatch, Tally]]:
    tally = Tally()
    watch = RootWatch(str(root), tally)
    watch.start()
    try:
        yield watch, tally
    finally:
        watch.stop()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def arming(root: Path, directories: int) -> None:
    before, began, cpu = resident_bytes(), time.monotonic(), time.process_time()
    with watched(root) as (watch, _):
        took, used = time.monotonic() - began, time.process_time() - cpu
        grown = (resident_bytes() - before) / directories
        print(
            f"arming {directories:,} directories: {took:.2f} s, {used:.2f} s of CPU, {grown:.0f} B resident a directory"
        )
        rounds, cpu = watch.figures().rounds, time.process_time()
        time.sleep(REST_S)
        used, rounds = time.process_time() - cpu, watch.figures().rounds - rounds
        print(f"at rest for {REST_S:.0f} s: {100 * used / REST_S:.3f} % of a core, woken {rounds} times")
    tracemalloc.start()
    with watched(root):
        print(f"traced: {tracemalloc.get_traced_memory()[0] / directories:.0f} B a directory")
    tracemalloc.stop()


def storm(root: Path, writers: int) -> None:
    with watched(root) as (watch, tally):
        began, cpu = time.monotonic(), time.process_time()
        command = [sys.executable, "-c", WRITER, str(root), str(STORM // writers)]
        running = [subprocess.Popen([*command, f"w{writers}_{i}_"]) for i in range(writers)]
        for each in running:
            each.wait()
        written = time.monotonic() - began
        while len(tally.paths) < STORM and time.monotonic() - began < written + 10 and not tally.gaps:
            time.sleep(0.01)
        used = time.process_time() - cpu
        print(
            f"{STORM:,} files by {writers} in {written:.1f} s: {len(tally.paths):,} seen, {tally.hints:,} hints, "
            f"{watch.figures().overflows} overflows, {used:.2f} s of CPU, {1e6 * used / STORM:.0f} us a file"
        )


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        for directories in (5_000, 20_000):
            root = Path(directory, f"{directories}")
            root.mkdir()
            make_tree(root, directories)
            arming(root, directories)
        storm(root, 1)
        storm(root, 2)


if __name__ == "__main__":
    main()
