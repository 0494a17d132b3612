"""What a worker says of itself while it runs: hf_watch.status, put together on its own thread, many times a second.

Nothing here may cost more the more files wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.findings import Found
from hf_watch.model import Staged
from hf_watch.status import Sending, TargetStatus, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hf_watch.deletions import DeleteGuard
    from hf_watch.findings import Lost
    from hf_watch.publish import Parcel, Publisher, Ready
    from hf_watch.target import Target


@dataclass(slots=True)
class _Flight:
    """What is under way from one target to the Hub."""

    files: int = 0
    size_bytes: int = 0
    sending: tuple[Sending, ...] = ()
    oldest: float | None = None
    settled_since: float | None = None
    held_bytes: int = 0

    def add(self, origin: Found | Lost, held_bytes: int) -> None:
        self.files += 1
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


class Reporter:
    """Knows what one destination's worker is about."""

    def __init__(self, destination: str, targets: Sequence[Target], publisher: Publisher, guard: DeleteGuard) -> None:
        self._destination = destination
        self._targets = targets
        self._publisher = publisher
        self._guard = guard
        self._parcels: Sequence[Parcel] = ()
        self._in_hand: Flights = {}

    def report(
        self,
        *,
        reason: str | None,
        is_refused: bool,
        not_before: float,
        committed_at: float | None,
        gathered: Iterable[Found | Lost] | None = None,
    ) -> WorkerStatus:
        """The worker as it is. `gathered` is what is being read and sent right now."""
        flights = self._flights() if gathered is None else _flights((each, _read_bytes(each)) for each in gathered)
        targets = tuple(
            _target(target, flights.get(target.spec.name) or _Flight(), self._guard) for target in self._targets
        )
        dues = [due for target in self._targets if (due := target.next_due()) is not None]
        return WorkerStatus(
            self._destination, targets, reason, is_refused, not_before, min(dues, default=None), committed_at,
            self._publisher.files, self._publisher.size_bytes,
        )  # fmt: skip

    def _flights(self) -> Flights:
        """What is in hand, counted once for as long as it stays the same."""
        parcels = self._publisher.parcels
        if parcels != self._parcels:
            self._parcels = parcels
            self._in_hand = _flights((each.origin, _held_bytes(each)) for parcel in parcels for each in parcel.ready)
        return self._in_hand


def _flights(origins: Iterable[tuple[Found | Lost, int]]) -> Flights:
    flights: Flights = {}
    for origin, held_bytes in origins:
        flights.setdefault(origin.target.spec.name, _Flight()).add(origin, held_bytes)
    return flights


def _read_bytes(origin: Found | Lost) -> int:
    return len(origin.snapshot.content or b"") if isinstance(origin, Found) else 0


def _held_bytes(ready: Ready) -> int:
    return ready.operation.held_bytes if isinstance(ready.operation, Staged) else 0


def _target(target: Target, flight: _Flight, guard: DeleteGuard) -> TargetStatus:
    settler = target.settler
    return TargetStatus(
        target.spec.name,
        target.state,
        len(settler),
        flight.files,
        earliest(settler.oldest(), flight.oldest),
        earliest(settler.settled_since(), flight.settled_since),
        flight.held_bytes,
        target.watched(),
        *guard.held(target),
        flight.size_bytes,
        flight.sending,
        refusal=target.refusal,
    )


def earliest(one: float | None, other: float | None) -> float | None:
    """The earlier of two times, either of which may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
