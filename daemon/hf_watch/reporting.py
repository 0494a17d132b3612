"""What a worker says of itself while it runs: hf_watch.status, put together on its own thread, many times a second.

Nothing here may cost more the more files wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.status import TargetStatus, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hf_watch.findings import Found, Lost
    from hf_watch.publish import Parcel, Publisher
    from hf_watch.target import Target


@dataclass(slots=True)
class _Flight:
    """What is under way from one target to the Hub."""

    files: int = 0
    oldest: float | None = None
    settled_since: float | None = None

    def add(self, origin: Found | Lost) -> None:
        self.files += 1
        self.oldest = earliest(self.oldest, origin.waiting.since)
        self.settled_since = earliest(self.settled_since, origin.waiting.settled_since)


Flights = dict[str, _Flight]


class Reporter:
    """Knows what one destination's worker is about."""

    def __init__(self, destination: str, targets: Sequence[Target], publisher: Publisher) -> None:
        self._destination = destination
        self._targets = targets
        self._publisher = publisher
        self._parcels: Sequence[Parcel] = ()
        self._in_hand: Flights = {}

    def report(
        self, *, reason: str | None, is_refused: bool, not_before: float, gathered: Iterable[Found | Lost] | None = None
    ) -> WorkerStatus:
        """The worker as it is. `gathered` is what is being read and sent right now."""
        flights = self._flights() if gathered is None else _flights(gathered)
        targets = tuple(_target(target, flights.get(target.spec.name) or _Flight()) for target in self._targets)
        dues = [due for target in self._targets if (due := target.next_due()) is not None]
        return WorkerStatus(self._destination, targets, reason, is_refused, not_before, None if not dues else min(dues))

    def _flights(self) -> Flights:
        """What is in hand, counted once for as long as it stays the same."""
        parcels = self._publisher.parcels
        if parcels != self._parcels:
            self._parcels = parcels
            self._in_hand = _flights(each.origin for parcel in parcels for each in parcel.ready)
        return self._in_hand


def _flights(origins: Iterable[Found | Lost]) -> Flights:
    flights: Flights = {}
    for origin in origins:
        flights.setdefault(origin.target.spec.name, _Flight()).add(origin)
    return flights


def _target(target: Target, flight: _Flight) -> TargetStatus:
    settler = target.settler
    return TargetStatus(
        target.spec.name,
        target.state,
        len(settler),
        flight.files,
        earliest(settler.oldest(), flight.oldest),
        earliest(settler.settled_since(), flight.settled_since),
    )


def earliest(one: float | None, other: float | None) -> float | None:
    """The earlier of two times, either of which may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
