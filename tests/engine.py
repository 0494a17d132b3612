"""A whole destination in one process on a clock of its own: real files, the real ledger, a Hub of the test's choice."""

from __future__ import annotations

import math
import os
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_watch.composition.assembly import Assembled, DestinationSpec, Surroundings, assemble
from hf_watch.ledger.ledger import Ledger
from hf_watch.model import Destination
from hf_watch.pacing.budget import Budget
from hf_watch.pacing.outage import Outage
from hf_watch.rules.filters import Filter
from hf_watch.rules.mapping import PLAIN, Mapping
from hf_watch.rules.pace import CommitSize, Throttle, full_bucket
from hf_watch.rules.plan import Limits, summary
from hf_watch.settings.values import quiet_of
from hf_watch.snapshots.credentials import Credentials
from hf_watch.targets.spec import TargetSpec
from hf_watch.threads.allotment import Allotment, Share
from hf_watch.threads.inbox import Hints, Inbox
from hf_watch.threads.measured import ignore
from hf_watch.threads.shortfall import Shortfall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hf_watch.afterwards.receipts import FileReceipt, ReceiptBook
    from hf_watch.model import Change, Gap
    from hf_watch.ports import Hub, Sink, Watch
    from hf_watch.publish.parcel import Parcel
    from hf_watch.settings.values import ReceiptsMode
    from hf_watch.snapshots.capacity import Capacity
    from hf_watch.threads.measured import Observe
    from hf_watch.worker.worker import Worker

RULES = Path(os.environ["KF_RULE_CACHE_DIR"])  # compiled once for all tests
DESTINATION = Destination("http://hub.example", "dataset", "acme/drop", "main")


@dataclass
class Clock:
    """Monotonic seconds that pass only when somebody waits."""

    now: float = 1_000.0
    until: float = math.inf  # nobody waits beyond this

    def __call__(self) -> float:
        return self.now


class FastInbox(Inbox):
    """An inbox in which waiting takes no time: the clock is put forward instead."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def take(self, timeout_s: float | None) -> dict[int, Hints]:
        is_woken = self._woken
        hints = super().take(0.0)
        if not hints and not self._requests and not is_woken:
            self._clock.now = max(self._clock.now, min(self._clock.now + (timeout_s or 0.0), self._clock.until))
        return hints


def target_spec(source: Path, **changes: object) -> TargetSpec:
    """A target with a test's usual settings."""
    mapping = Mapping(str(changes.pop("prefix", "incoming")), str(changes.pop("path_in_repo", PLAIN)), "drop", "here")
    quiet_s: Any = changes.pop("quiet_s", 0.0)
    values: dict[str, object] = {
        "name": "drop", "source": str(source), "mapping": mapping, "wanted": Filter(), "quiet": quiet_of(quiet_s),
        "max_wait_s": 60.0, "publish_open": False, "rescan_s": 300.0, "poll_s": 30.0, "on_delete": "keep",
    }  # fmt: skip
    return TargetSpec(**{**values, **changes})  # type: ignore[arg-type]


def message(parcel: Parcel) -> str:
    return summary(parcel.operations)


@dataclass
class Kept:
    """Receipts in memory."""

    receipts: list[FileReceipt] = field(default_factory=list)

    def note(self, mode: ReceiptsMode, receipts: Sequence[FileReceipt]) -> dict[int, str]:
        if mode != "off":
            self.receipts += receipts
        return {}


@dataclass(frozen=True)
class Running:
    """The loop of a daemon, in the test's hands."""

    worker: Worker
    clock: Clock

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.worker.turn()

    def go_on(self, duration_s: float) -> None:
        """Let so much time pass."""
        self.clock.until = self.clock() + duration_s
        while self.clock() < self.clock.until:
            self.worker.turn()
        self.clock.until = math.inf

    def hint(self, hint: Change | Gap, target: int = 0) -> None:
        """What the watch of a target says."""
        self.worker._inbox.put(target, hint)


@dataclass
class Engine:
    """Passes over the given targets; the ledger's file outlives each of them."""

    state_dir: Path
    targets: list[TargetSpec]
    hub: Hub
    limits: Limits = field(default_factory=lambda: Limits(1_000, 64 << 20))
    most_files: int = 0  # of a commit under a backlog; 0: not more than usual
    inline_bytes: int = 1 << 20
    verify: bool = False
    create_repo: bool = False
    capacity: Callable[[Ledger], Capacity] | None = None
    ledger_of: Callable[[Path], Ledger] = Ledger
    per_hour: float = 0.0
    burst: float = 25.0
    bytes_per_s: float = 0.0
    ages_s: Sequence[float] = ()  # how long ago the account's earlier commits were
    wait_s: float = 0.0  # how long the Hub asked an earlier process to be left alone
    seed: int = 0
    watch_of: Callable[[TargetSpec, Sink], Watch | None] = lambda _spec, _sink: None
    receipts: ReceiptBook = field(default_factory=Kept)
    clock: Clock = field(default_factory=Clock)
    wall_clock_ns: Callable[[], int] | None = None  # None: time of day passes as `clock` does
    observe: Observe = ignore

    @property
    def size(self) -> CommitSize:
        """How many files a commit takes."""
        usual = self.limits.max_files
        return CommitSize(usual, max(usual, self.most_files), usual)

    @contextmanager
    def assembled(self, *, single_pass: bool = True) -> Iterator[Assembled]:
        """The parts of a pass, on an open ledger."""
        bucket = full_bucket(self.per_hour, self.burst, self.clock() - 3600.0)
        budget = Budget(bucket, Throttle(self.bytes_per_s), self.clock)
        spec = DestinationSpec(
            destination=DESTINATION, targets=self.targets, size=self.size, create_repo=self.create_repo, private=True,
            verify=self.verify, single_pass=single_pass,
        )  # fmt: skip
        budget.restore(self.ages_s, self.wait_s)
        with self.ledger_of(self.state_dir / "ledger.sqlite3") as ledger:
            yield assemble(
                spec,
                Surroundings(
                    hub=self.hub, ledger=ledger, budget=budget,
                    outage=Outage(self.clock, random.Random(self.seed).random),  # noqa: S311  jitter
                    shortfall=Shortfall(),
                    inbox=FastInbox(self.clock),
                    allotment=Allotment(Share(self.limits.max_bytes, self.inline_bytes, stage_bytes=4 << 20)),
                    watch_of=self.watch_of, message=message, receipts=self.receipts, clock=self.clock,
                    credentials=Credentials(RULES), capacity=None if self.capacity is None else self.capacity(ledger),
                    wall_clock_ns=self.wall_clock_ns or self._time_of_day_ns,
                    unit_random=random.Random(self.seed).random,  # noqa: S311  jitter
                    observe=self.observe,
                ),
            )  # fmt: skip

    def _time_of_day_ns(self) -> int:
        """What is waited for on `clock` passes here too: a file is not new for ever."""
        return time.time_ns() + int((self.clock() - Clock.now) * 1e9)

    @contextmanager
    def running(self) -> Iterator[Running]:
        """A daemon whose loop goes on turn by turn; left without a word, as if killed."""
        with self.assembled(single_pass=False) as assembled:
            for target in assembled.worker._targets:
                target.take_up(self.clock())
            yield Running(assembled.worker, self.clock)

    def sync(self) -> Assembled:
        """One full pass."""
        with self.assembled() as assembled:
            assembled.worker.run()
        return assembled
