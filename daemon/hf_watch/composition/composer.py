"""Settings → adapters → workers, and again when the settings were read anew."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from hf_watch.afterwards.hooks import Hooks
from hf_watch.afterwards.receipts import Receipts
from hf_watch.composition import specs
from hf_watch.composition.assembly import Assembled, Surroundings, assemble
from hf_watch.control.daemon import Roster, Steered
from hf_watch.hub.hub import HubClient
from hf_watch.ledger.ledger import Ledger
from hf_watch.pacing.budget import Budget
from hf_watch.pacing.outage import Outage
from hf_watch.paths import printable
from hf_watch.process.jobs import JobSpec
from hf_watch.process.service import ServiceSpec
from hf_watch.rules.pace import Throttle, full_bucket
from hf_watch.rules.plan import summary
from hf_watch.settings import places
from hf_watch.snapshots.credentials import Credentials
from hf_watch.threads.allotment import Allotment
from hf_watch.threads.commands import Pause
from hf_watch.threads.inbox import Inbox
from hf_watch.threads.measured import Several, ignore
from hf_watch.threads.shortfall import Shortfall
from hf_watch.threads.status import problems
from hf_watch.watches import RootWatch

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from hf_watch.afterwards.hooks import HookSpec
    from hf_watch.composition.assembly import WatchOf
    from hf_watch.composition.specs import Targets
    from hf_watch.control.pauses import Pauses
    from hf_watch.model import Destination
    from hf_watch.ports import Sink
    from hf_watch.process.jobs import Job
    from hf_watch.publish.parcel import Parcel
    from hf_watch.rules.filters import Filter
    from hf_watch.settings.settings import Settings, TargetSettings
    from hf_watch.targets.spec import TargetSpec
    from hf_watch.threads.measured import Observe
    from hf_watch.threads.pulse import Pulse
    from hf_watch.threads.status import WorkerStatus
    from hf_watch.worker.worker import Worker

log = structlog.get_logger()

LEDGER_NAME = "ledger.sqlite3"
RECEIPTS_NAME = "receipts.jsonl"
LOCAL = "local:"
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the Hub is reached, and under which name the ledger knows it."""

    name: str
    url: str

    @classmethod
    def local(cls, directory: Path, url: str) -> Endpoint:
        """The local Hub that keeps its repos in `directory`: its address changes, what it holds does not."""
        return cls(f"{LOCAL}{directory}", url)

    @property
    def is_local(self) -> bool:
        """Whether it is a Hub of this process's own."""
        return self.name.startswith(LOCAL)


@dataclass(frozen=True, slots=True)
class Mode:
    """What kind of run it is."""

    single_pass: bool = False
    verify: bool = False
    confirm_deletes: bool = False  # that an earlier pass held back


@dataclass(slots=True)
class _Composed:
    """The parts of one destination, as they were put together last."""

    assembled: Assembled
    allotment: Allotment
    steered: tuple[Steered, ...]


def new_budget(settings: Settings, endpoint: Endpoint, ledger: Ledger) -> Budget:
    """The account's pace, with the commits of the last hour counted in, and what the Hub asked to wait."""
    commit = settings.commit
    now_s = time.time()
    bucket = full_bucket(commit.per_hour, commit.burst, time.monotonic() - HOUR_S)
    budget = Budget(bucket, Throttle(settings.upload.max_bytes_per_s), time.monotonic)
    ages_s = [now_s - at_s for at_s in ledger.batches.commits_since(endpoint.name, now_s - HOUR_S)]
    budget.restore(ages_s, ledger.waits.left_s(endpoint.name))
    return budget


class Composer:
    """Puts workers together for one ledger; on the main thread. `roster` shows the targets there are."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        state_dir: Path,
        ledger: Ledger,
        mode: Mode,
        pauses: Pauses,
        roster: Roster,
        hooks: HookSpec,
        observe: Observe = ignore,
    ) -> None:
        """`ledger` is open, for this thread; each worker has a connection of its own."""
        self.hooks = Hooks(hooks, self._problems)  # not started: whoever composes runs them
        self._endpoint = endpoint
        self._state_dir = state_dir
        self._receipts = Receipts(state_dir / RECEIPTS_NAME, self.hooks.published)
        self.credentials = Credentials(places.rules_dir())
        self._ledger = ledger
        self._mode = mode
        self._pauses = pauses
        self._roster = roster
        self._observe = observe
        self._outage = Outage(time.monotonic, random.random)
        self._shortfall = Shortfall()
        self._paced: tuple[object, Budget] | None = None
        self._wanted: dict[Destination, Targets] = {}
        self._composed: dict[Destination, _Composed] = {}

    @property
    def has_given_up(self) -> bool:
        """Whether a single pass could not publish something, or not put away what it published."""
        return any(each.assembled.has_left for each in self._composed.values())

    def _problems(self) -> list[str]:
        """What a person should look at, in words; from any thread."""
        return [problem for each in list(self._composed.values()) for problem in problems(each.assembled.worker.status)]

    def see_quota(self, remaining: int, limit: int | None, reset_s: float) -> None:
        """What the Hub said of its quota of requests; from any thread."""
        if self._paced is not None:
            self._paced[1].see_quota(remaining, limit, reset_s)

    def commits_left(self) -> float:
        """How many commits may go at once; from any thread."""
        return math.inf if self._paced is None else self._paced[1].commits_left

    def spec(self, settings: Settings) -> ServiceSpec:
        """A job for each destination. What the settings leave as it is has the key that it had."""
        self._wanted = specs.destinations(settings, self._endpoint.name)
        for each in specs.shared_places(self._wanted):
            log.warning("dest.shared", targets=each.names, dest=each.dest, reason=each.what_follows)
        self._share(settings)
        budget = self._budget(settings)
        paces = (settings.commit, settings.upload)
        jobs = [
            JobSpec(
                name=str(destination),
                key=(*paces, [(spec.name, each) for each, spec in targets]),
                folders=len(targets),
                assemble=partial(self._assemble, settings, destination, budget),
            )
            for destination, targets in self._wanted.items()
        ]
        self._show()
        place = printable(str(self._state_dir))
        return ServiceSpec(tuple(jobs), settings.shutdown_s, settings.health.max_lag_s, place)

    def _share(self, settings: Settings) -> None:
        """Give those that stay their part of the memory, before others take theirs."""
        for destination, composed in self._composed.items():
            if destination in self._wanted:
                composed.allotment.share = specs.share(settings, len(self._wanted))

    def _show(self) -> None:
        there = [self._composed[each].steered for each in self._wanted if each in self._composed]
        self._roster.targets = tuple(target for steered in there for target in steered)

    def _budget(self, settings: Settings) -> Budget:
        """The account's pace: the one there is, as long as its settings are."""
        paces = (settings.commit, settings.upload)
        if self._paced is None or self._paced[0] != paces:
            self._paced = (paces, new_budget(settings, self._endpoint, self._ledger))
        return self._paced[1]

    def _assemble(
        self, settings: Settings, destination: Destination, budget: Budget, opened: ExitStack
    ) -> tuple[Job, list[Pulse]]:
        targets, mode = self._wanted[destination], self._mode
        watches = _Watches({spec.name: each for each, spec in targets})
        allotment = Allotment(specs.share(settings, len(self._wanted)))
        around = self._surroundings(destination, budget, allotment, _no_watch if mode.single_pass else watches)
        opened.callback(around.ledger.close)
        spec = specs.destination_spec(settings, destination, targets, single_pass=mode.single_pass, verify=mode.verify)
        assembled = assemble(spec, around)
        if mode.confirm_deletes:
            assembled.confirm_deletes()
        steered = tuple(_steered(destination, targets, assembled))
        if not mode.single_pass:
            self._pause(steered)
        self._composed[destination] = _Composed(assembled, allotment, steered)
        self._show()
        return assembled.worker, [assembled.pulse, *watches.pulses]

    def _surroundings(
        self, destination: Destination, budget: Budget, allotment: Allotment, watch_of: WatchOf
    ) -> Surroundings:
        return Surroundings(
            hub=HubClient(destination, self._endpoint.url),
            ledger=Ledger(self._state_dir / LEDGER_NAME),
            budget=budget,
            outage=self._outage,
            shortfall=self._shortfall,
            inbox=Inbox(),
            allotment=allotment,
            watch_of=watch_of,
            message=_Message({spec.name: each.commit_message for each, spec in self._wanted[destination]}),
            receipts=self._receipts,
            credentials=self.credentials,
            clock=time.monotonic,
            wall_clock_ns=time.time_ns,
            unit_random=random.random,
            observe=Several((self.hooks, self._observe)),
        )

    def _pause(self, targets: tuple[Steered, ...]) -> None:
        """What was paused when the last daemon, or the last worker, ended, stays so."""
        paused = self._pauses.load()
        for each in targets:
            if each.bound in paused:
                each.inbox.ask(Pause(each.index))


def _steered(destination: Destination, targets: Targets, assembled: Assembled) -> list[Steered]:
    status = _Status(assembled.worker)
    return [
        Steered(spec.name, spec.source, spec.mapping, destination, index, assembled.inbox, status, each, spec.wanted)
        for index, (each, spec) in enumerate(targets)
    ]


@dataclass(frozen=True, slots=True)
class _Status:
    """What a worker says of itself at the moment."""

    worker: Worker

    def __call__(self) -> WorkerStatus:
        return self.worker.status


def _no_watch(_spec: TargetSpec, _sink: Sink) -> None:
    """A single pass only scans."""


@dataclass(frozen=True, slots=True)
class _Watches:
    """Makes each target's watch, by the target's name."""

    settings: dict[str, TargetSettings]
    pulses: list[Pulse] = field(default_factory=list)

    def __call__(self, spec: TargetSpec, sink: Sink) -> RootWatch:
        watch = RootWatch(
            spec.source, sink, observer=self.settings[spec.name].observer, enters=_Reached(spec.wanted),
            retry_s=spec.poll_s,
        )  # fmt: skip
        self.pulses.append(watch.pulse)
        return watch


@dataclass(frozen=True, slots=True)
class _Reached:
    """Whether a directory, as the watch meets it, can hold anything that is published."""

    wanted: Filter

    def __call__(self, directory: str) -> bool:
        return not directory or self.wanted.enters(directory)


@dataclass(frozen=True, slots=True)
class _Message:
    """A commit's message, by the template of the target that most of it comes from."""

    templates: dict[str, str]

    def __call__(self, parcel: Parcel) -> str:
        names = [each.origin.target.spec.name for each in parcel.ready]
        name = max(self.templates, key=names.count)
        what = summary(each.operation for each in parcel.ready)
        return self.templates[name].format(summary=what, files=len(parcel.ready), target=name)
