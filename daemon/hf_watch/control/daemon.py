"""What the control socket knows of the daemon around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.control.pauses import Bound
from hf_watch.rules.filters import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from hf_watch.control.pauses import Pauses
    from hf_watch.model import Destination
    from hf_watch.rules.mapping import Mapping
    from hf_watch.settings.settings import TargetSettings
    from hf_watch.threads.inbox import Inbox
    from hf_watch.threads.status import WorkerStatus


@dataclass(frozen=True, slots=True)
class Steered:
    """One target, and the worker that publishes it."""

    name: str
    source: str  # as the ledger knows it
    mapping: Mapping
    destination: Destination
    index: int  # among the targets of its worker
    inbox: Inbox
    status: Callable[[], WorkerStatus]
    settings: TargetSettings
    wanted: Filter = Filter()  # noqa: RUF009  it never changes

    @property
    def directory(self) -> str:
        """The watched directory, from the root of the file system on."""
        return self.bound.source

    @property
    def root(self) -> tuple[Destination, str, str]:
        """What the ledger keys it by."""
        return self.destination, self.source, self.mapping.key

    @property
    def dest(self) -> str:
        """Where it goes, as an `hf://` URI."""
        return self.bound.dest

    @property
    def bound(self) -> Bound:
        """The target across restarts."""
        return Bound.of(self.source, self.destination, self.mapping)


@dataclass(slots=True)
class Roster:
    """The targets there are at the moment: replaced as a whole by the main thread, read by any."""

    targets: tuple[Steered, ...] = ()


@dataclass(frozen=True, slots=True)
class Daemon:
    """The whole of it; `clock` is the workers'."""

    roster: Roster
    ledger: Path
    pauses: Pauses
    paused: frozenset[Bound]  # when it started
    hub_url: str
    max_lag_s: float
    clock: Callable[[], float]
    ask_reload: Callable[[], Future[str | None]]  # the answer: why what was in force stays so

    @property
    def targets(self) -> Sequence[Steered]:
        """The targets there are at the moment."""
        return self.roster.targets
