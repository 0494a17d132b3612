"""Commits whose answer was lost: they may have landed, and those that did not may land yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.ports import Hub
    from hf_watch.targets.findings import Found, Lost

log = structlog.get_logger()

STILL_LANDS_S = 120.0  # a commit whose answer was lost may arrive this much later: twice the Hub's own time-out


class Unanswered:
    """The batches of one destination whose fate is unclear, on its worker's thread."""

    def __init__(self, hub: Hub, ledger: Ledger, clock: Callable[[], float]) -> None:
        self.parent: str | None = None  # what the next commit must stand on while a fate is unclear
        self._hub = hub
        self._ledger = ledger
        self._clock = clock
        self._unclear: dict[str, float] = {}  # batches that may have landed, and until when they may land yet
        self._overtaken: dict[str, float] = {}  # the same of batches that a later commit has made up for

    def suspect(self, batch_ids: Iterable[str]) -> None:
        """Batches that were intended and never answered."""
        until = self._clock() + STILL_LANDS_S
        for batch_id in batch_ids:
            self._unclear.setdefault(batch_id, until)

    def prepare(self) -> None:
        """Before anything is staged anew: if the fate of a commit is unclear, see to what the Hub made of it.

        The head is read first, so that a commit that lands from now on turns the next one into a MovedError.
        """
        if not self._unclear:
            return
        head, now = self._hub.head(), self._clock()
        for batch_id, until in list(self._unclear.items()):
            commit = self._hub.find(batch_id)
            if commit is not None:
                self._ledger.batches.found(batch_id, commit)
                log.info("commit.found", commit=commit, batch=batch_id, reason="its answer was lost")
            elif now < until:
                continue
            else:
                self._ledger.batches.dropped(batch_id)
            del self._unclear[batch_id]
        self.parent = head if self._unclear else None

    def may_yet_differ(self, origin: Found | Lost) -> bool:
        """Whether a commit of this path may land yet; then the path was given back until that is over."""
        known = self._ledger.files.known(origin.target.root, origin.waiting.path)
        if not self._unclear or known is None or known.digest is not None:
            return False
        origin.target.settler.put_back(origin.waiting, max(self._unclear.values()))
        return True

    def made_up_for(self) -> None:
        """A later commit was recorded: what is unclear is overtaken by it, though it may land yet."""
        self._overtaken |= self._unclear
        self._unclear, self.parent = {}, None

    def next_overtaken(self) -> float | None:
        """When to look whether a batch that was made up for landed after all, or None."""
        return min(self._overtaken.values(), default=None)

    def look_for_overtaken(self) -> bool:
        """Whether a batch that was made up for landed after all, on top of newer ones perhaps.

        A request may be held up on its way, where no parent of a later commit can stop it.
        """
        has_landed = False
        for batch_id in [each for each, until in self._overtaken.items() if until <= self._clock()]:
            commit = self._hub.find(batch_id)
            if commit is None:
                self._ledger.batches.dropped(batch_id)
            else:
                has_landed = True
                self._ledger.batches.found(batch_id, commit)
                log.warning("commit.found", commit=commit, batch=batch_id, reason="it landed after it was made up for")
            del self._overtaken[batch_id]
        return has_landed

    def let_go(self) -> None:
        """Forget everything: the ledger knows which batches were never answered."""
        self._unclear, self._overtaken, self.parent = {}, {}, None
