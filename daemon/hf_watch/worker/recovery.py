"""While the ledger cannot be written: wait, longer each time, say so, and open it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hf_watch.pacing.pacing import GIVE_UP_ATTEMPTS, NAMED_AGAIN_S
from hf_watch.rules.pace import backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.errors import LedgerError
    from hf_watch.ledger.ledger import Ledger

log = structlog.get_logger()


class Recovery:
    """Of one destination's connection to the ledger, on its worker's thread."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        *,
        single_pass: bool,
        clock: Callable[[], float],
        unit_random: Callable[[], float],
    ) -> None:
        self.reason: str | None = None  # why it could not be written when that was last tried
        self.failure: str | None = None  # why a single pass gave up
        self._name = name
        self._ledger = ledger
        self._single_pass = single_pass
        self._clock = clock
        self._unit_random = unit_random
        self._attempt = 0
        self._named_at: float | None = None
        self._reopens_at: float | None = None

    def wait_s(self) -> float | None:
        """How long until it is to be opened anew; None while it can be written, as far as is known."""
        return None if self._reopens_at is None else self._reopens_at - self._clock()

    def open(self) -> None:
        """Open it unless it is open; LedgerError when it cannot be."""
        self._ledger.open_once()

    def reopen(self) -> None:
        """Open it anew; LedgerError when it cannot be."""
        self._reopens_at = None
        self._ledger.reopen()

    def failed(self, error: LedgerError, stop_by: float | None) -> None:
        """Something could not be written down: wait, but not beyond `stop_by`."""
        self._attempt += 1
        wait_s = backoff_s(self._attempt, self._unit_random())
        self.reason = str(error)
        self._say_failed(error, wait_s)
        if self._single_pass and self._attempt >= GIVE_UP_ATTEMPTS:
            self.failure = str(error)
        again = self._clock() + wait_s
        self._reopens_at = again if stop_by is None else min(again, stop_by)

    def works(self) -> None:
        """A batch was intended and recorded."""
        if self._attempt:
            log.info("ledger.recovered", destination=self._name, attempt=self._attempt)
        self._attempt, self._named_at, self.reason = 0, None, None

    def _say_failed(self, error: LedgerError, wait_s: float) -> None:
        now = self._clock()
        if self._named_at is None or now - self._named_at >= NAMED_AGAIN_S:
            self._named_at = now
            log.error(
                "ledger.failed", destination=self._name, reason=str(error), attempt=self._attempt,
                not_before_s=round(wait_s, 1),
            )  # fmt: skip
