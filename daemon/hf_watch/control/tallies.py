"""What a status takes from the ledger: many may ask, and often.

It is looked up anew when somebody may tell the difference: after a commit, after a command, and when the ledger was
written to since, but then no more than a few times a second, for a ledger is written to all the time while much goes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.ledger.records import looked_into
from hf_watch.snapshots.setbacks import IGNORED_REASON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hf_watch.control.daemon import Steered
    from hf_watch.ledger.records import Aside, Made, Records

FRESH_S = 0.25
NAMED = 10  # of a target's quarantine, with their reasons
TICK_NS = 50_000_000  # a file written to again this soon may keep its times


@dataclass(frozen=True, slots=True)
class Tally:
    """What the ledger says of one target."""

    quarantined: int
    aside: Sequence[Aside]  # the latest of them
    published_today: int
    latest: Made | None


class Tallies:
    """Reads the ledger at `ledger`, and remembers what it read for as long as nobody wrote."""

    def __init__(
        self,
        ledger: Path,
        clock: Callable[[], float] = time.monotonic,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._files = (ledger, ledger.with_name(ledger.name + "-wal"))
        self._clock = clock
        self._wall_clock_ns = wall_clock_ns
        self._asked: object = None
        self._stamped: object = None
        self._read_at = -FRESH_S
        self._found: Sequence[Tally] = ()

    def forget(self) -> None:
        """Look it up anew when it is asked for next: a command may have changed it."""
        self._asked = None

    def of(self, targets: Sequence[Steered], midnight_s: float) -> Sequence[Tally]:
        """A tally for each target; `midnight_s` is when the day began. LedgerError when the ledger cannot be read."""
        asked = (midnight_s, tuple(targets), tuple(each.status().committed_at for each in targets))
        if asked == self._asked and (self._clock() < self._read_at + FRESH_S or self._is_as_read()):
            return self._found
        self._stamped = self._stamps()  # before it is read: what is written meanwhile counts as new
        self._read_at = self._clock()
        with looked_into(self._files[0]) as records:
            self._found = [_tally(records, each, midnight_s) for each in targets]
        self._asked = asked
        return self._found

    def _is_as_read(self) -> bool:
        return self._stamped is not None and self._stamps() == self._stamped

    def _stamps(self) -> tuple[tuple[int, int, int], ...] | None:
        """What tells one state of the ledger's files from another; None when nothing does."""
        stamps = []
        for file in self._files:
            try:
                found = file.stat()
            except FileNotFoundError:
                stamps.append((0, 0, 0))  # no ledger yet, or a closed one without its log
                continue
            if abs(self._wall_clock_ns() - found.st_mtime_ns) < TICK_NS:
                return None
            stamps.append((found.st_ino, found.st_size, found.st_mtime_ns))
        return tuple(stamps)


def _tally(records: Records, each: Steered, midnight_s: float) -> Tally:
    return Tally(
        quarantined=records.count_aside(*each.root, besides=IGNORED_REASON),
        aside=records.latest_aside(*each.root, besides=IGNORED_REASON, limit=NAMED),
        published_today=records.published_since(*each.root, midnight_s),
        latest=records.latest(*each.root),
    )
