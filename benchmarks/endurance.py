"""Through an outage, and under the Hub's hourly quota, in real time: `python -m benchmarks.endurance [CASE…]`.

Ends with 1 when a figure is not what it is to be; part of `make soak`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.bench import Bench, bench, daemon, wait
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_S = 60.0  # after the outage, or after the last file
TOO_LATE_S = 300.0
HUB_QUOTA = 128  # commits an hour


def stream(folder: Path, files: int, duration_s: float) -> None:
    """So many files, evenly over some time."""
    began = time.monotonic()
    for number in range(files):
        time.sleep(max(0.0, began + number * duration_s / files - time.monotonic()))
        (folder / f"{number:04}.txt").write_text(f"{number}\n")


def say(what: str, figure: float, most: float) -> bool:
    print(f"{what:66} {figure:10.3f}   at most {most:g}", flush=True)
    return figure <= most


def repeats(made: Bench) -> int:
    """How many files were committed more than once."""
    times = Counter(path for commit in made.hub.commits("dataset", "bench/drop") for path in commit.added)
    return sum(count > 1 for count in times.values())


def outage() -> bool:
    """60 s of outage in the middle of 600 files, 5 a second."""
    with bench() as made, Proxy(made.hub.port) as proxy:
        folder = made.place / "drop"
        folder.mkdir()
        with daemon(made, folder, HF_ENDPOINT=proxy.url), ExitStack() as ended:
            writer = threading.Thread(target=stream, args=(folder, 600, 120.0), name="writer")
            ended.callback(writer.join)
            writer.start()
            time.sleep(30)
            with proxy.down():
                time.sleep(60)
            back = time.monotonic()
            writer.join()
            wait(lambda: made.held() == 600, "600 files published", TOO_LATE_S)
            took_s = time.monotonic() - back
        return all([
            say("from the end of the outage to all 600 published, s", took_s, MOST_S),
            say("files committed twice", repeats(made), 0),
        ])  # fmt: skip


def quota() -> bool:
    """1,000 files over 20 s against a Hub that takes 128 commits an hour."""
    with bench(HUB_QUOTA) as made:
        folder = made.place / "drop"
        folder.mkdir()
        with daemon(made, folder):
            stream(folder, 1_000, 20.0)
            written = time.monotonic()
            wait(lambda: made.held() == 1_000, "1,000 files published", TOO_LATE_S)
            took_s = time.monotonic() - written
        refused = sum(each.status == 429 for each in made.hub.requests)
        return all([
            say("from the last of 1,000 files to all published, s", took_s, MOST_S),
            say("requests answered 429", refused, 0),
            say("commits", made.commits(), HUB_QUOTA),
            say("files committed twice", repeats(made), 0),
        ])  # fmt: skip


CASES: dict[str, Callable[[], bool]] = {"outage": outage, "quota": quota}


def main(names: list[str]) -> int:
    results = []
    for name in names or CASES:
        print(f"\n== {name}: {(CASES[name].__doc__ or '').strip()}", flush=True)
        results.append(CASES[name]())
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
