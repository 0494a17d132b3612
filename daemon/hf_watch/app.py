"""Composition: settings → adapters → workers → service. The only module that knows all of them."""

from __future__ import annotations

import os
import random
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch import allocator, checks, preview, state_lock
from hf_watch.assembly import Assembled, DestinationSpec, Surroundings, assemble
from hf_watch.budget import Budget
from hf_watch.commands import Pause
from hf_watch.control.daemon import Daemon, Steered
from hf_watch.control.pauses import Pauses
from hf_watch.control.server import serving
from hf_watch.destinations import Place, place_of
from hf_watch.errors import ConfigError, SourceError
from hf_watch.filters import Filter
from hf_watch.hub import HubClient
from hf_watch.hub_transport import install_client
from hf_watch.inbox import Inbox
from hf_watch.ledger import Ledger
from hf_watch.mapping import Mapping, Unpublishable, repo_path
from hf_watch.outage import Outage
from hf_watch.pace import Throttle, full_bucket
from hf_watch.paths import printable
from hf_watch.plan import Limits, summary
from hf_watch.push import Pusher
from hf_watch.receipts import Receipts
from hf_watch.service import Service, block_signals
from hf_watch.target import TargetSpec
from hf_watch.watch import RootWatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hf_watch.control.server import Control
    from hf_watch.model import Destination, Receipt, Upload
    from hf_watch.ports import Sink
    from hf_watch.publish import Parcel
    from hf_watch.settings import Settings, TargetSettings
    from hf_watch.status import WorkerStatus
    from hf_watch.worker import Worker

LEDGER_NAME = "ledger.sqlite3"
RECEIPTS_NAME = "receipts.jsonl"
PAUSES_NAME = "paused.json"
HOUR_S = 3600.0
STAGED_SHARE = 4  # of a destination's memory: the client holds three to four times of what it sends


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the Hub is reached, and under which name the ledger knows it."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class App:
    """What all commands have in common."""

    settings: Settings
    state_dir: Path
    endpoint: Endpoint

    def run(self, *, single_pass: bool, verify: bool = False) -> int:
        """Publish until a signal comes, or, in a single pass, until nothing is left. Returns the exit code.

        Raises AlreadyRunningError when another process holds the state directory.
        """
        allocator.give_back()
        block_signals()
        with state_lock.held(self.state_dir), ExitStack() as opened:
            assembled = list(self._assembled(opened, single_pass=single_pass, verify=verify))
            control = None if single_pass else opened.enter_context(self._control([each for _, each in assembled]))
            code = Service([(name, each.worker) for name, each in assembled], self.settings.shutdown_s).run()
        if control is not None and control.has_died:
            return 1
        return 1 if single_pass and any(each.gave_up or each.stayed for _, each in assembled) else code

    def _control(self, assembled: Sequence[Assembled]) -> AbstractContextManager[Control]:
        """The control socket, after every target is paused that was when the last daemon ended."""
        pauses = Pauses(self.state_dir / PAUSES_NAME)
        paused = pauses.load()
        targets = list(self._steered(assembled))
        for each in targets:
            if each.bound in paused:
                each.inbox.ask(Pause(each.index))
        daemon = Daemon(
            targets=targets,
            ledger=self.state_dir / LEDGER_NAME,
            pauses=pauses,
            paused=paused,
            hub_url=self.endpoint.url,
            max_lag_s=self.settings.health.max_lag_s,
            clock=time.monotonic,
        )
        return serving(daemon, self.state_dir, os.environ)

    def _steered(self, assembled: Sequence[Assembled]) -> Iterator[Steered]:
        for (destination, targets), each in zip(self._destinations().items(), assembled, strict=True):
            for index, (_, spec) in enumerate(targets):
                yield Steered(
                    spec.name, spec.source, spec.mapping, destination, index, each.inbox, _Status(each.worker)
                )

    def plan(self, *, ask_hub: bool) -> tuple[list[preview.Preview], preview.Estimate]:
        """What a pass would do. Takes no lock and changes nothing; raises HubError when the Hub does not answer."""
        install_client()
        with Ledger(self.state_dir / LEDGER_NAME, read_only=True) as ledger:
            previews = [
                each
                for destination, targets in self._destinations().items()
                for each in self._previews(ledger, destination, targets, ask_hub=ask_hub)
            ]
            budget = self._budget(ledger)
        rate = self.settings.upload.max_bytes_per_s
        return previews, preview.estimate(previews, self._limits(1), budget.commits_wait_s, rate)

    def _previews(
        self, ledger: Ledger, destination: Destination, targets: Sequence[tuple[TargetSettings, TargetSpec]],
        *, ask_hub: bool,
    ) -> list[preview.Preview]:  # fmt: skip
        """Of the targets of one branch, whose files may clash."""
        found = [
            (
                spec,
                preview.Previewer(
                    spec,
                    ledger,
                    ledger.known_root(destination, spec.source, spec.mapping.key),
                    self._hub(destination) if ask_hub else None,
                    create_repo=any(settings.create_repo for settings, _ in targets),
                    may_clash=len(targets) > 1,
                    now_ns=time.time_ns(),
                ).preview(),
            )
            for _, spec in targets
        ]
        preview.settle_clashes(found)
        return [each for _, each in found]

    def check(self, cache_dir: Path) -> list[checks.Check]:
        """Everything that can be told before the first file is published."""
        install_client()
        destinations = self._destinations()
        specs = [spec for targets in destinations.values() for _, spec in targets]
        found = [check for spec in specs for check in checks.source(spec)]
        found += checks.watch_limits(specs)
        found += [checks.state_directory(self.state_dir), checks.cache_directory(cache_dir)]
        for destination, targets in destinations.items():
            create_repo = any(settings.create_repo for settings, _ in targets)
            found.append(checks.destination(destination, self._hub(destination), create_repo=create_repo))
        return found

    def _assembled(self, opened: ExitStack, *, single_pass: bool, verify: bool) -> Iterator[tuple[str, Assembled]]:
        destinations = self._destinations()
        budget = self._budget(opened.enter_context(self._ledger()))
        install_client(budget.see_quota)
        outage = Outage(time.monotonic, random.random)
        receipts = Receipts(self.state_dir / RECEIPTS_NAME)
        for destination, targets in destinations.items():
            around = Surroundings(
                hub=self._hub(destination),
                ledger=opened.enter_context(self._ledger()),
                budget=budget,
                outage=outage,
                inbox=Inbox(),
                watch_of=_no_watch if single_pass else _Watches({spec.name: each for each, spec in targets}),
                message=_Message({spec.name: each.commit_message for each, spec in targets}),
                receipts=receipts,
                clock=time.monotonic,
                wall_clock_ns=time.time_ns,
                unit_random=random.random,
            )
            spec = self._spec(destination, targets, len(destinations), single_pass=single_pass, verify=verify)
            yield str(destination), assemble(spec, around)

    def _destinations(self) -> dict[Destination, list[tuple[TargetSettings, TargetSpec]]]:
        """The targets by destination: those of one branch share a worker, and so their commits."""
        found: dict[Destination, list[tuple[TargetSettings, TargetSpec]]] = {}
        for name, target in self.settings.named_targets():
            place = place_of(target.dest, self.endpoint.name)
            found.setdefault(place.destination, []).append((target, _target_spec(name, target, place)))
        return found

    def _spec(
        self,
        destination: Destination,
        targets: Sequence[tuple[TargetSettings, TargetSpec]],
        sharers: int,
        *,
        single_pass: bool,
        verify: bool,
    ) -> DestinationSpec:
        share = self.settings.memory.budget_bytes // sharers
        return DestinationSpec(
            destination=destination,
            targets=[spec for _, spec in targets],
            limits=self._limits(sharers),
            most_files=max(self.settings.commit.max_files, self.settings.commit.max_files_backlog),
            inline_bytes=min(self.settings.memory.inline_bytes, share),
            stage_bytes=share // STAGED_SHARE,
            create_repo=any(settings.create_repo for settings, _ in targets),
            private=all(settings.private for settings, _ in targets),
            verify=verify,
            single_pass=single_pass,
        )

    def _limits(self, sharers: int) -> Limits:
        commit = self.settings.commit
        return Limits(commit.max_files, min(commit.max_bytes, self.settings.memory.budget_bytes // sharers))

    def _hub(self, destination: Destination) -> HubClient:
        return HubClient(destination, self.endpoint.url)

    def _ledger(self) -> Ledger:
        return Ledger(self.state_dir / LEDGER_NAME)

    def _budget(self, ledger: Ledger) -> Budget:
        """The account's pace, with the commits of the last hour counted in."""
        commit = self.settings.commit
        now_s = time.time()
        bucket = full_bucket(commit.per_hour, commit.burst, time.monotonic() - HOUR_S)
        budget = Budget(bucket, Throttle(self.settings.upload.max_bytes_per_s), time.monotonic)
        budget.restore(now_s - at_s for at_s in ledger.commits_since(self.endpoint.name, now_s - HOUR_S))
        return budget


@dataclass(frozen=True, slots=True)
class PushTo:
    """One place for one upload."""

    dest: str
    endpoint: Endpoint
    create_repo: bool

    def path(self, name: str | None) -> str:
        """The path in the repo: `dest` itself or, when that is a directory, `name` below it.

        Raises ConfigError when there is no name, SourceError when the Hub cannot hold it.
        """
        prefix = place_of(self.dest, self.endpoint.name).prefix
        if prefix and not self.dest.endswith("/"):
            return prefix
        if not name:
            raise ConfigError(f"dest: {self.dest!r} names no file; end it with the path that the content shall have")
        try:
            return repo_path(prefix, name)
        except Unpublishable as error:
            raise SourceError(f"{printable(name)}: {error}; end dest with another name") from error

    def push(self, upload: Upload) -> Receipt:
        """Publish one file; raises the HubError that remained after several attempts."""
        install_client()
        hub = HubClient(place_of(self.dest, self.endpoint.name).destination, self.endpoint.url)
        pusher = Pusher(hub, create_repo=self.create_repo, private=True, sleep=time.sleep, unit_random=random.random)
        return pusher.push(upload, f"Add {upload.repo_path}")


def _target_spec(name: str, target: TargetSettings, place: Place) -> TargetSpec:
    return TargetSpec(
        name=name,
        source=str(target.source),
        mapping=Mapping(place.prefix, target.path_in_repo, name, socket.gethostname()),
        wanted=Filter(target.include, target.exclude, hidden=target.hidden),
        quiet_s=target.quiet_s,
        max_wait_s=target.max_wait_s,
        publish_open=target.publish_open,
        rescan_s=target.rescan_s,
        poll_s=target.poll_s,
        on_delete=target.on_delete,
        after_upload=target.after_upload,
        archive_dir=_absolute(target.archive_dir),
        remove_empty_dirs=target.remove_empty_dirs,
        quarantine_dir=_absolute(target.quarantine_dir),
        receipts=target.receipts,
        on_clash=target.on_clash,
    )


def _absolute(directory: Path | None) -> str:
    return "" if directory is None else str(directory.absolute())


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

    def __call__(self, spec: TargetSpec, sink: Sink) -> RootWatch:
        return RootWatch(
            spec.source, sink, observer=self.settings[spec.name].observer, enters=_Reached(spec.wanted),
            retry_s=spec.poll_s,
        )  # fmt: skip


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
        what = summary(parcel.operations)
        return self.templates[name].format(summary=what, files=len(parcel.ready), target=name)
