"""Intend, commit, record: what is in hand goes to the Hub, one batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import AmbiguousError, HubError, MovedError, RejectedError, RetryableError, TooLargeError
from hf_watch.model import Batch, Delete
from hf_watch.publish.parcel import Parcel, packed
from hf_watch.rules import plan
from hf_watch.targets.findings import Found, Lost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Receipt
    from hf_watch.ports import Hub
    from hf_watch.publish.clearing import Clearer
    from hf_watch.publish.parcel import Ready
    from hf_watch.publish.unanswered import Unanswered
    from hf_watch.snapshots.recording import Recorder
    from hf_watch.snapshots.setbacks import Setbacks
    from hf_watch.targets.target import Target
    from hf_watch.threads.measured import Observe

log = structlog.get_logger()


class Publisher:
    """Commits for one destination, on its worker's thread. What it holds in memory is what `in_hand` says."""

    def __init__(
        self,
        *,
        hub: Hub,
        ledger: Ledger,
        recorder: Recorder,
        setbacks: Setbacks,
        clearer: Clearer,
        unanswered: Unanswered,
        message: Callable[[Parcel], str],
        clock: Callable[[], float],
        observe: Observe,
    ) -> None:
        self.files = 0  # published since the start
        self.size_bytes = 0  # what they hold
        self._hub = hub
        self._ledger = ledger
        self._recorder = recorder
        self._setbacks = setbacks
        self._clearer = clearer
        self._unanswered = unanswered
        self._message = message
        self._clock = clock
        self._observe = observe
        self._in_hand: list[Parcel] = []
        self._has_waited = False  # long enough for others to commit

    @property
    def in_hand(self) -> int:
        """How many operations only wait for their commit."""
        return sum(len(parcel.ready) for parcel in self._in_hand)

    @property
    def parcels(self) -> tuple[Parcel, ...]:
        """What is in hand, a parcel a commit."""
        return tuple(self._in_hand)

    def next_batch(self) -> tuple[int, int]:
        """What the next commit takes: operations, and the content that travels inside it in bytes."""
        if not self._in_hand:
            return 0, 0
        parcel = self._in_hand[-1]
        return len(parcel.operations), parcel.held_bytes

    def put(self, ready: Sequence[Ready]) -> None:
        """Take the operations of the next commit in hand, uploads before deletes; those of `ALONE` go after it."""
        ordered = sorted(ready, key=lambda each: isinstance(each.operation, Delete))
        alone = [each for each in ordered if each.goes_alone]
        others = [each for each in ordered if not each.goes_alone]
        self._in_hand.extend(packed(part) for part in (alone, others) if part)

    def look_again(self) -> None:
        """After what is in hand has waited: leave deletes out whose files are not ours any more; HubError."""
        if not self._has_waited:
            return
        for parcel in list(self._in_hand):
            left = Parcel(parcel.id, tuple(self._clearer.still_ours(parcel.ready)))
            self._in_hand[self._in_hand.index(parcel)] = left
        self._has_waited = False

    def commit(self, attempt: int = 1) -> Receipt | None:
        """Commit what is in hand, one batch, and record what the Hub answered; None when no commit was made of it.

        `attempt` is for the log: how often in a row the Hub has been asked by now.

        Raises the HubError that stopped it. What the Hub refused for now stays in hand; what it refused as a whole is
        in hand in two halves; all else is back with its settlers.
        """
        parcel = self._still_meant(self._in_hand.pop())
        if not parcel.ready:
            self._ledger.batches.dropped(parcel.id)
            return None
        batch = Batch(parcel.id, parcel.operations, self._message(parcel))
        self._intend(parcel)
        began = self._clock()
        try:
            receipt = self._hub.commit(batch, self._unanswered.parent)
        except (RejectedError, TooLargeError) as error:
            self._part(parcel, str(error))
            return None
        except (RetryableError, MovedError):
            self._keep(parcel)
            raise
        except AmbiguousError:
            self._unanswered.suspect([parcel.id])
            self._give_back(parcel)
            raise
        except HubError:
            self._ledger.batches.dropped(parcel.id)
            self._give_back(parcel)
            raise
        self._record(parcel, receipt)
        self._tell(parcel, receipt, began, attempt)
        return receipt

    def _still_meant(self, parcel: Parcel) -> Parcel:
        """Without the deletes that are not due any more: what waits in hand may wait for long."""
        meant = [
            each for each in parcel.ready if isinstance(each.origin, Found) or self._clearer.may_delete(each.origin)
        ]
        return Parcel(parcel.id, tuple(meant))

    def _intend(self, parcel: Parcel) -> None:
        first = parcel.ready[0].origin.target.root
        intended = [each.intended for each in parcel.ready]
        self._ledger.batches.intend(parcel.id, first.destination_id, intended, parcel.size_bytes)

    def _keep(self, parcel: Parcel) -> None:
        """What is sent with a parent is a repeat: it is prepared anew, for the Hub may hold some of it by now."""
        if self._unanswered.parent is None:
            self._in_hand.append(parcel)
            self._has_waited = True
        else:
            self._ledger.batches.dropped(parcel.id)
            self._give_back(parcel)

    def _part(self, parcel: Parcel, reason: str) -> None:
        self._ledger.batches.dropped(parcel.id)
        units = parcel.units()
        if len(units) > 1:
            for half in plan.halves(units):
                self._in_hand.append(packed([each for unit in half for each in unit]))
            return
        if len(parcel.ready) > 1:
            reason = f"its directory goes in one commit, which the Hub refused: {reason}"
        for each in parcel.ready:
            self._refuse(each.origin, reason)

    def _refuse(self, origin: Found | Lost, reason: str) -> None:
        fingerprint = origin.snapshot.fingerprint if isinstance(origin, Found) else None
        self._setbacks.set_aside(origin.target, origin.waiting.path, fingerprint, reason)

    def holds_refused(self) -> bool:
        """Whether something in hand may not be published any more."""
        return any(each.origin.target.refusal for parcel in self._in_hand for each in parcel.ready)

    def give_back(self) -> None:
        """Return everything in hand to its settlers; the Hub refused it, so no commit of it is open."""
        while self._in_hand:
            parcel = self._in_hand.pop()
            self._ledger.batches.dropped(parcel.id)
            self._give_back(parcel)

    def let_go(self) -> None:
        """Forget everything, for the ledger cannot be written: what it says decides what is done about each path."""
        self._in_hand.clear()
        self._unanswered.let_go()

    def _give_back(self, parcel: Parcel) -> None:
        now = self._clock()
        for each in parcel.ready:
            each.origin.target.settler.put_back(each.origin.waiting, now)

    def _record(self, parcel: Parcel, receipt: Receipt) -> None:
        for target in {id(each.origin.target): each.origin.target for each in parcel.ready}.values():
            self._record_target(target, [each.origin for each in parcel.ready if each.origin.target is target], receipt)
        self._ledger.batches.recorded(parcel.id, receipt.commit)
        self._unanswered.made_up_for()
        self.files += len(parcel.ready)
        self.size_bytes += parcel.size_bytes

    def _record_target(self, target: Target, origins: Sequence[Found | Lost], receipt: Receipt) -> None:
        published = [origin for origin in origins if isinstance(origin, Found)]
        for each in published:
            self._recorder.look_again_if_racy(each)
        lost = [origin.waiting.path for origin in origins if isinstance(origin, Lost)]
        self._recorder.record(target, published, lost, receipt)

    def _tell(self, parcel: Parcel, receipt: Receipt, began: float, attempt: int) -> None:
        duration_s = self._clock() - began
        self._observe(parcel.published(receipt, began, duration_s))
        log.info(
            "commit.recorded", target=",".join(sorted({each.origin.target.spec.name for each in parcel.ready})),
            files=len(parcel.ready), bytes=parcel.size_bytes, duration_s=round(duration_s, 3),
            commit=receipt.commit, attempt=attempt, url=receipt.url,
        )  # fmt: skip
