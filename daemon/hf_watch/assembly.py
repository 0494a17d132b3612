"""The parts of one destination, put together: targets, ledger, Hub, pace → its worker."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.after_upload import AfterUpload
from hf_watch.attended import AttendedHub
from hf_watch.commands import ConfirmDeletes
from hf_watch.deletions import DeleteGuard
from hf_watch.gather import Gatherer
from hf_watch.grouping import GroupSettler
from hf_watch.groups import Groups
from hf_watch.journal import Journal
from hf_watch.lookout import Lookout
from hf_watch.measured import ignore
from hf_watch.opening import Opener
from hf_watch.pacing import Pacing
from hf_watch.publish import Parcel, Publisher
from hf_watch.pulse import Pulse
from hf_watch.reporting import Reporter
from hf_watch.settle import MOST_PUT_OFF, Settler
from hf_watch.snapshots import Snapshots
from hf_watch.steering import Steering
from hf_watch.target import Target, TargetSpec
from hf_watch.worker import Worker, WorkerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.allotment import Allotment
    from hf_watch.budget import Budget
    from hf_watch.capacity import Capacity
    from hf_watch.credentials import Credentials
    from hf_watch.inbox import Inbox
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.measured import Observe
    from hf_watch.model import Destination
    from hf_watch.outage import Outage
    from hf_watch.pace import CommitSize
    from hf_watch.ports import Hub, Sink, Watch
    from hf_watch.receipts import ReceiptBook


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
    ledger: Ledger  # open
    budget: Budget
    outage: Outage
    inbox: Inbox
    allotment: Allotment
    watch_of: Callable[[TargetSpec, Sink], Watch | None]
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
    targets = [_target(each, spec, around, index) for index, each in enumerate(spec.targets)]
    around.outage.on_end(around.inbox.wake)
    pulse = Pulse(around.clock)
    hub = AttendedHub(around.hub, pulse)
    after_upload = AfterUpload(hub, around.ledger, clock=around.clock, beat=pulse.beat)
    snapshots = Snapshots(
        around.ledger, targets, allotment=around.allotment, clock=around.clock,
        wall_clock_ns=around.wall_clock_ns, pulse=pulse, after_upload=after_upload, receipts=around.receipts,
        credentials=around.credentials, capacity=around.capacity, single_pass=spec.single_pass, observe=around.observe,
    )  # fmt: skip
    publisher = Publisher(
        hub, around.ledger, snapshots, message=around.message, clock=around.clock, observe=around.observe
    )
    guard = DeleteGuard(around.ledger, targets, clock=around.clock)
    name = str(spec.destination)
    worker = Worker(
        spec=WorkerSpec(name, single_pass=spec.single_pass),
        targets=targets,
        inbox=around.inbox,
        hub=hub,
        ledger=around.ledger,
        snapshots=snapshots,
        opener=Opener(
            name=name, hub=hub, ledger=around.ledger, publisher=publisher, targets=targets,
            create_repo=spec.create_repo, private=spec.private, verify=spec.verify, clock=around.clock,
        ),
        gatherer=Gatherer(
            targets=targets, snapshots=snapshots, publisher=publisher, guard=guard,
            groups=Groups(around.ledger, snapshots, around.clock), budget=around.budget,
            allotment=around.allotment, clock=around.clock,
        ),
        publisher=publisher,
        after_upload=after_upload,
        guard=guard,
        steering=Steering(targets=targets, publisher=publisher, guard=guard, ledger=around.ledger, clock=around.clock),
        reporter=Reporter(name, targets, publisher, guard, around.clock),
        pacing=Pacing(
            name,
            spec.size,
            budget=around.budget,
            outage=around.outage,
            clock=around.clock,
            unit_random=around.unit_random,
            observe=around.observe,
        ),
        pulse=pulse,
        clock=around.clock,
        unit_random=around.unit_random,
    )  # fmt: skip
    return Assembled(worker, pulse, snapshots.gave_up, after_upload.stayed, around.inbox)


def _target(spec: TargetSpec, of: DestinationSpec, around: Surroundings, index: int) -> Target:
    return Target(
        spec=spec,
        destination=of.destination,
        ledger=around.ledger,
        lookout=Lookout(around.watch_of(spec, around.inbox.sink(index)), spec.name),
        settler=_settler(spec, sys.maxsize if of.single_pass else MOST_PUT_OFF),  # no scan comes after a single pass
        journal=Journal(spec.name, around.clock),
        clock=around.clock,
        observe=around.observe,
    )


def _settler(spec: TargetSpec, most_put_off: int) -> Settler:
    if spec.group == "directory":
        return GroupSettler(spec.quiet_s, spec.max_wait_s, most_put_off, spec.ready_marker)
    return Settler(spec.quiet_s, spec.max_wait_s, most_put_off)
