"""The conservation oracle: writers, a daemon killed at random moments, a Hub that fails in every way, and a verdict.

What the writers say they finished (tests/witness.py) is held against every commit that the Hub has.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

from hf_watch.local_hub import LocalHub
from hf_watch.local_hub.faults import Fault, Faults
from tests import witness
from tests.contents import contents
from tests.eventually import eventually
from tests.metrics import metrics_at
from tests.proxy import Proxy
from tests.running import Running, environment, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REPO = ("dataset", "acme/drop")
PREFIX = "incoming/"
WRITERS = 2
LONGEST_LIFE_S = 3.0
CALM_TIMEOUT_S = 400.0  # a lost commit is waited for 120 s, and the longest backoff is 60 s
QUOTA_WORDS = (
    '{"error": "You have exceeded the rate limit for repository commits (128 per hour).'
    ' You can retry this action in about 1 second."}'
)
UNASKED = {".gitattributes"}  # a new repo holds it

Disk = dict[str, bytes]


def equals(disk: Disk, held: Disk) -> bool:
    """A mirror: the Hub holds what the disk holds, and nothing else."""
    return held == disk


def contains(disk: Disk, held: Disk) -> bool:
    """Whatever became of the other files, the Hub holds what the disk holds."""
    return all(held.get(path) == content for path, content in disk.items())


def emptied(disk: Disk, held: Disk) -> bool:
    """A drop folder: everything was taken away, and something is there."""
    return not disk and bool(held)


@dataclass(frozen=True)
class Case:
    """One way to run the daemon, and what is then to be true of the Hub."""

    options: tuple[str, ...]
    agrees: Callable[[Disk, Disk], bool]
    may_delete: bool  # whether commits may delete what the writers removed
    writers_do: str = "all"
    is_archived: bool = False  # whether what was published is in the archive, once


MIRROR = Case(("--on-delete", "mirror"), equals, may_delete=True)
GROUPED = Case(("--on-delete", "mirror", "--group", "directory"), equals, may_delete=True)
DELETED = Case(("--on-delete", "mirror", "--after-upload", "delete"), emptied, may_delete=False, writers_do="drops")
ARCHIVED = Case(
    ("--on-delete", "mirror", "--after-upload", "archive", "--archive-dir", "{place}/archive"),
    emptied,
    may_delete=False,
    writers_do="drops",
    is_archived=True,
)
KEEP = Case(("--on-delete", "keep"), contains, may_delete=False)


def sha256_of(file: Path) -> str:
    return sha256_of_content(file.read_bytes())


def sha256_of_content(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Storm:
    """One run: so many lives of the daemon, then calm. Everything is drawn from `seed`."""

    place: Path
    case: Case
    seed: int
    kills: int
    key: str = "the writers' own"
    faults: Faults = field(default_factory=Faults)
    is_down: bool = False

    def __post_init__(self) -> None:
        self.drop = self.place / "drop"
        self.chance = random.Random(self.seed)  # noqa: S311  a plan of faults
        self.hub = LocalHub(self.place / "hub", open_namespaces=True, faults=self.faults)
        self._serving = ExitStack()
        self._outage = ExitStack()

    def run(self) -> None:
        """All of it; AssertionError when something was lost, torn, invented or made twice."""
        for name in ("drop", "aside", "lists", "logs"):
            (self.place / name).mkdir()
        with self._serving:
            self._serving.enter_context(self.hub)
            with Proxy(self.hub.port) as self.proxy, self._outage:
                with self._writers():
                    for life in range(self.kills):
                        self._live(life)
                self._calm()
                self._judge()

    # What happens.

    def _come_back(self) -> None:
        self._outage.close()
        self.is_down = False

    def _go_away(self) -> None:
        """Connections are refused; now and then the Hub begins anew meanwhile."""
        if not self.is_down:
            self._outage.enter_context(self.proxy.down())
            self.is_down = True
        if self.chance.random() < 1 / 2:
            self._serving.pop_all().close()
            self._serving.enter_context(self.hub)

    @contextmanager
    def _writers(self) -> Iterator[None]:
        """Writers at work; afterwards they have ended, after a whole operation."""
        writers = [self._writer(number) for number in range(WRITERS)]
        try:
            yield
        finally:
            for writer in writers:
                writer.communicate()  # closes its standard input, and waits
        assert [writer.returncode for writer in writers] == [0] * WRITERS

    def _writer(self, number: int) -> subprocess.Popen[bytes]:
        program, seed = str(Path(witness.__file__)), f"{self.seed}/{number}"
        arguments = [self.drop, self.place / "aside", self._list(number), number, seed, self.key, self.case.writers_do]
        return subprocess.Popen([sys.executable, program, *map(str, arguments)], stdin=subprocess.PIPE)

    def _list(self, number: int) -> Path:
        return self.place / "lists" / str(number)

    @contextmanager
    def _daemon(self, name: str, **more: str) -> Iterator[Running]:
        dest = f"hf://datasets/{REPO[1]}/{PREFIX.rstrip('/')}"
        arguments = ["run", str(self.drop), dest, "--create-repo", "--quiet-s", "0.05"]
        arguments += [option.format(place=self.place) for option in self.case.options]
        env = environment(
            self.proxy.url, self.place, HF_WATCH_COMMIT__PER_HOUR="0", HF_WATCH_MEMORY__INLINE_BYTES="200000", **more
        )
        with running(arguments, env, self.place / "logs" / name) as daemon:
            yield daemon

    def _live(self, life: int) -> None:
        """One life of the daemon under faults, up to its violent end."""
        self._clear_faults()
        for _ in range(self.chance.randrange(4)):
            self._add_fault(self.chance.choice(ROUTES), self.chance.randrange(1, 4))
        self._go_away() if self.chance.random() < 1 / 6 else self._come_back()
        with self._daemon(f"{life:03}") as daemon:
            if self.chance.random() < 3 / 4:
                daemon.wait_for("target.scanned")  # else, on a busy machine, most lives end before they publish
            if self.chance.random() < 1 / 6:
                self._wait(daemon)
                self._come_back() if self.is_down else self._go_away()
            self._wait(daemon)
            daemon.kill()

    def _add_fault(self, route: str, times: int) -> None:
        if self.chance.random() < 1 / 5:
            self.proxy.reset(route, times=times, forwarded=self.chance.random() < 1 / 2)
        else:
            self.faults.add(route, self.chance.choice(FAULTS)(), times=times)

    def _clear_faults(self) -> None:
        self.faults.clear()
        self.proxy.clear()

    def _wait(self, daemon: Running) -> None:
        """Until a moment that is drawn anew each time: so many requests, so many lines of log, or some time."""
        until = time.monotonic() + self.chance.uniform(0.0, LONGEST_LIFE_S)
        asked, lines = len(self.hub.requests) + self.chance.randrange(30), self.chance.randrange(15)
        came: Callable[[], bool] = self.chance.choice([
            lambda: False, lambda: len(self.hub.requests) >= asked, lambda: len(daemon.log()) >= lines,
        ])  # fmt: skip
        never = threading.Event()
        while time.monotonic() < until and not came():
            never.wait(0.002)

    def _calm(self) -> None:
        """Nothing fails any more: what the disk holds arrives, and so does a file that is new."""
        self._clear_faults()
        self._come_back()
        with self._daemon("calm", HF_WATCH_HTTP__LISTEN="127.0.0.1:0") as daemon:
            eventually(self._agrees, f"the Hub agrees with the disk, seed {self.seed}", CALM_TIMEOUT_S)
            (self.drop / "fresh.txt").write_bytes(b"fresh")
            eventually(lambda: self._held().get("fresh.txt") == b"fresh", "a fresh file arrives", CALM_TIMEOUT_S)
            eventually(lambda: self._is_counted(daemon), f"the metrics say what the Hub holds, seed {self.seed}")
            assert daemon.stop() == 0
        assert self._agrees()

    def _is_counted(self, daemon: Running) -> bool:
        """Whether this life's metrics are the Hub's own count of the commits that it recorded."""
        ids = {event["commit"] for event in daemon.events("commit.recorded")} - {None}
        made = [commit for commit in self.hub.commits(*REPO) if commit.id in ids]
        [started] = daemon.events("page.started")
        found = metrics_at(started["url"])
        names = ("commits_total", "files_published_total", "files_deleted_total")
        counted = [found.get(f"hf_watch_{name}", 0.0) for name in names]
        added, deleted = (sum(map(len, each)) for each in ([c.added for c in made], [c.deleted for c in made]))
        return len(made) == len(ids) > 0 and counted == [len(made), added, deleted]

    def _agrees(self) -> bool:
        return self.case.agrees(self._disk(), self._held())

    def _disk(self) -> Disk:
        files = (Path(directory, name) for directory, _, names in os.walk(self.drop) for name in names)
        found: Disk = {}
        for file in files:
            with suppress(FileNotFoundError):  # the daemon may take it away while it is looked at
                found[str(file.relative_to(self.drop))] = file.read_bytes()
        return found

    def _held(self) -> Disk:
        return contents(self.hub, *REPO, PREFIX)  # empty where no life was long enough to create it

    # What is then true.

    def _judge(self) -> None:
        lists = [witness.read_list(self._list(number), self.key) for number in range(WRITERS)]
        testimony = Testimony(lists)
        commits = self.hub.commits(*REPO)
        batches = Counter(each.description for each in commits if "hf-watch batch" in each.description)
        assert {batch: count for batch, count in batches.items() if count > 1} == {}, "a batch was committed twice"
        for commit in commits[1:]:
            assert commit.description in batches, f"{commit.id}: not by a batch of ours"
            for path in commit.added:
                testimony.hear(path.removeprefix(PREFIX), self.hub.read(*REPO, path, commit.id))
            assert self.case.may_delete or not commit.deleted, f"deleted unasked: {commit.deleted}"
            for path in commit.deleted:
                testimony.hear_removed(path.removeprefix(PREFIX))
        assert set(self.hub.files(*REPO)) <= UNASKED | {PREFIX + path for path in testimony.paths}
        assert len(commits) > 1
        if self.case.writers_do == "drops":
            testimony.hear_last(self._held())
        if self.case.is_archived:
            kept = Counter(sha256_of(file) for file in (self.place / "archive").rglob("*") if file.is_file())
            assert max(kept.values()) == 1, "a file was archived twice"
            assert {sha256_of_content(content) for content in self._held().values()} <= set(kept)


@dataclass
class Testimony:
    """What the writers finished, and how far the commits have come through it."""

    lists: Sequence[Sequence[dict[str, str]]]

    def __post_init__(self) -> None:
        self.finished: dict[str, list[str]] = {"fresh.txt": [hashlib.sha256(b"fresh").hexdigest()]}
        self.removed: set[str] = set()
        for line in (line for lines in self.lists for line in lines):
            if line["did"] == "finished":
                self.finished.setdefault(line["path"], []).append(line["sha256"])
            else:
                self.removed.add(line["path"])
        self._heard: dict[str, int] = {}

    @property
    def paths(self) -> set[str]:
        return set(self.finished)

    def hear(self, path: str, content: bytes) -> None:
        """A commit put `content` at `path`: it was finished there, and not before what was committed there last."""
        sha256, versions = hashlib.sha256(content).hexdigest(), self.finished.get(path, [])
        assert sha256 in versions, f"{path}: {len(content)} bytes were committed that nobody finished: {content[:80]!r}"
        if not path.startswith("shared/"):  # several writers: nobody knows their order
            since = self._heard.get(path, 0)
            assert sha256 in versions[since:], f"{path}: the Hub went back to {content[:80]!r}"
            self._heard[path] = versions.index(sha256, since)

    def hear_last(self, held: Disk) -> None:
        """The Hub holds the last version of each path that had one writer."""
        last = {path: versions[-1] for path, versions in self.finished.items() if not path.startswith("shared/")}
        found = {path: sha256_of_content(content) for path, content in held.items()}
        assert {path: found.get(path) for path in last} == last

    def hear_removed(self, path: str) -> None:
        assert path in self.removed, f"{path}: deleted, though nobody had removed it"


# How a Hub fails, and where.

ROUTES = (
    *["/commit/"] * 8, "/preupload/", "/paths-info/", "/commits/", "/revision/", "/tree/", "/auth-check",
    "/xet-write-token/", "/v1/", ".",
)  # fmt: skip
LOST_ANSWERS: list[Callable[[], Fault]] = [
    lambda: Fault(status=500, after_effect=True),
    lambda: Fault(status=504, after_effect=True),
    lambda: Fault(cut=True, after_effect=True),
    lambda: Fault(slow_s=1.0, cut=True, after_effect=True),
]
FAULTS: list[Callable[[], Fault]] = [
    *LOST_ANSWERS * 3,  # after the effect
    # Before the effect.
    lambda: Fault(status=500),
    lambda: Fault(status=502, body="<html>Bad Gateway</html>"),
    lambda: Fault(status=503, headers=(("Retry-After", "1"),)),
    lambda: Fault(status=504),
    lambda: Fault(status=409, body='{"error": "Another commit operation is in progress"}'),
    lambda: Fault(status=412, body='{"error": "A commit has happened since. Please refresh and try again."}'),
    lambda: Fault(status=429, body=QUOTA_WORDS),
    lambda: Fault(status=429, headers=(("Retry-After", "1"),)),
    lambda: Fault(status=429, headers=(("Retry-After", formatdate(time.time() + 1, usegmt=True)),)),
    # In the middle.
    lambda: Fault(cut=True),
    lambda: Fault(slow_s=0.3),
    lambda: Fault(slow_s=2.0),
    lambda: Fault(delay_s=30.0, status=504),
]
