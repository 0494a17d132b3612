"""Scenarios in which the process can be killed at any step, on the Hub in memory and on the real client."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Protocol

from structlog.testing import capture_logs

from hf_watch import local_hub
from hf_watch.disk.reading import digest_of
from hf_watch.errors import AmbiguousError, MovedError, RetryableError
from hf_watch.hub.hub import HubClient
from hf_watch.ledger.ledger import Ledger
from hf_watch.model import Destination
from tests.disk import fill
from tests.engine import DESTINATION, Engine, Running, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer
from tests.mortal import Crash, Fate, MortalHub, mortal_ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hf_watch.local_hub import LocalHub
    from hf_watch.ports import Hub

OnDelete = Literal["keep", "mirror"]

INLINE_BYTES = 64
LARGE = b"\0" * 128  # above `inline_bytes`, and binary: handed over by its path, sent outside the commit
RESCAN_S = 60.0
A_STEP_S = 65.0  # a rescan, at least, after each step of a scenario
CALM_S = 200.0  # the longest backoff, and the time in which a lost commit may land yet
ANCHOR = {"anchor": b"stays"}  # an empty root is a case of its own


@dataclass(frozen=True)
class Change:
    """One commit of ours or of somebody else, who has no batch."""

    batch: str
    added: Mapping[str, bytes]
    deleted: tuple[str, ...]


class Side(Protocol):
    """A Hub's side: the port to it, what it did, and how it is made to fail."""

    hub: Hub

    def history(self) -> list[Change]: ...

    def lose_answer(self) -> None: ...

    def refuse(self, calls: int) -> None: ...

    def recover(self) -> None: ...


@dataclass
class FakeSide:
    """The Hub in memory."""

    fake: FakeHub = field(
        default_factory=lambda: FakeHub(bad=lambda path: path.endswith("bad"), largest_regular_bytes=INLINE_BYTES)
    )

    def __post_init__(self) -> None:
        self.hub: Hub = self.fake

    def history(self) -> list[Change]:
        return [Change(each.batch_id, each.added, each.deleted) for each in self.fake.repo.commits]

    def lose_answer(self) -> None:
        self.fake.fail("commit", lost_answer())

    def refuse(self, calls: int) -> None:
        for verb in ("head", "check_write", "find", "recent", "paths_info", "stage", "commit"):
            self.fake.fail(verb, *[Fault(RetryableError("503: Service Unavailable"))] * calls)

    def recover(self) -> None:
        self.fake.script.clear()


@dataclass
class RealSide:
    """The real adapter, the real client, and a repo of its own on the local Hub."""

    local: LocalHub
    repo: str

    def __post_init__(self) -> None:
        place = Destination(self.local.url, "dataset", self.repo, "main")
        self.hub: Hub = HubClient(place, token=lambda: "hf_kill_points")
        self.hub.create(private=True)

    def history(self) -> list[Change]:
        changes = []
        for each in self.local.commits("dataset", self.repo)[1:]:
            added = {path: self.local.read("dataset", self.repo, path, each.id) for path in each.added}
            changes.append(Change(each.description, added, each.deleted))
        return changes

    def lose_answer(self) -> None:
        self.local.faults.add("/commit/", local_hub.faults.Fault(status=504, after_effect=True))

    def refuse(self, calls: int) -> None:
        self.local.faults.add(".", local_hub.faults.Fault(status=503), times=calls)

    def recover(self) -> None:
        self.local.faults.clear()


@cache
def _new_ledger() -> bytes:
    """A ledger that knows nothing yet; copied, since making one waits for the disk."""
    with TemporaryDirectory() as place:
        file = Path(place) / "ledger.sqlite3"
        Ledger(file).open().close()
        return file.read_bytes()


class World:
    """A disk, a Hub's side, and a daemon that dies at the given steps of its lives."""

    def __init__(self, place: Path, side: Side, on_delete: OnDelete, deaths: tuple[int, ...] = ()) -> None:
        self.drop = place / "drop"
        self.side = side
        self.fate = Fate()
        self.deaths_left = list(deaths)
        self.was_at: dict[str, set[bytes]] = {}  # every content that a path ever had on the disk
        self._on_delete = on_delete
        self._ledger = place / "ledger.sqlite3"
        self._ledger.write_bytes(_new_ledger())
        self._engine = Engine(
            place,
            [target_spec(self.drop, on_delete=on_delete, rescan_s=RESCAN_S)],
            MortalHub(side.hub, self.fate),
            inline_bytes=INLINE_BYTES,
            ledger_of=partial(mortal_ledger, fate=self.fate),
            wall_clock_ns=lambda: time.time_ns() + 10**9,  # no file is so new that it has to be looked at twice
        )
        self._process = ExitStack()
        self._running: Running | None = None

    @property
    def fake(self) -> FakeHub:
        assert isinstance(self.side, FakeSide)
        return self.side.fake

    def write(self, **files: bytes) -> None:
        fill(self.drop, {name.replace("__", "/"): content for name, content in files.items()})

    def play(self, scenario: Scenario) -> None:
        """All of a scenario, with some time after each step of it; then calm."""
        fill(self.drop, ANCHOR)
        with self._process:
            self._draw_death()
            for _ in scenario(self):
                self._note()
                self._live(A_STEP_S)
            self.fate.left = None
            self.side.recover()
            self._live(CALM_S)
            self.write(fresh=b"fresh")
            self._note()
            self._live(A_STEP_S)

    def restart(self) -> None:
        self._process.close()
        self._running = None

    def _live(self, duration_s: float) -> None:
        until = self._engine.clock() + duration_s
        while (left_s := until - self._engine.clock()) > 0:
            try:
                self._go_on(left_s)
            except Crash:
                self.restart()
                self._judge_budget()
                self._draw_death()

    def _go_on(self, duration_s: float) -> None:
        if self._running is None:
            self._running = self._process.enter_context(self._engine.running())
        self._running.go_on(duration_s)

    def _draw_death(self) -> None:
        self.fate.left = self.deaths_left.pop(0) if self.deaths_left else None

    def _note(self) -> None:
        for path, content in self._files().items():
            self.was_at.setdefault(path, set()).add(content)

    def _files(self) -> dict[str, bytes]:
        found = (path for path in self.drop.rglob("*") if path.is_file())
        return {f"incoming/{path.relative_to(self.drop)}": path.read_bytes() for path in found}

    def _judge_budget(self) -> None:
        """The next life has to know of every commit that the Hub counted."""
        made = [change for change in self.side.history() if change.batch]
        with mortal_ledger(self._ledger, Fate()) as ledger:
            assert len(ledger.batches.commits_since(DESTINATION.endpoint, 0.0)) >= len(made)

    def judge(self) -> None:
        """Every commit was asked for, none made twice or for nothing; the Hub and the ledger hold what they should."""
        history = self.side.history()
        batches = [change.batch for change in history if change.batch]
        assert len(set(batches)) == len(batches), "a batch was committed twice"
        held: dict[str, bytes] = {}
        for change in history:
            for path, content in change.added.items():
                assert not change.batch or content in self.was_at[path], f"{path}: it never held {content!r}"
                assert not change.batch or held.get(path) != content, f"{path}: committed again"
            assert not change.deleted or self._on_delete == "mirror"
            held.update(change.added)
            for path in change.deleted:
                del held[path]
        self._compare({path: content for path, content in self._files().items() if not path.endswith("bad")}, held)

    def _compare(self, on_disk: dict[str, bytes], held: dict[str, bytes]) -> None:
        assert {path: held.get(path) for path in on_disk} == on_disk
        if self._on_delete == "mirror":
            assert held == on_disk
        with closing(sqlite3.connect(self._ledger)) as db:
            rows = dict(db.execute("SELECT repo_path, sha256 FROM file WHERE repo_path NOT LIKE '%bad'"))
            assert db.execute("SELECT * FROM batch WHERE commit_id IS NULL").fetchall() == []
        assert rows == {path: digest_of(content).sha256 for path, content in on_disk.items()}


# The scenarios.

Scenario = Callable[[World], Iterator[None]]


def new_files(world: World) -> Iterator[None]:
    world.write(a=b"1", d__b=b"2", d__c=b"")
    yield


def rewrite(world: World) -> Iterator[None]:
    world.write(a=b"1", b=b"1")
    yield
    world.write(a=b"2")
    yield


def delete(world: World) -> Iterator[None]:
    world.write(a=b"1", d__b=b"2", d__c=b"3")
    yield
    (world.drop / "a").unlink()
    shutil.rmtree(world.drop / "d")
    yield


def rename(world: World) -> Iterator[None]:
    world.write(a=b"1", d__b=b"2")
    yield
    (world.drop / "a").rename(world.drop / "e")
    (world.drop / "d").rename(world.drop / "f")
    yield


def large_by_path(world: World) -> Iterator[None]:
    world.write(large=LARGE, a=b"1")
    yield
    world.write(large=LARGE + b"more")
    yield


def one_bad_file(world: World) -> Iterator[None]:
    world.write(a=b"1", b=b"2", bad=b"3", c=b"4")
    yield
    world.write(bad=b"5", b=b"6")
    yield


def lost_answers(world: World) -> Iterator[None]:
    world.write(a=b"1", b=b"1")
    world.side.lose_answer()
    yield
    (world.drop / "a").unlink()
    world.write(b=b"2")
    world.side.lose_answer()
    yield


def lost_answer_and_restart(world: World) -> Iterator[None]:
    world.write(a=b"1")
    yield
    world.write(a=b"2", b=b"2")
    world.side.lose_answer()
    world.side.refuse(2)
    yield
    world.restart()
    (world.drop / "b").unlink()
    yield


def outage(world: World) -> Iterator[None]:
    world.write(a=b"1")
    yield
    world.side.refuse(3)
    world.write(a=b"2", b=b"2")
    yield
    (world.drop / "b").unlink()
    yield


def not_landed(world: World) -> Iterator[None]:
    world.write(a=b"1")
    world.fake.fail("commit", Fault(AmbiguousError("504: Gateway Time-out")))
    yield
    world.write(a=b"2")
    world.fake.fail("commit", Fault(MovedError("409: Another commit operation is in progress")))
    yield


def landing_late(world: World) -> Iterator[None]:
    world.write(a=b"1", b=b"1")
    yield
    (world.drop / "b").unlink()
    world.write(a=b"2")
    world.fake.fail("commit", Fault(AmbiguousError("504: Gateway Time-out"), late=True))
    yield
    world.fake.land()
    world.write(a=b"3")
    yield


def somebody_else_commits(world: World) -> Iterator[None]:
    world.write(a=b"1", b=b"1")
    yield
    world.restart()
    world.fake.repo.apply("", "theirs", {"incoming/a": b"theirs"}, [])
    world.was_at["incoming/a"].add(b"theirs")
    yield


IN_A_MIRROR = [
    new_files, rewrite, delete, rename, large_by_path, one_bad_file, lost_answers, lost_answer_and_restart, outage,
    not_landed, landing_late, somebody_else_commits,
]  # fmt: skip
WITH_DELETES = [delete, rename, lost_answers, lost_answer_and_restart, outage, landing_late]
ON_ANY_SIDE = [new_files, rewrite, delete, rename, large_by_path, lost_answers, lost_answer_and_restart, outage]


def played(place: Path, side: Side, scenario: Scenario, on_delete: OnDelete, *deaths: int) -> World:
    """The world after a scenario in whose first lives the daemon died at the given steps; it was judged."""
    place.mkdir()
    world = World(place, side, on_delete, deaths)
    with capture_logs() as log:
        try:
            world.play(scenario)
            world.judge()
        except AssertionError as error:
            error.add_note("\n".join([f"died at step {deaths}", *map(str, log)]))
            raise
    return world
