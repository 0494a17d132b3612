"""Opening a destination: whether we may commit there, whether it exists, and whether it is as we left it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import MissingRepoError
from hf_watch.model import Created

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import RepoState
    from hf_watch.ports import Hub
    from hf_watch.publish.unanswered import Unanswered
    from hf_watch.targets.target import Target

COMPARE_AGAIN_S = 3600.0  # where others commit all the time, too: a thousand files a request
LOOK_AGAIN_S = 60.0  # a repo that is made public gets no more than a minute of what was not meant for it
PUBLIC_REASON = "everybody may read this repo: make it private, or add `allow_public = true` to the target's table"

log = structlog.get_logger()


@dataclass(slots=True)
class Looked:
    """What was seen of the branch and when to look next, on the worker's clock."""

    again_at: float = 0.0  # who may read the repo
    compare_at: float = 0.0  # what others made of the branch
    is_behind: bool = False  # we committed since others' commits were last looked for


@dataclass(frozen=True, slots=True)
class Opener:
    """Makes sure, before the first commit and after every refusal, that the ledger and the branch agree."""

    name: str
    hub: Hub
    ledger: Ledger
    unanswered: Unanswered
    targets: Sequence[Target]
    create_repo: bool
    private: bool
    verify: bool  # compare even when the head is the one that was seen last
    clock: Callable[[], float]
    looked: Looked = field(default_factory=Looked)

    def open(self) -> None:
        """Two requests when nothing happened meanwhile. Raises the HubError that stands in the way.

        When the branch's head is not the one last seen or made, or a batch landed that nobody heard of, what the ledger
        knows is compared with the branch, and what differs is put in doubt, so that a scan publishes it anew.
        """
        head = self._state().head
        root = self.targets[0].root
        unheard = self.ledger.batches.unanswered(root)
        if self.verify or any(self.hub.find(each) for each in unheard):
            self._compare_at(head)
        elif head != self.ledger.roots.head(root):
            self._catch_up(head)
        self.unanswered.suspect(unheard)

    def look_again(self) -> bool:
        """Ask, once a minute at the most, who may read the repo; whether that was asked."""
        if self.clock() < self.looked.again_at:
            return False
        self._see(self.hub.state())
        return True

    @property
    def is_behind(self) -> bool:
        """Whether what others may have committed below our last commit is still to be looked for."""
        return self.looked.is_behind

    def look_for_others(self) -> None:
        """Right after a commit: what others committed in between lies below ours, which hides it from the next start.

        What others changed is compared, once an hour at the most; until then the ledger remembers that it is to be.
        """
        self.looked.is_behind = True  # until the Hub has answered
        root, is_early = self.targets[0].root, self.clock() < self.looked.compare_at
        if self.ledger.roots.head(root) is not None or not is_early:
            newest = self.hub.recent()
            if self._are_ours(newest):
                self.ledger.roots.see_head(root, newest[0])
            elif is_early:
                self.ledger.roots.doubt_head(root)
            else:
                self._compare_at(newest[0])
        self.looked.is_behind = False

    def _catch_up(self, head: str) -> None:
        """At a start: a process that was killed after its commit had no time to look what lies below it."""
        if self.ledger.batches.made(head) and self._are_ours(self.hub.recent()):
            self.ledger.roots.see_head(self.targets[0].root, head)
        else:
            self._compare_at(head)

    def _are_ours(self, newest: Sequence[str]) -> bool:
        """Whether we made all commits since the head that the ledger knows."""
        known = self.ledger.roots.head(self.targets[0].root)
        return known in newest and all(self.ledger.batches.made(each) for each in newest[: newest.index(known)])

    def next_look(self) -> float | None:
        """When to ask again for targets that may not publish what everybody may read; None when there are none."""
        return self.looked.again_at if any(target.refusal for target in self.targets) else None

    def _state(self) -> RepoState:
        state = self._found()
        self._see(state)
        return state

    def _see(self, state: RepoState) -> None:
        """Let every target publish, or refuse it, by what the repo is now."""
        self.looked.again_at = self.clock() + LOOK_AGAIN_S
        for target in self.targets:
            is_refused = state.is_public and not target.spec.allow_public
            if is_refused and target.refusal is None:
                log.error("target.refused", target=target.spec.name, destination=self.name, reason=PUBLIC_REASON)
            elif target.refusal is not None and not is_refused:
                log.info("target.allowed", target=target.spec.name, destination=self.name)
            target.refusal = PUBLIC_REASON if is_refused else None

    def _found(self) -> RepoState:
        try:
            self.hub.check_write()
            return self.hub.state()
        except MissingRepoError:
            if not self.create_repo:
                raise
        self._say_created(self.hub.create(private=self.private))
        self.hub.check_write()
        return self.hub.state()

    def _say_created(self, created: Created) -> None:
        if created is Created.REPO:
            log.info("repo.created", destination=self.name, private=self.private)
        elif created is Created.BRANCH:
            log.info("branch.created", destination=self.name)

    def _compare_at(self, head: str) -> None:
        self.compare()
        self.ledger.roots.see_head(self.targets[0].root, head)
        self.looked.compare_at = self.clock() + COMPARE_AGAIN_S

    def compare(self) -> None:
        """Put in doubt what the branch does not hold as recorded, and have it published anew."""
        for target in self.targets:
            if not self.ledger.files.has_below(target.root, ""):
                continue
            doubted = self.ledger.comparison.doubt_unlike(target.root, self.hub.tree(target.spec.mapping.prefix))
            log.info("target.compared", target=target.spec.name, doubted=doubted)
            if doubted:
                target.rescan(self.clock())
