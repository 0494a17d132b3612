"""Composition: settings → adapters → workers → service, for each command. With `composer`, it knows all of them."""

from __future__ import annotations

import os
import random
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.composition import specs
from hf_watch.composition.composer import LEDGER_NAME, Composer, Endpoint, Mode, new_budget
from hf_watch.control.daemon import Daemon, Roster
from hf_watch.control.heartbeat import Heartbeat
from hf_watch.control.pauses import Bound, Pauses
from hf_watch.control.server import serving
from hf_watch.errors import ConfigError, SourceError
from hf_watch.hub import clock
from hf_watch.hub.hub import HubClient
from hf_watch.hub.transport import install_client
from hf_watch.inspection import checks, explain, preview
from hf_watch.ledger.ledger import Ledger
from hf_watch.page.opening import Tracked, page_spec
from hf_watch.page.opening import opened as page_opened
from hf_watch.paths import printable
from hf_watch.process import allocator, state_lock
from hf_watch.process.service import Service, block_signals
from hf_watch.push.upload import Pusher
from hf_watch.rules.forecast import Backlog, forecast
from hf_watch.rules.mapping import Unpublishable, repo_path
from hf_watch.settings.destinations import Place, place_of
from hf_watch.systemd import notify
from hf_watch.threads.measured import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hf_watch.composition.specs import Targets
    from hf_watch.control.server import Door, Duty
    from hf_watch.model import Destination, Receipt, Upload
    from hf_watch.page.opening import PageSpec
    from hf_watch.settings.settings import Settings

PAUSES_NAME = "paused.json"
FIXED = ("state_dir", "hooks", "health", "http")  # settings of what is opened once, at the start


def unseen(_daemon: Daemon) -> AbstractContextManager[None]:
    """Nobody looks at it while it runs."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class App:
    """What all commands have in common."""

    settings: Settings
    state_dir: Path
    endpoint: Endpoint
    no_token: str | None = None  # why there is none, where a command goes without
    sight: Callable[[Daemon], AbstractContextManager[None]] = unseen  # what shows it while it runs

    def run(self, reread: Callable[[], App]) -> int:
        """Publish until a signal comes; SIGHUP puts into force what `reread` tells. Returns the exit code.

        Raises AlreadyRunningError when another process holds the state directory.
        """
        allocator.give_back()
        block_signals()
        roster, pauses = Roster(), Pauses(self.state_dir / PAUSES_NAME)
        page = page_spec(self.settings.http, self.endpoint.url)
        tracked = Tracked()
        observe = ignore if page is None else tracked.observe
        with state_lock.held(self.state_dir), Ledger(self._ledger_file) as ledger:
            composer = Composer(
                endpoint=self.endpoint, state_dir=self.state_dir, ledger=ledger, mode=Mode(), pauses=pauses,
                roster=roster, hooks=specs.hooks(self.settings.hooks), observe=observe,
            )  # fmt: skip
            install_client(composer.see_quota, observe)
            service = Service(
                composer.spec(self.settings), notify.supervisor(), lambda: composer.spec(self._same(reread()))
            )
            daemon = self._daemon(roster, pauses, pauses.load(), service.ask_reload)
            with (
                composer.hooks,
                self._ready_for_texts(composer),
                self.sight(daemon),
                self._page(page, tracked, composer) as (doors, duties),
                serving(daemon, self.state_dir, os.environ, doors=doors, duties=duties) as control,
            ):
                code = service.run()
        return 1 if control.has_died else code

    def sync(self, *, verify: bool, confirm_deletes: bool = False) -> int:
        """Publish until nothing is left, or a signal comes. Returns the exit code; raises as `run`."""
        allocator.give_back()
        block_signals()
        mode = Mode(single_pass=True, verify=verify, confirm_deletes=confirm_deletes)
        roster, pauses = Roster(), Pauses(self.state_dir / PAUSES_NAME)
        with state_lock.held(self.state_dir), Ledger(self._ledger_file) as ledger:
            composer = Composer(
                endpoint=self.endpoint, state_dir=self.state_dir, ledger=ledger, mode=mode, pauses=pauses,
                roster=roster, hooks=specs.hooks(self.settings.hooks),
            )  # fmt: skip
            install_client(composer.see_quota)
            service = Service(composer.spec(self.settings), notify.Nobody())
            with composer.hooks, self.sight(self._daemon(roster, pauses, frozenset(), service.ask_reload)):
                code = service.run()
        return 1 if composer.has_given_up else code

    def _ready_for_texts(self, composer: Composer) -> AbstractContextManager[None]:
        looks = any(target.secrets != "off" for target in self.settings.target)
        return composer.credentials.compiled_beside() if looks else nullcontext()

    def _daemon(
        self, roster: Roster, pauses: Pauses, paused: frozenset[Bound], ask_reload: Callable[[], Future[str | None]]
    ) -> Daemon:
        """What others than its workers know of this process."""
        return Daemon(
            roster=roster,
            ledger=self._ledger_file,
            pauses=pauses,
            paused=paused,
            hub_url=self.endpoint.url,
            max_lag_s=self.settings.health.max_lag_s,
            clock=time.monotonic,
            ask_reload=ask_reload,
        )

    @contextmanager
    def _page(
        self, spec: PageSpec | None, tracked: Tracked, composer: Composer
    ) -> Iterator[tuple[Sequence[Door], Sequence[Duty]]]:
        """What the control socket's thread serves and does beside: the page, and the heartbeat."""
        heartbeat = self.settings.health.heartbeat_url
        duties: list[Duty] = [Heartbeat(heartbeat)] if heartbeat else []
        if spec is None:
            yield (), duties
            return
        roots = [str(each.source) for each in self.settings.target]
        with page_opened(spec, tracked, roots, composer.commits_left, self._ledger_file) as page:
            yield ([], duties) if page is None else ([page.door], [*duties, page.duty])

    def _same(self, changed: App) -> Settings:
        """What was read anew; ConfigError when it differs in what cannot change while the process runs."""
        fixed = [name for name in FIXED if getattr(changed.settings, name) != getattr(self.settings, name)]
        if fixed:
            raise ConfigError("\n".join(f"{name}: it changes only with a restart" for name in fixed))
        return changed.settings

    @property
    def _ledger_file(self) -> Path:
        return self.state_dir / LEDGER_NAME

    def _destinations(self) -> dict[Destination, Targets]:
        return specs.destinations(self.settings, self.endpoint.name)

    def plan(self, *, ask_hub: bool) -> tuple[list[preview.Preview], preview.Estimate]:
        """What a pass would do. Takes no lock and changes nothing; raises HubError when the Hub does not answer.

        Without a token the Hub is not asked.
        """
        install_client()
        with Ledger(self._ledger_file, read_only=True) as ledger:
            branches = [
                self._previews(ledger, destination, targets, ask_hub=ask_hub and self.no_token is None)
                for destination, targets in self._destinations().items()
            ]
            bucket = new_budget(self.settings, self.endpoint, ledger).bucket
        size, most_bytes = specs.commit_size(self.settings), specs.share(self.settings, len(branches)).commit_bytes
        backlogs = [Backlog(preview.inside_bytes(each), size, most_bytes) for each in branches]
        previews = [each for branch in branches for each in branch]
        rate = self.settings.upload.max_bytes_per_s
        return previews, preview.estimate(previews, forecast(backlogs, bucket, bucket.at), rate)

    def _previews(
        self, ledger: Ledger, destination: Destination, targets: Targets, *, ask_hub: bool
    ) -> list[preview.Preview]:  # fmt: skip
        """Of the targets of one branch, whose files may clash."""
        found = [
            (
                spec,
                preview.Previewer(
                    spec,
                    ledger,
                    ledger.roots.known(destination, spec.source, spec.mapping.key),
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

    def explain(self, path: str, *, ask_hub: bool) -> list[explain.Explanation]:
        """What is known of a path, by each target that it lies in; SourceError when it lies in none."""
        install_client()
        with Ledger(self._ledger_file, read_only=True) as ledger:
            paused = Pauses(self.state_dir / PAUSES_NAME).load()
            found = [
                explain.Explainer(
                    spec,
                    ledger,
                    ledger.roots.known(destination, spec.source, spec.mapping.key),
                    self._hub(destination) if ask_hub and self.no_token is None else None,
                    time.time_ns(),
                    is_paused=Bound.of(spec.source, destination, spec.mapping) in paused,
                ).explain(relative)
                for destination, targets in self._destinations().items()
                for _, spec in targets
                if (relative := explain.inside(spec, path)) is not None
            ]
        if not found:
            raise SourceError(f"{printable(path)}: it lies in no watched directory")
        return found

    def check(self, cache_dir: Path) -> list[checks.Check]:
        """Everything that can be told before the first file is published, or without a token."""
        install_client()
        destinations = self._destinations()
        watched = [spec for targets in destinations.values() for _, spec in targets]
        found = [check for spec in watched for check in checks.source(spec)]
        found += checks.watch_limits(watched)
        for place in specs.shared_places(destinations):
            found.append(checks.shared_place(place.names, place.dest, place.what_follows))
        if not self.endpoint.is_local:
            found.append(checks.pace(self.settings.commit.per_hour))
        found += [checks.state_directory(self.state_dir), checks.cache_directory(cache_dir)]
        if (ahead_s := clock.ahead_s(self.endpoint.url, time.time)) is not None:
            found.append(checks.clock(ahead_s))
        if self.no_token is not None:
            return found + [checks.unasked(each) for each in destinations]
        for destination, targets in destinations.items():
            create_repo = any(settings.create_repo for settings, _ in targets)
            not_public = [spec.name for _, spec in targets if not spec.allow_public]
            hub = self._hub(destination)
            found.append(checks.destination(destination, hub, create_repo=create_repo, not_public=not_public))
        return found

    def _hub(self, destination: Destination) -> HubClient:
        return HubClient(destination, self.endpoint.url)


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
        prefix = self._place.prefix
        if prefix and not self.dest.endswith("/"):
            return prefix
        if not name:
            raise ConfigError(f"DEST = {self.dest!r}: it names no file; it should end with the path of the content")
        try:
            return repo_path(prefix, name)
        except Unpublishable as error:
            raise SourceError(f"{printable(name)}: {error}; end dest with another name") from error

    @property
    def destination(self) -> Destination:
        """The branch that it goes to."""
        return self._place.destination

    @property
    def _place(self) -> Place:
        try:
            return place_of(self.dest, self.endpoint.name)
        except ConfigError as error:
            raise ConfigError(f"DEST = {error}") from error

    def push(self, upload: Upload) -> Receipt:
        """Publish one file; raises the HubError that remained after several attempts."""
        install_client()
        hub = HubClient(self.destination, self.endpoint.url)
        pusher = Pusher(hub, create_repo=self.create_repo, private=True, sleep=time.sleep, unit_random=random.random)
        return pusher.push(upload, f"Add {upload.repo_path}")
