"""Opening a destination: whether we may commit there, whether it exists, and whether it is as we left it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import MissingRepoError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.ledger import Ledger
    from hf_watch.ports import Hub
    from hf_watch.publish import Publisher
    from hf_watch.target import Target

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opener:
    """Makes sure, before the first commit and after every refusal, that the ledger and the branch agree."""

    name: str
    hub: Hub
    ledger: Ledger
    publisher: Publisher
    targets: Sequence[Target]
    create_repo: bool
    private: bool
    verify: bool  # compare even when the head is the one that was seen last
    clock: Callable[[], float]

    def open(self) -> None:
        """Two requests when nothing happened meanwhile. Raises the HubError that stands in the way.

        When the branch's head is not the one last seen or made, or a batch landed that nobody heard of, what the ledger
        knows is compared with the branch, and what differs is put in doubt, so that a scan publishes it anew.
        """
        head = self._head()
        root = self.targets[0].root
        unheard = self.ledger.open_batches(root)
        if self.verify or head != self.ledger.head(root) or any(self.hub.find(each) for each in unheard):
            self.compare()
            self.ledger.see_head(root, head)
        self.publisher.suspect(unheard)

    def _head(self) -> str:
        try:
            self.hub.check_write()
            return self.hub.head()
        except MissingRepoError:
            if not self.create_repo:
                raise
        self.hub.create(private=self.private)
        log.info("repo.created", destination=self.name, private=self.private)
        self.hub.check_write()
        return self.hub.head()

    def compare(self) -> None:
        """Put in doubt what the branch does not hold as recorded, and have it published anew."""
        for target in self.targets:
            if not self.ledger.has_below(target.root, ""):
                continue
            doubted = self.ledger.doubt_unlike(target.root, self.hub.tree(target.spec.mapping.prefix))
            log.info("target.compared", target=target.spec.name, doubted=doubted)
            if doubted:
                target.rescan(self.clock())
