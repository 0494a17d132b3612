"""What a worker publishes of itself: frozen values that any thread may read without waiting for it.

Times are monotonic seconds of the worker's clock, so that a value stays true however old it is: an age is worked out
when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class TargetState(Enum):
    """What a worker does about a watched root."""

    STARTING = "starting"  # not looked at yet
    SCANNING = "scanning"  # something is still to be found out by looking
    WATCHING = "watching"
    LOST = "lost"  # there is no such directory, or another one stands in its place


class Unpublished(Protocol):
    """A path that was hinted at and is not on the Hub yet; never changed."""

    @property
    def path(self) -> str: ...

    @property
    def since(self) -> float:
        """When it was first hinted at."""

    @property
    def due(self) -> float:
        """When it is looked at next, if nothing holds it up."""

    @property
    def trouble(self) -> str | None:
        """What keeps it from being published that is the file's own, if anything does."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A large file that the Hub's client reads by itself; `fd` is this process's, and may be closed by now."""

    path: str
    size_bytes: int
    fd: int
    inode: int


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One watched root. `oldest` and `settled_since` are None when all is published."""

    name: str
    state: TargetState
    waiting: int = 0
    in_flight: int = 0  # read, and not answered for by the Hub yet
    oldest: float | None = None  # the first hint of the path that has been unpublished for longest
    settled_since: float | None = None  # since when something that could go has not gone; may lie ahead
    held_bytes: int = 0  # content in memory
    watched: int = 0  # directories that have a watch
    held_deletes: int = 0  # that wait for a person
    held_example: str = ""  # one of their paths
    in_flight_bytes: int = 0
    sending: tuple[Sending, ...] = ()  # the large ones among what is in flight, while they are sent
    refusal: str | None = None  # why nothing of it may be published until a person acts
    waits: Sequence[Unpublished] = ()  # what waits, up to a second ago
    flies: Sequence[Unpublished] = ()  # what is in flight

    def lag_s(self, now: float) -> float:
        """For how long the longest settled content has been unpublished."""
        return 0.0 if self.settled_since is None else max(0.0, now - self.settled_since)


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One destination and its targets."""

    destination: str
    targets: tuple[TargetStatus, ...]
    reason: str | None = None  # why it waits
    is_refused: bool = False  # token, permission or repo: a person must act
    not_before: float = 0.0  # nothing goes to the Hub earlier
    next_due: float | None = None  # when the next path is due; None when nothing waits
    committed_at: float | None = None  # the last commit of this process
    published: int = 0  # files, since it began
    published_bytes: int = 0  # what they hold

    def waiting(self) -> int:
        """How many paths are not published."""
        return sum(target.waiting + target.in_flight for target in self.targets)


def sentence(workers: Sequence[WorkerStatus], now: float, max_lag_s: float, clock_time: Callable[[float], str]) -> str:
    """How all of it is doing, for a person. `clock_time` shows a monotonic time as that of a clock on the wall."""
    targets = [target for worker in workers for target in worker.targets]
    lost = sum(target.state is TargetState.LOST for target in targets)
    said = _lateness(targets, now, max_lag_s) + f"watching {counted(len(targets) - lost, 'folder')}"
    if lost:
        said += f", {lost} missing"
    waiting = sum(worker.waiting() for worker in workers)
    said += f", {counted(waiting, 'file')} waiting" if waiting else ", nothing waits"
    if commits := [worker.committed_at for worker in workers if worker.committed_at is not None]:
        said += f", last commit {clock_time(max(commits))}"
    nexts = [max(worker.next_due, worker.not_before) for worker in workers if worker.next_due is not None]
    if nexts and (next_s := min(nexts) - now) >= 1.0:
        said += f", next in {next_s:.0f} s"
    refused = [f"; {worker.destination}: {worker.reason}" for worker in workers if worker.is_refused]
    return said + "".join(refused)


def _lateness(targets: Sequence[TargetStatus], now: float, max_lag_s: float) -> str:
    lag_s, name = max(((target.lag_s(now), target.name) for target in targets), default=(0.0, ""))
    return f"late: {name} is {lag_s:.0f} s behind; " if lag_s > max_lag_s else ""


def counted(number: int, thing: str, things: str = "") -> str:
    """A number of things; `things` where more of them are not called `thing` with an s."""
    return f"{number} {thing}" if number == 1 else f"{number} {things or thing + 's'}"


def problems(status: WorkerStatus) -> list[str]:
    """What a person should look at, a sentence each."""
    found = [f"{status.destination}: {status.reason}"] if status.is_refused else []
    for target in status.targets:
        if target.state is TargetState.LOST:
            found.append(f"{target.name}: the watched directory is missing, or another one stands in its place")
        if target.held_deletes:
            found.append(f"{target.name}: deletes are held back, such as {target.held_example}")
    return found
