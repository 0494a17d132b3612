"""Whether what was read may be published: no credential is in it, and the Hub takes as much."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.snapshots.credentials import LOAD_S, SCANNED_BYTES

if TYPE_CHECKING:
    from hf_watch.snapshots.capacity import Capacity
    from hf_watch.snapshots.credentials import Credentials
    from hf_watch.snapshots.setbacks import Setbacks
    from hf_watch.targets.findings import Found
    from hf_watch.threads.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Screening:
    """For one destination, on its worker's thread. What does not pass is set aside."""

    credentials: Credentials
    capacity: Capacity
    setbacks: Setbacks
    pulse: Pulse

    @property
    def waits(self) -> bool:
        """Whether nothing can be said of texts yet."""
        return self.credentials.are_awaited

    def begin(self) -> None:
        """A commit is being gathered."""
        self.capacity.begin()

    def rest(self) -> None:
        """Give back what is only needed while files come."""
        self.credentials.rest()

    def passes(self, found: Found, fd: int) -> bool:
        """Whether the file, open at `fd`, may go; it counts towards what the Hub takes then.

        NotSettledError when that cannot be said yet.
        """
        why_not = self._credential(found, fd) or self.capacity.why_not(found)
        if why_not is not None:
            self.setbacks.set_aside(found.target, found.waiting.path, found.snapshot.fingerprint, why_not)
        return why_not is None

    def _credential(self, found: Found, fd: int) -> str | None:
        """Why a file with a credential in it does not go; the rule is named, never what it found."""
        target, path = found.target, found.waiting.path
        if target.spec.secrets == "off" or target.spec.secrets_allow.takes(path):
            return None
        self.pulse.beat("looking for credentials", LOAD_S)
        content = found.snapshot.content
        rule = self.credentials.rule(os.pread(fd, SCANNED_BYTES, 0) if content is None else content)
        if rule is None:
            return None
        if target.spec.secrets == "warn":
            target.journal.tell("warning", "path.suspected", path, f"it seems to hold a credential: {rule}")
            return None
        return f"it seems to hold a credential: {rule}; take it out, or name the file in secrets_allow"
