"""Towards the Hub, a step at a time: open the destination, or make one commit, when the pace lets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import AmbiguousError, HubError, MissingRepoError, UnauthorizedError, UnreachableError
from hf_watch.pacing.pacing import GIVE_UP_ATTEMPTS
from hf_watch.rules.settle import TOGETHER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.afterwards.after_upload import AfterUpload
    from hf_watch.pacing.pacing import Pacing
    from hf_watch.ports import Hub
    from hf_watch.publish.publisher import Publisher
    from hf_watch.publish.unanswered import Unanswered
    from hf_watch.snapshots.screening import Screening
    from hf_watch.targets.findings import Found, Lost
    from hf_watch.targets.target import Target
    from hf_watch.worker.gathering import Gatherer
    from hf_watch.worker.opening import Opener
    from hf_watch.worker.recovery import Recovery

    Tell = Callable[[Iterable[Found | Lost] | None], None]  # hears what is being read and sent; None: what is in hand

log = structlog.get_logger()

RULES_S = 0.1  # between two looks whether the rules for credentials are there


class Committer:
    """Makes the commits of one destination, on its worker's thread."""

    def __init__(
        self,
        *,
        name: str,
        single_pass: bool,
        targets: Sequence[Target],
        hub: Hub,
        opener: Opener,
        gatherer: Gatherer,
        publisher: Publisher,
        unanswered: Unanswered,
        after_upload: AfterUpload,
        pacing: Pacing,
        recovery: Recovery,
        screening: Screening,
        clock: Callable[[], float],
    ) -> None:
        self.is_open = False  # the destination takes commits, as far as is known
        self.failure: str | None = None  # why a single pass gave up
        self._name = name
        self._single_pass = single_pass
        self._targets = targets
        self._hub = hub
        self._opener = opener
        self._gatherer = gatherer
        self._publisher = publisher
        self._unanswered = unanswered
        self._after_upload = after_upload
        self._pacing = pacing
        self._recovery = recovery
        self._screening = screening
        self._clock = clock
        self._is_hurried = False  # what is due goes without being gathered for longer

    @property
    def has_in_hand(self) -> bool:
        """Whether something only waits for its commit, or to leave after it."""
        return bool(self._publisher.in_hand or self._after_upload)

    def left(self) -> int:
        """How many paths wait to be published or are under way, without what is refused."""
        waiting = sum(len(target.settler) for target in self._targets if target.refusal is None)
        return waiting + self._publisher.in_hand + len(self._after_upload)

    def hurry(self) -> None:
        """Somebody asked: what is due goes without waiting for more, or for a pace of our own."""
        self._is_hurried = True
        self._pacing.hurry()

    def renew_token(self) -> None:
        """Read the token anew; where it was refused, try at once."""
        self._hub.refresh_token()
        if not self.is_open:
            self._pacing.hurry()

    def give_back(self) -> None:
        """Return everything in hand to its settlers."""
        self._publisher.give_back()

    def let_go(self) -> None:
        """Forget everything, for the ledger cannot be written: what it says then decides, once it is compared."""
        self._publisher.let_go()
        self.is_open = False

    def next_at(self, *, is_ending: bool) -> float | None:
        """When to go on towards the Hub, or None when there is nothing to do there; at the end nothing is gathered."""
        due = self._next_due(is_ending=is_ending) if self.is_open else 0.0
        if due is None:
            return None
        moment = self._pacing.next_at(due)
        return max(moment, self._clock() + RULES_S) if self._screening.waits else moment

    def _next_due(self, *, is_ending: bool) -> float | None:
        """When the next commit would go if the Hub and the budget let it."""
        if self.has_in_hand or self._opener.is_behind:
            return 0.0
        dues = [due for target in self._targets if (due := target.next_due()) is not None]
        overtaken = None if is_ending else self._unanswered.next_overtaken()
        if overtaken is not None and (not dues or overtaken <= min(dues)):
            return overtaken
        if not dues:
            return self._opener.next_look()
        due = min(dues) + TOGETHER_S
        return due if is_ending or self._is_hurried or self._is_full() else self._pacing.gathered(due)

    def _is_full(self) -> bool:
        """Whether what is due makes a commit that need not wait for more."""
        now, files = self._clock(), self._pacing.size.files
        return sum(target.count_due(now, files) for target in self._targets) >= files

    def go_on(self, tell: Tell) -> None:
        """Go one step: open the destination, or make one commit. What the Hub says decides when the next one goes."""
        left = self.left()
        if not (self._pacing.may_commit(left) if self.is_open else self._pacing.may_ask(left)):
            return
        began = self._clock()
        try:
            self._step(tell)
        except (UnauthorizedError, MissingRepoError) as error:
            self._close(error)
        except HubError as error:
            self._back_off(error, began)
        else:
            self._pacing.went_well()
            self._is_hurried = self._is_hurried and self._is_anything_due()

    def _is_anything_due(self) -> bool:
        now = self._clock()
        return any((due := target.next_due()) is not None and due <= now for target in self._targets)

    def _step(self, tell: Tell) -> None:
        if self._pacing.is_outage:
            self._probe()
        if self.is_open:
            self._after_upload.act()  # what an earlier step could not finish
            self._make_commit(tell)
            self._after_upload.act()
        else:
            self._open()

    def _probe(self) -> None:
        """Ask for as little as can be whether the Hub is back, before anything is read and sent."""
        try:
            self._hub.head()
        except UnreachableError:
            raise
        except HubError as error:
            log.debug("outage.ended", destination=self._name, reason=str(error))
        self._pacing.answered()

    def _open(self) -> None:
        if self._pacing.is_refused:
            self._hub.refresh_token()
        self._opener.open()
        self.is_open = True
        self._pacing.opened()

    def _make_commit(self, tell: Tell) -> None:
        if self._opener.look_again() and self._publisher.holds_refused():
            self._publisher.give_back()
        if self._opener.is_behind:
            self._opener.look_for_others()
        if not self._publisher.in_hand:
            self._take_in_hand(tell)
        if not self._publisher.in_hand:
            return
        self._publisher.look_again()
        files, held_bytes = self._publisher.next_batch()
        began = self._clock()
        try:
            receipt = self._publisher.commit(self._pacing.attempt + 1)
        except AmbiguousError:
            self._pacing.not_answered()
            raise
        if receipt is None:
            self._pacing.parted()
            return
        self._pacing.committed(files, held_bytes, self._clock() - began)
        self._recovery.works()
        self._opener.look_for_others()

    def _take_in_hand(self, tell: Tell) -> None:
        if self._unanswered.look_for_overtaken():
            self._opener.compare()
        self._unanswered.prepare()
        self._publisher.put(self._gatherer.gather(self._pacing.size.files, tell))
        tell(None)

    def _back_off(self, error: HubError, began: float) -> None:
        self._pacing.back_off(error, began, self.left())
        if self._single_pass and self._pacing.attempt >= GIVE_UP_ATTEMPTS:
            self.failure = str(error)

    def _close(self, error: HubError) -> None:
        """Stop publishing here until somebody acts; go on watching, and try again slowly with the token read anew."""
        self._publisher.give_back()
        self.is_open = False
        self._pacing.refused(error, self.left())
        if self._single_pass:
            self.failure = str(error)
