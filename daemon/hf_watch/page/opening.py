"""The page put together: what the workers' measurements go into, and the door behind which it is shown."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from hf_watch.control.server import Door
from hf_watch.errors import ConfigError, LedgerError
from hf_watch.ledger.records import looked_into
from hf_watch.page import doors
from hf_watch.page.drops import Drops
from hf_watch.page.fetching import Reach
from hf_watch.page.guard import Guard
from hf_watch.page.landing import sweep
from hf_watch.page.metrics import Metrics, Standing
from hf_watch.page.recent import MINUTE_S, MINUTES, Recent, past_minutes
from hf_watch.page.routes import OPEN_PATHS, Page, PageLimits
from hf_watch.settings.values import split_address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp

    from hf_watch.control.api import Api
    from hf_watch.page.recent import Minute
    from hf_watch.settings.settings import HttpSettings
    from hf_watch.threads.measured import Measured

log = structlog.get_logger()

SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class PageSpec:
    """Where the page is and what it may do: settings, already checked."""

    host: str
    port: int
    hosts: frozenset[str]
    token: str | None
    limits: PageLimits
    hub_url: str


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the page shows of the workers' measurements."""

    metrics: Metrics = field(default_factory=Metrics)
    drops: Drops = field(default_factory=Drops)

    def observe(self, event: Measured) -> None:
        """A hf_watch.threads.measured.Observe."""
        self.metrics.observe(event)
        self.drops.observe(event)


class Opened:
    """A page that is served: a door, and a duty that looks once a minute."""

    def __init__(
        self,
        spec: PageSpec,
        tracked: Tracked,
        listener: socket.socket,
        commits_left: Callable[[], float],
        past: Sequence[Minute],
    ) -> None:
        self._spec = spec
        self._tracked = tracked
        self._commits_left = commits_left
        self._recent = Recent(tracked.metrics.totals(), past)
        self.door = Door(listener, self._app)

    def _app(self, api: Api) -> ASGIApp:
        self._tracked.metrics.registry.register(Standing(api.view, api.workers, self._commits_left))
        page = Page(
            api, hub_url=self._spec.hub_url, metrics=self._tracked.metrics, recent=self._recent,
            drops=self._tracked.drops, limits=self._spec.limits,
        )  # fmt: skip
        return Guard(page.app(), hosts=self._spec.hosts, token=self._spec.token, open_paths=OPEN_PATHS)

    async def duty(self, _: Api) -> None:
        """Note the totals of every minute."""
        while True:
            await asyncio.sleep(MINUTE_S)
            self._recent.mark(self._tracked.metrics.totals())


@contextmanager
def opened(
    spec: PageSpec, tracked: Tracked, roots: Sequence[str], commits_left: Callable[[], float], ledger: Path
) -> Iterator[Opened | None]:
    """Listen as long as the context; None when the address cannot be had, and the daemon does without."""
    with ExitStack() as held:
        try:
            listener = held.enter_context(doors.listening(spec.host, spec.port))
        except OSError as error:
            log.error("page.refused", reason=f"{spec.host} port {spec.port}: {error.strerror}")  # noqa: TRY400  it will do
            yield None
            return
        for root in roots:
            sweep(root, time.time())
        log.info("page.started", url=doors.url_of(listener), needs_token=spec.token is not None)
        yield Opened(spec, tracked, listener, commits_left, _past(ledger, time.time()))


def _past(ledger: Path, now_s: float) -> Sequence[Minute]:
    """What was published in the hour before this process."""
    try:
        with looked_into(ledger) as records:
            return past_minutes(records.made_since(now_s - MINUTES * MINUTE_S), now_s)
    except LedgerError:  # the worker that needs it says so, and goes on when it can be read
        return ()


def page_spec(http: HttpSettings, hub_url: str) -> PageSpec | None:
    """What the settings say of the page, None where there is to be none; ConfigError when the token will not do."""
    if not http.listen:
        return None
    host, port = split_address(http.listen)
    return PageSpec(
        host=host,
        port=port,
        hosts=frozenset(each.lower() for each in http.hosts),
        token=None if http.token_file is None else _read_token(http.token_file),
        limits=PageLimits(http.max_upload_bytes, Reach.anywhere() if http.fetch_private else Reach()),
        hub_url=hub_url,
    )


def _read_token(file: Path) -> str:
    """The token in a file; ConfigError when there is none that will do."""
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"http.token_file: {file} cannot be read: {error}") from error
    if len(token) < SHORTEST_TOKEN or not token.isprintable() or not token.isascii():
        raise ConfigError(f"http.token_file: {file} should hold one line of {SHORTEST_TOKEN} letters or more")
    return token
