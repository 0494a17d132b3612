"""What it costs publishing that many look on: `python -m benchmarks.watched [RUNS]`.

A hundred clients ask for the status every two seconds each, as `status --watch` does, while files are published; in
turn with runs that nobody looks at. The clients are one process that gives way to all others, for its own work is not
what is measured. Then what the socket and the page take of a daemon at rest: their modules, and all else.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx2

from benchmarks.bench import Bench, HeadWatch, bench, daemon, wait
from hf_watch.control import place

RUNS = 5
CLIENTS = 100
EVERY_S = 2.0  # cli.daemon.WATCH_EVERY_S
FILES, SIZE_BYTES = 3_000, 4_000
SLOWER = 1.05  # allowed
REST_S = 10.0
MOST_MB = 15.0  # allowed at rest
MODULES = """
import hf_watch.composition.specs, hf_watch.inspection.checks, hf_watch.inspection.explain, hf_watch.hub.hub
import hf_watch.inspection.preview, hf_watch.push.upload, hf_watch.process.service, huggingface_hub, sys
from hf_watch.hub.hub import HubClient
def resident_mb():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS"))) / 1_000
before = resident_mb()
assert "starlette" not in sys.modules
import hf_watch.composition.app
print(resident_mb() - before)
"""
REQUEST = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"


class Cost(NamedTuple):
    """What publishing all files took; `answers` to the clients meanwhile."""

    seconds: float
    cpu_s: float
    answers: int


def measured(made: Bench, name: str, *, clients: int) -> Cost:
    folder, repo = made.place / name, made.new_repo(name)
    folder.mkdir()
    chance = random.Random(name)  # noqa: S311  contents
    with daemon(made, folder, repo=repo) as process, HeadWatch(made, repo) as watch:
        state_dir = made.place / f"state-{repo.replace('/', '-')}"
        looking = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.watched", "--look", str(state_dir), str(clients)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert looking.stdout is not None
        looking.stdout.readline()  # all are connected
        began, cpu_before_s = time.monotonic(), process.cpu_s()
        for number in range(FILES):
            (folder / f"{number:06}").write_bytes(chance.randbytes(SIZE_BYTES))
        wait(lambda: process.published() >= FILES, f"{FILES} files published", 300)
        seconds, cpu_s = watch.moved_at - began, process.cpu_s() - cpu_before_s
        answers, _ = looking.communicate()
    return Cost(seconds, cpu_s, int(answers))


def at_rest(made: Bench, name: str, *, listen: str, runtime_directory: str) -> tuple[float, float]:
    """Resident MB, and the share of a core over some seconds, of a daemon with nothing to do."""
    folder, repo = made.place / name, made.new_repo(name)
    folder.mkdir()
    with daemon(
        made, folder, repo=repo, HF_WATCH_HTTP__LISTEN=listen, RUNTIME_DIRECTORY=runtime_directory
    ) as process:  # fmt: skip
        for started in process.events("page.started"):
            for path in ("", "v1/status", "v1/recent", "metrics"):
                httpx2.get(started["url"] + path).raise_for_status()
        time.sleep(REST_S)
        resident_mb, cpu_before_s = process.resident_mb(), process.cpu_s()
        time.sleep(REST_S)
        return resident_mb, (process.cpu_s() - cpu_before_s) / REST_S


def modules_mb() -> float:
    """What the modules take that nothing but the socket and the page needs."""
    ended = subprocess.run([sys.executable, "-c", MODULES], check=True, capture_output=True, text=True)
    return float(ended.stdout)


async def look(state_dir: str, clients: int) -> int:
    """Ask until standard input ends; how many answers came."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    with place.found([Path(state_dir)]) as short:
        connections = [await asyncio.open_unix_connection(short) for _ in range(clients)]
        looking = [
            asyncio.create_task(_look(*connection, number / clients * EVERY_S))
            for number, connection in enumerate(connections)
        ]
        print("connected", flush=True)
        await ended.wait()
        for each in looking:
            each.cancel()
        return sum(await asyncio.gather(*looking))


async def _look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> int:
    answers = 0
    try:
        await asyncio.sleep(delay_s)
        while True:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
            answers += 1
            await asyncio.sleep(EVERY_S)
    except asyncio.CancelledError:
        writer.close()
        return answers


def main(runs: int) -> None:
    alone: list[Cost] = []
    watched: list[Cost] = []
    with bench() as made:
        for number in range(runs):
            for clients in (0, CLIENTS) if number % 2 else (CLIENTS, 0):
                (watched if clients else alone).append(measured(made, f"{number}-{clients}", clients=clients))
            print(f"run {number + 1}: {alone[-1]} alone, {watched[-1]} watched", flush=True)
    pairs = list(zip(alone, watched, strict=True))
    seconds = statistics.median(after.seconds / before.seconds for before, after in pairs)
    cpu = statistics.median(after.cpu_s / before.cpu_s for before, after in pairs)
    print(f"seconds, watched by alone, median of {runs}: {seconds:.3f} (allowed {SLOWER})")
    print(f"CPU, the same: {cpu:.3f}")
    with bench() as made:
        # without a place for the socket the daemon does without
        neither, _ = at_rest(made, "neither", listen="", runtime_directory="/nowhere")
        both, share = at_rest(made, "both", listen="127.0.0.1:0", runtime_directory="")
    print(f"MB of socket and page at rest: {modules_mb() + both - neither:.1f} (allowed {MOST_MB:g})")
    print(f"share of a core over {REST_S:g} s: {share:.2%}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--look"]:
        os.nice(19)
        print(asyncio.run(look(sys.argv[2], int(sys.argv[3]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
