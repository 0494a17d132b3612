"""The parts of one destination, put together: targets, ledger, Hub, pace → its worker."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hf_watch.afterwards.after_upload import AfterUpload
from hf_watch.hub.attended import AttendedHub
from hf_watch.logs.journal import Journal
from hf_watch.pacing.pacing import Pacing
from hf_watch.publish.clearing import Clearer
from hf_watch.publish.publisher import Publisher
from hf_watch.publish.staging import Stager
from hf_watch.publish.unanswered import Unanswered
from hf_watch.rules.grouping import GroupSettler
from hf_watch.rules.settle import MOST_PUT_OFF, Settler
from hf_watch.snapshots.capacity import Capacity
from hf_watch.snapshots.claims import Claims
from hf_watch.snapshots.look_alikes import LookAlikes
from hf_watch.snapshots.placement import Placement
from hf_watch.snapshots.recording import Recorder
from hf_watch.snapshots.right_of_way import RightOfWay
from hf_watch.snapshots.screening import Screening
from hf_watch.snapshots.second_look import SecondLook
from hf_watch.snapshots.setbacks import Setbacks
from hf_watch.snapshots.snapshots import Snapshots
from hf_watch.targets.exploring import Exploration
from hf_watch.targets.lookout import Lookout
from hf_watch.targets.surveying import Survey
from hf_watch.targets.target import Target
from hf_watch.threads.commands import ConfirmDeletes
from hf_watch.threads.measured import ignore
from hf_watch.threads.pulse import Pulse
from hf_watch.worker.committing import Committer
from hf_watch.worker.deletions import DeleteGuard
from hf_watch.worker.gathering import Gatherer
from hf_watch.worker.groups import Groups
from hf_watch.worker.opening import Opener
from hf_watch.worker.recovery import Recovery
from hf_watch.worker.reporting import Reporter
from hf_watch.worker.steering import Steering
from hf_watch.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.afterwards.receipts import ReceiptBook
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Destination
    from hf_watch.pacing.budget import Budget
    from hf_watch.pacing.outage import Outage
    from hf_watch.ports import Hub, Sink, Watch
    from hf_watch.publish.parcel import Parcel
    from hf_watch.rules.pace import CommitSize
    from hf_watch.snapshots.credentials import Credentials
    from hf_watch.targets.spec import TargetSpec
    from hf_watch.threads.allotment import Allotment
    from hf_watch.threads.inbox import Inbox
    from hf_watch.threads.measured import Observe
    from hf_watch.threads.shortfall import Shortfall

    WatchOf = Callable[[TargetSpec, Sink], Watch | None]


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    """What is to be published to one destination, and within which bounds."""

    destination: Destination
    targets: Sequence[TargetSpec]
    size: CommitSize
    create_repo: bool
    private: bool
    verify: bool
    single_pass: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the parts stand on; tests bring their own."""

    hub: Hub
    ledger: Ledger  # open, or the worker opens it: where that fails it waits
    budget: Budget
    outage: Outage
    shortfall: Shortfall
    inbox: Inbox
    allotment: Allotment
    watch_of: WatchOf
    message: Callable[[Parcel], str]
    receipts: ReceiptBook
    credentials: Credentials
    clock: Callable[[], float]  # monotonic
    wall_clock_ns: Callable[[], int]
    unit_random: Callable[[], float]
    observe: Observe = ignore
    capacity: Capacity | None = None  # the Hub's own


@dataclass(frozen=True, slots=True)
class Assembled:
    """A worker, whether it gets on, and where it says what a single pass could not publish, by local path."""

    worker: Worker
    pulse: Pulse  # the worker's
    gave_up: dict[str, str]
    stayed: dict[str, str]  # what was published and could not be archived or deleted
    inbox: Inbox  # where the worker is asked for something

    def confirm_deletes(self) -> None:
        """Ask the worker to let the deletes go that are held back, as its first act."""
        for index in range(len(self.worker.status.targets)):
            self.inbox.ask(ConfirmDeletes(index))

    @property
    def has_left(self) -> bool:
        """Whether a single pass could not do all that it should: what it left is in the log."""
        held = any(each.held_deletes for each in self.worker.status.targets)
        return bool(self.gave_up or self.stayed) or held


def assemble(spec: DestinationSpec, around: Surroundings) -> Assembled:
    """Wire one destination's parts together; nothing runs yet."""
    parts = _Parts(spec, around)
    around.outage.on_end(around.inbox.wake)
    return Assembled(parts.worker, parts.pulse, parts.setbacks.gave_up, parts.after_upload.stayed, around.inbox)


@dataclass(frozen=True)
class _Parts:
    """Each part, made once when the first of those asks for it that stand on it."""

    spec: DestinationSpec
    around: Surroundings

    @cached_property
    def name(self) -> str:
        return str(self.spec.destination)

    @cached_property
    def targets(self) -> list[Target]:
        return [_target(each, self.spec, self.around, index) for index, each in enumerate(self.spec.targets)]

    @cached_property
    def pulse(self) -> Pulse:
        return Pulse(self.around.clock)

    @cached_property
    def hub(self) -> AttendedHub:
        return AttendedHub(self.around.hub, self.pulse)

    @cached_property
    def after_upload(self) -> AfterUpload:
        return AfterUpload(self.hub, self.around.ledger, clock=self.around.clock, beat=self.pulse.beat)

    @cached_property
    def second_look(self) -> SecondLook:
        return SecondLook(self.around.ledger, self.after_upload, self.around.clock, self.around.wall_clock_ns)

    @cached_property
    def setbacks(self) -> Setbacks:
        return Setbacks(self.around.ledger, self.around.clock, self.spec.single_pass, self.around.observe)

    @cached_property
    def recorder(self) -> Recorder:
        return Recorder(
            self.around.ledger, self.around.receipts, self.after_upload, self.second_look, self.around.wall_clock_ns,
            self.around.observe,
        )  # fmt: skip

    @cached_property
    def claims(self) -> Claims:
        return Claims(self.around.ledger, self.targets)

    @cached_property
    def right_of_way(self) -> RightOfWay:
        return RightOfWay(self.around.ledger, self.around.clock)

    @cached_property
    def placement(self) -> Placement:
        return Placement(
            self.around.ledger, self.claims, self.right_of_way, self.setbacks, self.around.clock,
            self.around.wall_clock_ns,
        )  # fmt: skip

    @cached_property
    def screening(self) -> Screening:
        capacity = Capacity(self.around.ledger) if self.around.capacity is None else self.around.capacity
        return Screening(self.around.credentials, capacity, self.setbacks, self.pulse)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(
            ledger=self.around.ledger,
            right_of_way=self.right_of_way,
            placement=self.placement,
            screening=self.screening,
            recorder=self.recorder,
            setbacks=self.setbacks,
            look_alikes=LookAlikes(self.around.ledger),
            after_upload=self.after_upload,
            allotment=self.around.allotment,
            pulse=self.pulse,
            clock=self.around.clock,
            wall_clock_ns=self.around.wall_clock_ns,
        )

    @cached_property
    def unanswered(self) -> Unanswered:
        return Unanswered(self.hub, self.around.ledger, self.around.clock)

    @cached_property
    def stager(self) -> Stager:
        return Stager(
            hub=self.hub, ledger=self.around.ledger, recorder=self.recorder, setbacks=self.setbacks,
            unanswered=self.unanswered, clock=self.around.clock, observe=self.around.observe,
        )  # fmt: skip

    @cached_property
    def clearer(self) -> Clearer:
        return Clearer(
            hub=self.hub, ledger=self.around.ledger, recorder=self.recorder, placement=self.placement,
            claims=self.claims, unanswered=self.unanswered,
        )  # fmt: skip

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(
            hub=self.hub, ledger=self.around.ledger, recorder=self.recorder, setbacks=self.setbacks,
            clearer=self.clearer, unanswered=self.unanswered, message=self.around.message, clock=self.around.clock,
            observe=self.around.observe,
        )  # fmt: skip

    @cached_property
    def guard(self) -> DeleteGuard:
        return DeleteGuard(self.around.ledger, self.targets, clock=self.around.clock)

    @cached_property
    def opener(self) -> Opener:
        return Opener(
            name=self.name, hub=self.hub, ledger=self.around.ledger, unanswered=self.unanswered, targets=self.targets,
            create_repo=self.spec.create_repo, private=self.spec.private, verify=self.spec.verify,
            clock=self.around.clock,
        )  # fmt: skip

    @cached_property
    def gatherer(self) -> Gatherer:
        return Gatherer(
            targets=self.targets, snapshots=self.snapshots, recorder=self.recorder, setbacks=self.setbacks,
            stager=self.stager, clearer=self.clearer, guard=self.guard,
            groups=Groups(self.around.ledger, self.setbacks, self.around.clock), budget=self.around.budget,
            allotment=self.around.allotment, clock=self.around.clock,
        )  # fmt: skip

    @cached_property
    def steering(self) -> Steering:
        return Steering(
            targets=self.targets, publisher=self.publisher, guard=self.guard, pacing=self.pacing,
            ledger=self.around.ledger, clock=self.around.clock,
        )  # fmt: skip

    @cached_property
    def pacing(self) -> Pacing:
        return Pacing(
            self.name,
            self.spec.destination.endpoint,
            self.spec.size,
            budget=self.around.budget,
            waits=self.around.ledger.waits,
            outage=self.around.outage,
            clock=self.around.clock,
            unit_random=self.around.unit_random,
            observe=self.around.observe,
        )

    @cached_property
    def recovery(self) -> Recovery:
        return Recovery(
            self.name, self.around.ledger, single_pass=self.spec.single_pass, clock=self.around.clock,
            unit_random=self.around.unit_random,
        )  # fmt: skip

    @cached_property
    def committer(self) -> Committer:
        return Committer(
            name=self.name, single_pass=self.spec.single_pass, targets=self.targets, hub=self.hub, opener=self.opener,
            gatherer=self.gatherer, publisher=self.publisher, unanswered=self.unanswered,
            after_upload=self.after_upload, pacing=self.pacing, recovery=self.recovery, screening=self.screening,
            clock=self.around.clock,
        )  # fmt: skip

    @cached_property
    def reporter(self) -> Reporter:
        return Reporter(
            destination=self.name, targets=self.targets, publisher=self.publisher, guard=self.guard,
            pacing=self.pacing, recovery=self.recovery, clock=self.around.clock,
        )  # fmt: skip

    @cached_property
    def worker(self) -> Worker:
        return Worker(
            single_pass=self.spec.single_pass, targets=self.targets, inbox=self.around.inbox, committer=self.committer,
            recovery=self.recovery, recorder=self.recorder, screening=self.screening, guard=self.guard,
            steering=self.steering, reporter=self.reporter, pulse=self.pulse, clock=self.around.clock,
        )  # fmt: skip


def _target(spec: TargetSpec, of: DestinationSpec, around: Surroundings, index: int) -> Target:
    ledger, clock, observe = around.ledger, around.clock, around.observe
    lookout = Lookout(around.watch_of(spec, around.inbox.sink(index)), spec.name, around.shortfall)
    settler = _settler(spec, sys.maxsize if of.single_pass else MOST_PUT_OFF)  # no scan comes after a single pass
    journal = Journal(spec.name, clock)
    survey = Survey(spec, ledger=ledger, settler=settler, journal=journal, clock=clock)
    exploration = Exploration(spec, survey, lookout=lookout, clock=clock, observe=observe)
    return Target(
        spec=spec, destination=of.destination, ledger=ledger, lookout=lookout, exploration=exploration,
        settler=settler, journal=journal, observe=observe,
    )  # fmt: skip


def _settler(spec: TargetSpec, most_put_off: int) -> Settler:
    if spec.group == "directory":
        return GroupSettler(spec.quiet, spec.max_wait_s, most_put_off, spec.ready_marker)
    return Settler(spec.quiet, spec.max_wait_s, most_put_off)
