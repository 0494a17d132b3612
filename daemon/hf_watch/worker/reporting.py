"""What a worker says of itself while it runs: its status, put together on its own thread, many times a second.

Nothing here may cost more the more files wait, but for the list of them, which is made once a second at the most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hf_watch.targets.findings import Found
from hf_watch.threads.status import Sending, TargetStatus, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.pacing.pacing import Pacing
    from hf_watch.publish.parcel import Parcel
    from hf_watch.publish.publisher import Publisher
    from hf_watch.rules.settle import Waiting
    from hf_watch.targets.findings import Lost
    from hf_watch.targets.target import Target
    from hf_watch.worker.deletions import DeleteGuard
    from hf_watch.worker.recovery import Recovery

LISTED_EVERY_S = 1.0


@dataclass(slots=True)
class _Flight:
    """What is under way from one target to the Hub."""

    waits: list[Waiting] = field(default_factory=list)  # never changed once it is published
    size_bytes: int = 0
    sending: tuple[Sending, ...] = ()
    oldest: float | None = None
    settled_since: float | None = None
    held_bytes: int = 0

    def add(self, origin: Found | Lost, held_bytes: int) -> None:
        self.waits.append(origin.waiting)
        self.oldest = earliest(self.oldest, origin.waiting.since)
        self.settled_since = earliest(self.settled_since, origin.waiting.settled_since)
        self.held_bytes += held_bytes
        if isinstance(origin, Found):
            fingerprint = origin.snapshot.fingerprint
            self.size_bytes += fingerprint.size_bytes
            if origin.fd is not None:
                sent = Sending(origin.waiting.path, fingerprint.size_bytes, origin.fd, fingerprint.inode)
                self.sending = (*self.sending, sent)


Flights = dict[str, _Flight]


@dataclass(frozen=True, slots=True)
class _Listing:
    """What waited in one target when its settler had changed so often."""

    changes: int = 0
    waits: Sequence[Waiting] = ()


class Reporter:
    """Knows what one destination's worker is about."""

    def __init__(
        self,
        *,
        destination: str,
        targets: Sequence[Target],
        publisher: Publisher,
        guard: DeleteGuard,
        pacing: Pacing,
        recovery: Recovery,
        clock: Callable[[], float],
    ) -> None:
        self._destination = destination
        self._targets = targets
        self._publisher = publisher
        self._guard = guard
        self._pacing = pacing
        self._recovery = recovery
        self._clock = clock
        self._listings = [_Listing() for _ in targets]
        self._listed_at = -LISTED_EVERY_S
        self._parcels: Sequence[Parcel] = ()
        self._in_hand: Flights = {}

    def report(self, gathered: Iterable[Found | Lost] | None = None) -> WorkerStatus:
        """The worker as it is. `gathered` is what is being read and sent right now."""
        flights = self._flights() if gathered is None else _flights((each, _read_bytes(each)) for each in gathered)
        self._list()
        targets = tuple(
            _target(target, flights.get(target.spec.name) or _Flight(), self._guard, listing)
            for target, listing in zip(self._targets, self._listings, strict=True)
        )
        dues = [due for target in self._targets if (due := target.next_due()) is not None]
        pacing = self._pacing
        return WorkerStatus(
            self._destination, targets, self._recovery.reason or pacing.reason, pacing.is_refused, pacing.not_before,
            min(dues, default=None), pacing.committed_at, self._publisher.files, self._publisher.size_bytes,
        )  # fmt: skip

    def next_listing(self) -> float | None:
        """When what waits is to be listed anew; None while it is as it was."""
        return self._listed_at + LISTED_EVERY_S if self._is_listing_old() else None

    def _list(self) -> None:
        if self._is_listing_old() and self._clock() >= self._listed_at + LISTED_EVERY_S:
            self._listed_at = self._clock()
            self._listings = [_Listing(each.settler.changes, each.settler.waits()) for each in self._targets]

    def _is_listing_old(self) -> bool:
        return any(
            target.settler.changes != listing.changes
            for target, listing in zip(self._targets, self._listings, strict=True)
        )

    def _flights(self) -> Flights:
        """What is in hand, counted once for as long as it stays the same."""
        parcels = self._publisher.parcels
        if parcels != self._parcels:
            self._parcels = parcels
            self._in_hand = _flights((each.origin, each.held_bytes) for parcel in parcels for each in parcel.ready)
        return self._in_hand


def _flights(origins: Iterable[tuple[Found | Lost, int]]) -> Flights:
    flights: Flights = {}
    for origin, held_bytes in origins:
        flights.setdefault(origin.target.spec.name, _Flight()).add(origin, held_bytes)
    return flights


def _read_bytes(origin: Found | Lost) -> int:
    return len(origin.snapshot.content or b"") if isinstance(origin, Found) else 0


def _target(target: Target, flight: _Flight, guard: DeleteGuard, listing: _Listing) -> TargetStatus:
    settler = target.settler
    return TargetStatus(
        target.spec.name,
        target.state,
        len(settler),
        len(flight.waits),
        earliest(settler.oldest(), flight.oldest),
        earliest(settler.settled_since(), flight.settled_since),
        flight.held_bytes,
        target.watched(),
        *guard.held(target),
        flight.size_bytes,
        flight.sending,
        refusal=target.refusal,
        waits=listing.waits,
        flies=flight.waits,
    )


def earliest(one: float | None, other: float | None) -> float | None:
    """The earlier of two times, either of which may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
