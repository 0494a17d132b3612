"""What a worker measures while it works: small frozen events for whoever counts them, and for nobody else.

An observer is called on the thread that measured, between two steps of its work: it returns at once, never waits and
never raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Delivery(NamedTuple):
    """One operation of a commit that the Hub answered for. Seconds, of a path that was hinted at, settled, and sent."""

    target: str
    path: str
    repo_path: str
    size_bytes: int
    is_delete: bool
    settle_s: float  # from the first hint until it was quiet
    queue_s: float  # from then until its commit was sent
    visible_s: float  # from the latest hint, of a close or a rename, until the Hub showed it


@dataclass(frozen=True, slots=True)
class Published:
    """A commit was recorded; `commit` is None when the Hub found nothing left to commit."""

    destination: str
    commit: str | None
    size_bytes: int
    duration_s: float
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A settled file needed no commit: the Hub holds its content, or the repo's own .gitignore matches it."""

    target: str
    path: str
    repo_path: str
    reason: str  # "unchanged" or "ignored"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file went to quarantine."""

    target: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class PutOff:
    """A step towards the Hub failed, and is tried again; `cause` names the kind of failure, of which there are few."""

    destination: str
    cause: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the Hub, answered with a `status`; None: no answer came."""

    method: str
    status: int | None


@dataclass(frozen=True, slots=True)
class QuotaSeen:
    """How many requests the Hub said are left to the account."""

    remaining: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A scan of a whole root came to its end; `duration_s` is what it took of the worker's time."""

    target: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Missed:
    """The watch could not say what changed: a directory is scanned for it."""

    target: str
    reason: str


Measured = Published | Skipped | SetAside | PutOff | Asked | QuotaSeen | Scanned | Missed
Observe = Callable[[Measured], None]


def ignore(_event: Measured) -> None:
    """Where nobody counts."""


@dataclass(frozen=True, slots=True)
class Several:
    """Tells several observers."""

    observers: tuple[Observe, ...]

    def __call__(self, event: Measured) -> None:
        for observe in self.observers:
            observe(event)
