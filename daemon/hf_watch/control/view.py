"""From what the workers publish and the ledger holds to the answers of the control socket."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hf_watch.control.contract import (
    CommitsView,
    CommitView,
    HeldView,
    LeftView,
    QuarantinedView,
    StatusView,
    TargetSettingsView,
    TargetsView,
    TargetView,
)
from hf_watch.ledger.records import looked_into
from hf_watch.logs.logs import masked
from hf_watch.paths import encoded, printable
from hf_watch.threads.status import TargetState, counted
from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hf_watch.control.contract import Health, State
    from hf_watch.control.daemon import Daemon, Steered
    from hf_watch.control.pauses import Bound
    from hf_watch.control.tallies import Tallies, Tally
    from hf_watch.ledger.records import Aside, Made
    from hf_watch.model import Destination
    from hf_watch.threads.commands import Held, Left
    from hf_watch.threads.status import TargetStatus, WorkerStatus

REPO_PLACES = {"model": "", "dataset": "datasets/", "space": "spaces/"}


def status(daemon: Daemon, tallies: Tallies, paused: frozenset[Bound], now: datetime) -> StatusView:
    """How all targets are doing, at `now` of the local wall clock; LedgerError when the ledger cannot be read."""
    chosen = daemon.targets
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    targets = [
        _target(daemon, each, tally, is_paused=each.bound in paused)
        for each, tally in zip(chosen, tallies.of(chosen, midnight.timestamp()), strict=True)
    ]
    problems = [problem for each in targets for problem in _problems(each, daemon.max_lag_s)]
    return StatusView(
        version=__version__, pid=os.getpid(), state_dir=printable(str(daemon.ledger.parent)),
        health=_health(targets, problems, daemon.max_lag_s),
        problems=tuple(problems), max_lag_s=daemon.max_lag_s, targets=tuple(targets),
    )  # fmt: skip


def _target(daemon: Daemon, each: Steered, tally: Tally, *, is_paused: bool) -> TargetView:
    worker = each.status()  # read once: a worker replaces it at any time
    found, clock = worker.targets[each.index], daemon.clock()
    state = state_of(worker, found, is_paused=is_paused)
    return TargetView(
        target=each.name,
        source=printable(each.directory),
        source_encoded=encoded(each.directory),
        dest=each.dest,
        state=state,
        waiting=found.waiting,
        in_flight=found.in_flight,
        quarantined=tally.quarantined,
        quarantine=tuple(set_aside(each, aside) for aside in tally.aside),
        oldest_s=None if found.oldest is None else round(max(0.0, clock - found.oldest), 3),
        lag_s=round(found.lag_s(clock), 3),
        published_today=tally.published_today,
        last_commit=None if tally.latest is None else _commit(daemon, each.destination, tally.latest),
        next_commit_s=None if is_paused else _next_commit_s(worker, found, clock),
        reason=reason_of(worker, found, state),
        held_deletes=found.held_deletes,
        held_example=printable(found.held_example) or None,
        held_example_encoded=encoded(found.held_example) or None,
    )


def set_aside(target: Steered, aside: Aside) -> QuarantinedView:
    """One file in quarantine."""
    return QuarantinedView(
        target=target.name, path=printable(aside.path), path_encoded=encoded(aside.path), reason=aside.reason,
        at=stamp(aside.at_s),
    )  # fmt: skip


def state_of(worker: WorkerStatus, found: TargetStatus, *, is_paused: bool) -> State:
    """What a target is about, in one word."""
    if found.state is TargetState.LOST:
        return "lost"
    if is_paused:
        return "paused"
    return "refused" if worker.is_refused or found.refusal else found.state.value


def reason_of(worker: WorkerStatus, found: TargetStatus, state: State) -> str | None:
    """Why a target waits."""
    if state == "lost":
        return "the watched directory is missing, or another one stands in its place"
    if state == "paused":
        return "it was paused"
    return worker.reason if worker.is_refused else found.refusal or worker.reason


def _next_commit_s(worker: WorkerStatus, found: TargetStatus, clock: float) -> float | None:
    if not found.waiting and not found.in_flight:
        return None
    due = clock if found.in_flight or worker.next_due is None else worker.next_due
    return round(max(0.0, due - clock, worker.not_before - clock), 3)


def _problems(target: TargetView, max_lag_s: float) -> Iterator[str]:
    if target.state in {"lost", "refused"}:
        yield f"{target.target}: {target.reason}"
    if target.quarantined:
        leading = ": " if target.quarantined == 1 else "; the latest: "
        latest = "".join(f"{leading}{each.path} ({printable(each.reason)})" for each in target.quarantine[:1])
        yield f"{target.target}: {counted(target.quarantined, 'file')} in quarantine{latest}"
    if target.held_deletes:
        yield (
            f"{target.target}: {counted(target.held_deletes, 'delete')} held back, such as {target.held_example};"
            f" `hf-watch confirm-deletes {target.target}` lets them go"
        )
    if target.lag_s > max_lag_s:
        yield f"{target.target}: {target.lag_s:.0f} s behind, {max_lag_s:g} s are allowed"


def _health(targets: Sequence[TargetView], problems: Sequence[str], max_lag_s: float) -> Health:
    if any(target.lag_s > max_lag_s for target in targets):
        return "late"
    return "degraded" if problems else "healthy"


def commits(daemon: Daemon, chosen: Sequence[Steered], limit: int) -> CommitsView:
    """The latest commits to the destinations of the chosen targets."""
    with looked_into(daemon.ledger) as records:
        found = [
            (made.at_s, _commit(daemon, destination, made))
            for destination in dict.fromkeys(each.destination for each in chosen)
            for made in records.commits(destination, limit)
        ]
    newest = sorted(found, key=lambda each: each[0], reverse=True)[:limit]
    return CommitsView(commits=tuple(view for _, view in newest))


def _commit(daemon: Daemon, destination: Destination, made: Made) -> CommitView:
    return CommitView(
        destination=str(destination), commit=made.commit, url=commit_url(daemon, destination, made),
        at=stamp(made.at_s), files=made.files, bytes=made.size_bytes,
    )  # fmt: skip


def commit_url(daemon: Daemon, destination: Destination, made: Made) -> str:
    """Where a browser finds a commit."""
    return f"{daemon.hub_url}/{REPO_PLACES[destination.repo_type]}{destination.repo_id}/commit/{made.commit}"


def targets(chosen: Sequence[Steered]) -> TargetsView:
    """What each target is told."""
    return TargetsView(
        targets=tuple(
            TargetSettingsView(
                target=each.name, source=printable(each.directory), source_encoded=encoded(each.directory),
                dest=each.dest,
                settings=masked(each.settings.model_dump(mode="json")),
            )
            for each in chosen
        )
    )  # fmt: skip


def held(chosen: Sequence[Steered], found: Sequence[Held]) -> Iterator[HeldView]:
    """Which deletes of one worker wait for a person; `chosen` are its targets."""
    names = {each.index: each.name for each in chosen}
    for each in found:
        yield HeldView(
            target=names[each.target], deletes=each.deletes, example=printable(each.example),
            example_encoded=encoded(each.example),
        )  # fmt: skip


def left(chosen: Sequence[Steered], found: Sequence[Left]) -> Iterator[LeftView]:
    """What one worker did not publish; `chosen` are its targets."""
    names = {each.index: each.name for each in chosen}
    for each in found:
        yield LeftView(
            target=names[each.target], path=printable(each.path), path_encoded=encoded(each.path), reason=each.reason
        )


def stamp(at_s: float) -> str:
    """A moment of the wall clock, as the answers write it."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
