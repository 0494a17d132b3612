"""How fast, how lean and how true, beside the client's own tools: `python -m benchmarks.publish [CASE…]`.

Every case makes its own local Hub, measures hf-watch and its peers in the same run, and prints one line a figure.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from huggingface_hub import CommitOperationAdd, HfApi

from benchmarks.bench import MB, Bench, HeadWatch, Reads, bench, daemon, one_shot, peer, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUIET_S = 1.0
RUNS = 3
CASES: dict[str, Callable[[], None]] = {}


def case(function: Callable[[], None]) -> Callable[[], None]:
    CASES[function.__name__.replace("_", "-")] = function
    return function


def say(what: str, value: float, unit: str, wanted: str = "") -> None:
    print(f"{what:66} {value:10.3f} {unit:4} {wanted}", flush=True)


def write_tree(folder: Path, files: int, size_bytes: int, directories: int, seed: int = 0) -> None:
    chance = random.Random(seed)  # noqa: S311  contents
    for directory in range(directories):
        (folder / f"d{directory:04}").mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / f"d{number % directories:04}" / f"f{number:06}").write_bytes(chance.randbytes(size_bytes))


@dataclass(frozen=True)
class Tree:
    """What is written: so many files of a size, spread over so many directories."""

    files: int
    size_bytes: int
    directories: int

    def write(self, folder: Path, seed: int = 0) -> None:
        write_tree(folder, self.files, self.size_bytes, self.directories, seed)


def publish_tree(made: Bench, tree: Tree, name: str, limit: int = 0) -> tuple[float, int, float]:
    """Write a tree under a running daemon: seconds from the last write to all visible, commits, peak MB."""
    folder, repo = made.place / f"drop-{name}", made.new_repo(name)
    folder.mkdir()
    with daemon(made, folder, files=limit, repo=repo) as process, HeadWatch(made, repo) as watch:
        tree.write(folder, seed=zlib.crc32(name.encode()))
        written = time.monotonic()
        wait(lambda: process.published() >= tree.files, f"{tree.files} files published", 900)
        seconds, peak = watch.moved_at - written, process.peak_mb()
    if made.held(repo) != tree.files:
        raise AssertionError(f"{made.held(repo)} of {tree.files} files are there")
    return seconds, made.commits(repo), peak


def compare(tree: Tree, most_mb: float, most_commits: int, limits: tuple[int, ...]) -> None:
    """hf-watch and upload_folder in turn, medians of the runs."""
    with bench() as made:
        ours: dict[int, list[tuple[float, int, float]]] = {limit: [] for limit in limits}
        theirs: list[tuple[float, float]] = []
        for run in range(RUNS):
            for limit in limits:
                ours[limit].append(publish_tree(made, tree, f"ours-{limit}-{run}", limit))
            folder = made.place / f"theirs-{run}"
            tree.write(folder, seed=5_000 + run)
            theirs.append(one_shot(made, folder, f"theirs-{run}"))
        one_s = statistics.median(seconds for seconds, _ in theirs)
        say("upload_folder of the finished tree", one_s, "s")
        say("upload_folder, peak memory", statistics.median(peak for _, peak in theirs), "MB")
        for limit in limits:
            note = f" with ulimit -n {limit}" if limit else ""
            seconds = statistics.median(each[0] for each in ours[limit])
            say(f"hf-watch, last write to all visible{note}", seconds, "s", f"at most {QUIET_S + 1.5 * one_s:.2f}")
            say(f"hf-watch beyond quiet_s, by upload_folder{note}", (seconds - QUIET_S) / one_s, "x", "at most 1.5")
            say(f"hf-watch, commits{note}", max(each[1] for each in ours[limit]), "", f"at most {most_commits}")
            say(f"hf-watch, peak memory{note}", max(each[2] for each in ours[limit]), "MB", f"at most {most_mb:.0f}")


@case
def small_files() -> None:
    """10,000 files of 2 KB in 100 directories."""
    compare(Tree(10_000, 2_000, 100), 150, 40, (0, 256))
    for name in ("scheduler", "script"):
        _peer_tree(name, 10_000, 2_000, 100, 60)


def _peer_tree(name: str, files: int, size_bytes: int, directories: int, limit_s: float) -> None:
    """What a peer gets done with the same tree in a time it cannot exceed."""
    with bench() as made:
        folder = made.place / "drop"
        folder.mkdir()
        repo = made.new_repo(name)
        with peer(made, name, folder, repo) as process, HeadWatch(made, repo) as watch:
            wait(lambda: "ready" in process.log.read_text(), "the peer", 60)
            write_tree(folder, files, size_bytes, directories)
            written = time.monotonic()
            until = written + limit_s
            while time.monotonic() < until and made.held(repo) < files:
                time.sleep(1)
            say(f"{name}, last write to last commit", watch.moved_at - written, "s")
            say(f"{name}, files there of {files} after at most {limit_s:.0f} s", made.held(repo), "")
            say(f"{name}, commits", made.commits(repo), "")
            say(f"{name}, peak memory", process.peak_mb(), "MB")


@case
def binaries() -> None:
    """200 binary files of 5 MB."""
    compare(Tree(200, 5 * MB, 10), 300, 40, (0,))


@case
def latency() -> None:
    """One 4 KB file, daemon at rest: close to visible, and by rename, with the commit budget lifted."""
    with bench() as made:
        folder = made.place / "drop"
        folder.mkdir()
        api = HfApi(endpoint=made.hub.url, token="hf_" + "b" * 32)
        other = made.new_repo("bare")
        closed, renamed, bare = [], [], []
        with daemon(made, folder, HF_WATCH_COMMIT__PER_HOUR="0") as process:
            for number in range(40):
                bare.append(_timed_commit(api, other, number))
                closed.append(_one_file(made, process.published, partial(_close, folder / f"c{number}")))
                renamed.append(_one_file(made, process.published, partial(_rename, folder, number)))
        one_s = statistics.median(bare)
        say("one bare create_commit, median", one_s, "s")
        say("close to visible, median", statistics.median(closed), "s")
        say("close to visible, p95", _p95(closed), "s", f"at most {QUIET_S + 0.3 + one_s:.3f}")
        say("rename to visible, median", statistics.median(renamed), "s")
        say("rename to visible, p95", _p95(renamed), "s", f"at most {0.3 + one_s:.3f}")


def _timed_commit(api: HfApi, repo: str, number: int) -> float:
    began = time.monotonic()
    add = CommitOperationAdd(f"incoming/b{number}", os.urandom(4_000))
    api.create_commit(repo, [add], commit_message="One", repo_type="dataset")
    return time.monotonic() - began


def _close(path: Path) -> None:
    path.write_bytes(os.urandom(4_000))


def _rename(folder: Path, number: int) -> None:
    aside = folder / f"r{number}.tmp"
    aside.write_bytes(os.urandom(4_000))
    aside.rename(folder / f"r{number}")


def _one_file(made: Bench, published: Callable[[], int], write: Callable[[], None]) -> float:
    before, head = published(), made.head()
    write()
    began = time.monotonic()
    while made.head() == head:
        time.sleep(0.001)
    seconds = time.monotonic() - began
    wait(lambda: published() > before, "its record", 30)
    return seconds


def _p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


@case
def restart() -> None:
    """100,000 unchanged files: to rest, requests, bytes read."""
    files = 100_000
    with bench() as made:
        folder = made.place / "drop"
        write_tree(folder, files, 1_000, 1_000)
        with daemon(made, folder, HF_WATCH_COMMIT__MAX_FILES="5000") as process:
            wait(lambda: process.published() >= files, "the first publication", 900)
            process.stop()
        for _ in range(RUNS):
            _restart(made, folder)
        one_shot(made, folder, "theirs")
        asked = len(made.hub.requests)
        again = _again(made, folder)
        say("upload_folder on the same, unchanged", again, "s")
        say("upload_folder, requests", len(made.hub.requests) - asked, "")


def _restart(made: Bench, folder: Path) -> None:
    """At rest: the probes are answered, the scan is done, and nothing has been read or asked for since."""
    asked, began = len(made.hub.requests), time.monotonic()
    with Reads(folder) as reads, daemon(made, folder) as process:
        wait(lambda: len(made.hub.requests) >= asked + 2, "the probes", 60)
        say("restart on 100,000 unchanged files, to rest", time.monotonic() - began, "s", "at most 3")
        time.sleep(3)
        say("requests", len(made.hub.requests) - asked, "", "2: the start-up probes")
        say("reads of the files' content", reads.look(), "", "0")
        say("bytes read in all, program and ledger included (content: 100)", process.read_bytes() / MB, "MB")
        say("commits", len(process.events("commit.recorded")), "", "0")
        process.stop()


def _again(made: Bench, folder: Path) -> float:
    began = time.monotonic()
    HfApi(endpoint=made.hub.url, token="hf_" + "b" * 32).upload_folder(
        repo_id="bench/theirs", repo_type="dataset", folder_path=folder, path_in_repo="incoming"
    )
    return time.monotonic() - began


WRITER = """
import os, sys, time
path, uid = sys.argv[1], int(sys.argv[2])
os.setuid(uid)
with open(path, "wb", buffering=0) as file:
    for piece in range(5):
        file.write(bytes([65 + piece]) * 50_000)
        time.sleep(2)
"""
NOBODY = 65_534
WHOLE = b"".join(bytes([65 + piece]) * 50_000 for piece in range(5))


@case
def torn() -> None:
    """20 files written in five pieces two seconds apart, by this user and by another one."""
    for who, uid in (("this user", os.getuid()), ("another user", NOBODY)):
        if uid == NOBODY and os.getuid() != 0:
            print("another user: needs root to become one", flush=True)
            continue
        for name in ("hf-watch", "scheduler", "script"):
            _torn(name, who, uid)
        if uid == NOBODY:
            _torn("hf-watch", "another user whose files it may not ask about", uid, leases=False)


def _torn(name: str, who: str, uid: int, *, leases: bool = True) -> None:
    with bench() as made:
        made.place.chmod(0o755)  # for another user to reach the folder
        folder = made.place / "drop"
        folder.mkdir()
        folder.chmod(0o777)
        running = daemon(made, folder, leases=leases) if name == "hf-watch" else peer(made, name, folder, "bench/drop")
        with running as process:
            if name != "hf-watch":
                wait(lambda: "ready" in process.log.read_text(), "the peer", 60)
            writers = [
                subprocess.Popen([sys.executable, "-c", WRITER, str(folder / f"f{number}"), str(uid)])
                for number in range(20)
            ]
            for writer in writers:
                writer.wait()
            wait(lambda: made.held() >= 20, "20 files", 60)
            time.sleep(8)
        versions = _versions(made)
        say(f"{name}, {who}: torn versions committed", sum(each != WHOLE for each in versions), "", "0")
        say(f"{name}, {who}: versions committed", len(versions), "", "20")


def _versions(made: Bench) -> list[bytes]:
    """Every content that any commit put below incoming/."""
    found = []
    for commit in made.hub.commits("dataset", "bench/drop"):
        placed = [path for path in commit.added if path.startswith("incoming/")]
        found += [made.hub.read("dataset", "bench/drop", path, commit.id) for path in placed]
    return found


@case
def idle() -> None:
    """60 s of nothing: processor time, requests, memory."""
    for directories in (5_000, 20_000):
        with bench() as made:
            folder = made.place / "drop"
            for number in range(directories):
                (folder / f"d{number // 100}" / f"d{number}").mkdir(parents=True)
            with daemon(made, folder) as process:
                _rest(made, process.cpu_s, f"{directories} directories")
    with bench() as made:
        folder = made.place / "drop"
        write_tree(folder, 50_000, 100, 500)
        with daemon(made, folder, HF_WATCH_COMMIT__MAX_FILES="5000") as process:
            wait(lambda: process.published() >= 50_000, "50,000 files", 600)
            process.stop()
        with daemon(made, folder) as process:
            time.sleep(5)
            say("resident at 50,000 files", process.resident_mb(), "MB", "at most 90")


def _rest(made: Bench, cpu_s: Callable[[], float], what: str) -> None:
    time.sleep(3)
    asked, before = len(made.hub.requests), cpu_s()
    time.sleep(60)
    say(f"idle for 60 s, {what}: share of a core", (cpu_s() - before) / 60 * 100, "%", "at most 0.1")
    say(f"idle for 60 s, {what}: requests", len(made.hub.requests) - asked, "", "0")


@case
def storm() -> None:
    """Two processes writing 40,000 files each as fast as they can."""
    program = (
        "import sys\nfor i in range(40_000):\n"
        "    with open(f'{sys.argv[1]}/d{i % 100}/{sys.argv[2]}{i}', 'wb') as file:\n"
        "        file.write(b'x' * 100 + str(i).encode())"
    )
    with bench() as made:
        folder = made.place / "drop"
        for number in range(100):
            (folder / f"d{number}").mkdir(parents=True)
        with daemon(made, folder) as process, HeadWatch(made) as watch:
            writers = [subprocess.Popen([sys.executable, "-c", program, str(folder), name]) for name in "ab"]
            for writer in writers:
                writer.wait()
            written = time.monotonic()
            wait(lambda: process.published() >= 80_000, "80,000 files", 900)
            say("two writers, 80,000 files: last write to all visible", watch.moved_at - written, "s")
            say("commits", made.commits(), "")
            say("gaps", len(process.events("watch.gap")), "")
            say("peak memory", process.peak_mb(), "MB")
        say("files there", made.held(), "", "80000")


@case
def huge() -> None:
    """A 1 GB file, then 10 MB appended."""
    with bench() as made:
        folder = made.place / "drop"
        folder.mkdir()
        path = folder / "huge.bin"
        with daemon(made, folder) as process:
            with path.open("wb") as file:
                for _ in range(1_000):
                    file.write(os.urandom(MB))
            written = time.monotonic()
            wait(lambda: process.published() >= 1, "1 GB", 600)
            say("1 GB: last write to visible", time.monotonic() - written, "s")
            say("1 GB: peak memory", process.peak_mb(), "MB", "at most 400")
            before = made.hub.xet_bytes_received
            with path.open("ab") as file:
                file.write(os.urandom(10 * MB))
            wait(lambda: process.published() >= 2, "the appended file", 600)
            say("10 MB appended: new Xet data", (made.hub.xet_bytes_received - before) / MB, "MB", "at most 12")
            say("both: peak memory", process.peak_mb(), "MB", "at most 400")
        folder = made.place / "theirs"
        folder.mkdir()
        path.rename(folder / "huge.bin")
        seconds, peak = one_shot(made, folder, "theirs")
        say("upload_folder of the same file (its content is known by then)", seconds, "s")
        say("upload_folder, peak memory", peak, "MB")


def main(names: list[str]) -> None:
    threading.current_thread().name = "bench"
    for name in names or CASES:
        print(f"\n== {name}: {(CASES[name].__doc__ or '').strip()}", flush=True)
        CASES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
