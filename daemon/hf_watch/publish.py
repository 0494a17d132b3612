"""Stage, intend, commit, record: from settled files to rows that vouch for what the Hub holds.

The order is the promise. A path is in doubt in the ledger, on disk, before the commit that concerns it leaves; only the
Hub's answer ends the doubt. Whatever fails gives its paths back to their settlers, or stays in hand when the Hub
refused for now what it already has the content of.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from hf_watch import plan, scan
from hf_watch.errors import (
    AmbiguousError,
    HubError,
    MovedError,
    RejectedError,
    RetryableError,
    SourceError,
    TooLargeError,
)
from hf_watch.findings import Found, Lost
from hf_watch.ledger.rows import Intended
from hf_watch.measured import Delivery, Published, Skipped
from hf_watch.model import Batch, Delete, Outcome, Staged
from hf_watch.snapshots.setbacks import IGNORED_REASON

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.measured import Observe
    from hf_watch.model import Digest, Receipt, RemoteFile
    from hf_watch.ports import Hub
    from hf_watch.snapshots.claims import Claims
    from hf_watch.snapshots.placement import Placement
    from hf_watch.snapshots.recording import Recorder
    from hf_watch.snapshots.setbacks import Setbacks

log = structlog.get_logger()

STILL_LANDS_S = 120.0  # a commit whose answer was lost may arrive this much later: twice the Hub's own time-out
NOT_HELD_REASON = "the Hub wants it inside the commit, and it is larger than memory.inline_bytes"
ALONE = frozenset({"README.md", ".gitignore", ".gitattributes"})  # the Hub reads these; one it dislikes stops nobody
BULK_PATHS = 50  # above it, asking what the repo holds costs less than preparing the uploads one by one


@dataclass(frozen=True, slots=True)
class Ready:
    """An operation that only waits for its commit, and the file it came from.

    `clears` are other places of that file, which the same commit empties: the two are never parted.
    """

    origin: Found | Lost
    operation: Staged | Delete
    clears: tuple[str, ...] = ()

    @property
    def operations(self) -> tuple[Staged | Delete, ...]:
        """All that it does to the repo."""
        return self.operation, *(Delete(place) for place in self.clears)


@dataclass(frozen=True, slots=True)
class Parcel:
    """The operations of one commit, and the id that it keeps through all attempts."""

    id: str
    ready: tuple[Ready, ...]

    @property
    def operations(self) -> tuple[Staged | Delete, ...]:
        """What the commit does."""
        return tuple(operation for each in self.ready for operation in each.operations)

    @property
    def size_bytes(self) -> int:
        """The content that it adds."""
        return sum(each.operation.size_bytes for each in self.ready if isinstance(each.operation, Staged))


class Publisher:
    """Commits for one destination, on its worker's thread. What it holds in memory is what `in_hand` says."""

    def __init__(
        self,
        hub: Hub,
        ledger: Ledger,
        *,
        recorder: Recorder,
        setbacks: Setbacks,
        placement: Placement,
        claims: Claims,
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
        self._placement = placement
        self._claims = claims
        self._message = message
        self._clock = clock
        self._observe = observe
        self._in_hand: list[Parcel] = []
        self._unclear: dict[str, float] = {}  # batches that may have landed, and until when they may land yet
        self._overtaken: dict[str, float] = {}  # the same of batches that a later commit has made up for
        self._parent: str | None = None

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
        ready = self._in_hand[-1].ready if self._in_hand else ()
        return sum(len(each.operations) for each in ready), sum(
            each.operation.held_bytes for each in ready if isinstance(each.operation, Staged)
        )

    def held_in_repo(self, found: Sequence[Found]) -> list[Found]:
        """Write down which files the repo holds already, where asking is cheaper than sending; return the others."""
        unknown = [each for each in found if (each.known is None or each.known.digest is None) and not each.former]
        if len(unknown) <= BULK_PATHS and not any(each.is_large for each in unknown):
            return list(found)
        remote = {file.repo_path: file for file in self._hub.paths_info([each.repo_path for each in unknown])}
        left = []
        for each in found:
            file = remote.get(each.repo_path)
            if file is not None and file.holds(each.snapshot.digest):
                self._touch(each)
            else:
                left.append(each)
        return left

    def stage(self, found: Sequence[Found]) -> list[Ready]:
        """Send what travels outside the commit. A file that the Hub refuses goes to quarantine, the others on."""
        if not found:
            return []
        try:
            staged = self._hub.stage([each.upload for each in found])
        except (RejectedError, TooLargeError) as error:
            return self._stage_without(found, error)
        except SourceError as error:
            return self._stage_readable(found, error)
        ready: list[Ready] = []
        for each, operation in zip(found, staged, strict=True):
            ready.extend(self._sorted_out(each, operation))
        return ready

    def _stage_without(self, found: Sequence[Found], error: HubError) -> list[Ready]:
        culprit = getattr(error, "repo_path", None)
        bad = found[0] if len(found) == 1 else next((each for each in found if each.repo_path == culprit), None)
        if bad is None:
            middle = len(found) // 2
            return self.stage(found[:middle]) + self.stage(found[middle:])
        self._set_aside(bad, str(error))
        return self.stage([each for each in found if each is not bad])

    def _stage_readable(self, found: Sequence[Found], error: SourceError) -> list[Ready]:
        """One of the files that are handed over by their path could not be read, the client does not say which."""
        in_memory = [each for each in found if each.fd is None]
        if len(in_memory) == len(found):
            raise RetryableError(str(error)) from error  # not a file of ours: what the client keeps beside it
        for each in found:
            if each.fd is not None:
                self._setbacks.give_up_reading(each.target, each.waiting, str(error))
        return self.stage(in_memory)

    def _sorted_out(self, found: Found, staged: Staged) -> Iterable[Ready]:
        if found.fd is not None and scan.fingerprint(found.fd) != found.snapshot.fingerprint:
            found.target.settler.look_again(found.waiting, self._clock(), None)  # it moved while it was sent
        elif found.fd is not None and staged.held_bytes:
            self._set_aside(found, NOT_HELD_REASON)  # its descriptor, and so its content, is gone by the commit
        elif staged.outcome is Outcome.UNCHANGED and not found.former:
            self._touch(found)
        elif staged.outcome is Outcome.IGNORED:
            self._skip(found)
        else:
            yield Ready(found.without_content(), staged)

    def _touch(self, found: Found) -> None:
        """The Hub holds this content: to be written down, unless a commit that is still under way may replace it."""
        if not self._may_yet_differ(found):
            self._recorder.touch(found)

    def _may_yet_differ(self, origin: Found | Lost) -> bool:
        """Whether a commit of this path may land yet; then the path was given back until that is over."""
        known = self._ledger.files.known(origin.target.root, origin.waiting.path)
        if not self._unclear or known is None or known.digest is not None:
            return False
        origin.target.settler.put_back(origin.waiting, max(self._unclear.values()))
        return True

    def _skip(self, found: Found) -> None:
        self._recorder.account_for(found.target, found.waiting.path)
        found.target.journal.tell("warning", "path.skipped", found.waiting.path, IGNORED_REASON)
        self._ledger.quarantine.set_aside(
            found.target.root, found.waiting.path, found.snapshot.fingerprint, IGNORED_REASON
        )
        self._observe(Skipped(found.target.spec.name, found.waiting.path, found.repo_path, "ignored"))

    def _set_aside(self, found: Found, reason: str) -> None:
        self._setbacks.set_aside(found.target, found.waiting.path, found.snapshot.fingerprint, reason)

    def deletes(self, lost: Sequence[Lost]) -> list[Ready]:
        """The deletes that may be sent: below a root that stands, of what we put there, and is there still."""
        kept = [each for each in lost if self._may_delete(each)]
        if not kept:
            return []
        remote = self._remote({place for each in kept for place in (each.repo_path, *each.former)})
        ready = []
        for each in kept:
            ours = self._ours(each, (each.repo_path, *each.former), remote)
            if ours:
                ready.append(Ready(each, Delete(ours[0]), ours[1:]))
            else:
                self._leave(each, is_there=each.repo_path in remote)
        return ready

    def clear(self, ready: Sequence[Ready]) -> list[Ready]:
        """The same, without what was withdrawn, and each file's former places emptied by the commit that moves it."""
        meant = [each for each in ready if isinstance(each.origin, Lost) or not self._claims.is_withdrawn(each.origin)]
        remote = self._remote(
            {place for each in meant if isinstance(each.origin, Found) for place in each.origin.former}
        )
        cleared: list[Ready] = []
        for each in meant:
            cleared.extend(self._cleared(each, each.origin, remote) if isinstance(each.origin, Found) else [each])
        return cleared

    def _cleared(self, ready: Ready, found: Found, remote: dict[str, RemoteFile]) -> Iterable[Ready]:
        ours = self._ours(found, found.former, remote)
        if not isinstance(ready.operation, Staged) or ready.operation.outcome is not Outcome.UNCHANGED:
            yield replace(ready, clears=ours)
        elif ours:
            yield Ready(found, Delete(ours[0]), ours[1:])
        else:
            self._touch(found)

    def _remote(self, places: Collection[str]) -> dict[str, RemoteFile]:
        return {file.repo_path: file for file in self._hub.paths_info(sorted(places))} if places else {}

    def _ours(self, origin: Found | Lost, places: Sequence[str], remote: dict[str, RemoteFile]) -> tuple[str, ...]:
        """The places of a file that hold what we put there and belong to no other file; taken out of `remote`."""
        digests = list(self._put_there(origin))
        ours = []
        for place in places:
            file = remote.get(place)
            if file is None or not any(file.holds(digest) for digest in digests):
                continue
            if not self._claims.rivals(origin.target, origin.waiting.path, place):
                ours.append(place)
                del remote[place]  # a second file that was there, too, has nothing to remove any more
        return tuple(ours)

    def _put_there(self, origin: Found | Lost) -> Iterable[Digest]:
        known = self._ledger.files.known(origin.target.root, origin.waiting.path)
        if known is not None and known.digest is not None:
            yield known.digest
        yield from self._ledger.files.candidates(origin.target.root, origin.waiting.path)

    def _leave(self, lost: Lost, *, is_there: bool) -> None:
        if self._may_yet_differ(lost):
            return
        if is_there:
            lost.target.journal.tell(
                "warning", "path.kept", lost.waiting.path, "what the Hub holds there is not what was published"
            )
        self._recorder.forget(lost.target, lost.waiting.path)

    def _may_delete(self, lost: Lost) -> bool:
        try:
            held = lost.target.deletions_held()
        except SourceError as error:
            held = str(error)
        if held is None:
            is_gone = lost.target.disk.is_gone(lost.waiting.path)
            is_gone = is_gone and lost.target.wanted.reaches(lost.waiting.path)  # an ignore file may hide it by now
            return is_gone and not self._placement.handed_over(lost.target, lost.waiting.path, lost.repo_path)
        lost.target.journal.tell("warning", "delete.held", lost.waiting.path, held)
        return False

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
        self._parent = head if self._unclear else None

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

    def suspect(self, batch_ids: Iterable[str]) -> None:
        """Batches that were intended and never answered."""
        until = self._clock() + STILL_LANDS_S
        for batch_id in batch_ids:
            self._unclear.setdefault(batch_id, until)

    def put(self, ready: Sequence[Ready]) -> None:
        """Take the operations of the next commit in hand, uploads before deletes; those of `ALONE` go after it."""
        ordered = sorted(ready, key=lambda each: isinstance(each.operation, Delete))
        alone = [each for each in ordered if _goes_alone(each)]
        others = [each for each in ordered if not _goes_alone(each)]
        self._in_hand.extend(self._parcel(part) for part in (alone, others) if part)

    def commit(self) -> Receipt | None:
        """Commit what is in hand, one batch, and record what the Hub answered; None when no commit was made of it.

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
            receipt = self._hub.commit(batch, self._parent)
        except (RejectedError, TooLargeError) as error:
            self._part(parcel, str(error))
            return None
        except (RetryableError, MovedError):
            self._keep(parcel)
            raise
        except AmbiguousError:
            self.suspect([parcel.id])
            self._give_back(parcel)
            raise
        except HubError:
            self._ledger.batches.dropped(parcel.id)
            self._give_back(parcel)
            raise
        self._record(parcel, receipt, began)
        return receipt

    def _still_meant(self, parcel: Parcel) -> Parcel:
        """Without the deletes that are not due any more: what waits in hand may wait for long."""
        meant = [each for each in parcel.ready if isinstance(each.origin, Found) or self._may_delete(each.origin)]
        return Parcel(parcel.id, tuple(meant))

    def _parcel(self, ready: Sequence[Ready]) -> Parcel:
        return Parcel(uuid.uuid4().hex, tuple(ready))

    def _intend(self, parcel: Parcel) -> None:
        first = parcel.ready[0].origin.target.root
        self._ledger.batches.intend(
            parcel.id, first.destination_id, [_intended(each) for each in parcel.ready], parcel.size_bytes
        )

    def _keep(self, parcel: Parcel) -> None:
        """What is sent with a parent is a repeat: it is prepared anew, for the Hub may hold some of it by now."""
        if self._parent is None:
            self._in_hand.append(parcel)
        else:
            self._ledger.batches.dropped(parcel.id)
            self._give_back(parcel)

    def _part(self, parcel: Parcel, reason: str) -> None:
        self._ledger.batches.dropped(parcel.id)
        units = list(_units(parcel.ready).values())
        if len(units) > 1:
            for half in plan.halves(units):
                self._in_hand.append(self._parcel([each for unit in half for each in unit]))
            return
        if len(parcel.ready) > 1:
            reason = f"its directory goes in one commit, which the Hub refused: {reason}"
        for each in parcel.ready:
            self._refuse(each.origin, reason)

    def _refuse(self, origin: Found | Lost, reason: str) -> None:
        if isinstance(origin, Found):
            self._set_aside(origin, reason)
        else:
            self._setbacks.set_aside(origin.target, origin.waiting.path, None, reason)

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
        self._unclear, self._overtaken, self._parent = {}, {}, None

    def _give_back(self, parcel: Parcel) -> None:
        now = self._clock()
        for each in parcel.ready:
            each.origin.target.settler.put_back(each.origin.waiting, now)

    def _record(self, parcel: Parcel, receipt: Receipt, began: float) -> None:
        for each in parcel.ready:
            if isinstance(each.origin, Found):
                self._recorder.look_again_if_racy(each.origin)
        for target in {id(each.origin.target): each.origin.target for each in parcel.ready}.values():
            mine = [each.origin for each in parcel.ready if each.origin.target is target]
            self._recorder.record(
                target,
                [origin for origin in mine if isinstance(origin, Found)],
                [origin.waiting.path for origin in mine if isinstance(origin, Lost)],
                receipt,
            )
        root = parcel.ready[0].origin.target.root
        self._ledger.batches.recorded(parcel.id, root, receipt.commit, receipt.head)
        self._overtaken |= self._unclear
        self._unclear, self._parent = {}, None
        self.files += len(parcel.ready)
        self.size_bytes += parcel.size_bytes
        duration_s = self._clock() - began
        self._observe(_published(parcel, receipt, began, duration_s))
        log.info(
            "commit.recorded", target=",".join(sorted({each.origin.target.spec.name for each in parcel.ready})),
            files=len(parcel.ready), bytes=parcel.size_bytes, duration_s=round(duration_s, 3),
            commit=receipt.commit, url=receipt.url,
        )  # fmt: skip


def _goes_alone(ready: Ready) -> bool:
    return any(operation.repo_path in ALONE for operation in ready.operations)


def _units(ready: Sequence[Ready]) -> dict[tuple[int, str], list[Ready]]:
    """What must not be parted: the files of a group; any other file is alone."""
    units: dict[tuple[int, str], list[Ready]] = {}
    for each in ready:
        target, path = each.origin.target, each.origin.waiting.path
        units.setdefault((target.root.id, target.group_of(path) or path), []).append(each)
    return units


def _intended(ready: Ready) -> Intended:
    origin = ready.origin
    digest = origin.snapshot.digest if isinstance(origin, Found) else None
    return Intended(origin.target.root, origin.waiting.path, origin.repo_path, digest, origin.generation)


def _published(parcel: Parcel, receipt: Receipt, began: float, duration_s: float) -> Published:
    destination = str(parcel.ready[0].origin.target.destination)
    deliveries = tuple(_delivery(each, began, began + duration_s) for each in parcel.ready)
    return Published(destination, receipt.commit, parcel.size_bytes, duration_s, deliveries)


def _delivery(ready: Ready, sent: float, shown: float) -> Delivery:
    waiting, operation = ready.origin.waiting, ready.operation
    return Delivery(
        target=ready.origin.target.spec.name,
        path=waiting.path,
        repo_path=operation.repo_path,
        size_bytes=operation.size_bytes if isinstance(operation, Staged) else 0,
        is_delete=isinstance(operation, Delete),
        settle_s=max(0.0, waiting.settled_since - waiting.since),
        queue_s=max(0.0, sent - waiting.settled_since),
        visible_s=max(0.0, shown - waiting.changed),
    )
