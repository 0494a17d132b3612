"""What is to go from the Hub: files that are gone here, and the former places of those that moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hf_watch.errors import SourceError
from hf_watch.model import Delete, Outcome, Staged
from hf_watch.publish.parcel import Ready
from hf_watch.targets.findings import Found, Lost

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Digest, RemoteFile
    from hf_watch.ports import Hub
    from hf_watch.publish.unanswered import Unanswered
    from hf_watch.snapshots.claims import Claims
    from hf_watch.snapshots.placement import Placement
    from hf_watch.snapshots.recording import Recorder


@dataclass(frozen=True, slots=True)
class Clearer:
    """For one destination, on its worker's thread. Only what we put somewhere is ever deleted there."""

    hub: Hub
    ledger: Ledger
    recorder: Recorder
    placement: Placement
    claims: Claims
    unanswered: Unanswered

    def deletes(self, lost: Sequence[Lost]) -> list[Ready]:
        """The deletes that may be sent: below a root that stands, of what we put there, and is there still."""
        kept = [each for each in lost if self.may_delete(each)]
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
        meant = [each for each in ready if isinstance(each.origin, Lost) or not self.claims.is_withdrawn(each.origin)]
        remote = self._remote(
            {place for each in meant if isinstance(each.origin, Found) for place in each.origin.former}
        )
        cleared: list[Ready] = []
        for each in meant:
            cleared.extend(self._cleared(each, each.origin, remote) if isinstance(each.origin, Found) else [each])
        return cleared

    def still_ours(self, ready: Sequence[Ready]) -> list[Ready]:
        """The same, asked anew, without deletes of what somebody else has put in the place of ours meanwhile."""
        remote = self._remote({place for each in ready for place in _emptied(each)})
        kept = [left for each in ready for left in self._still_ours(each, remote)]
        self.recorder.flush()
        return kept

    def _still_ours(self, ready: Ready, remote: dict[str, RemoteFile]) -> Iterable[Ready]:
        ours = self._ours(ready.origin, _emptied(ready), remote)
        if isinstance(ready.operation, Staged):
            yield replace(ready, clears=ours)
        elif ours:
            yield replace(ready, operation=Delete(ours[0]), clears=ours[1:])
        elif isinstance(ready.origin, Lost):
            self._leave(ready.origin, is_there=ready.operation.repo_path in remote)
        elif not self.unanswered.may_yet_differ(ready.origin):
            self.recorder.touch(ready.origin)

    def may_delete(self, lost: Lost) -> bool:
        """Whether the file is gone still, below the root it was in, and its place is left to nobody else."""
        target, path = lost.target, lost.waiting.path
        try:
            held = target.deletions_held()
        except SourceError as error:
            held = str(error)
        if held is None and target.generation_at(path) != lost.generation:
            held = "another directory, or what is mounted there, has taken the place of the one it was in"
        if held is not None:
            target.journal.tell("warning", "delete.held", path, held)
            return False
        is_gone = target.disk.is_gone(path) and target.wanted.reaches(path)  # an ignore file may hide it by now
        return is_gone and not self.placement.handed_over(target, path, lost.repo_path)

    def _cleared(self, ready: Ready, found: Found, remote: dict[str, RemoteFile]) -> Iterable[Ready]:
        ours = self._ours(found, found.former, remote)
        if not isinstance(ready.operation, Staged) or ready.operation.outcome is not Outcome.UNCHANGED:
            yield replace(ready, clears=ours)
        elif ours:
            yield Ready(found, Delete(ours[0]), ours[1:])
        elif not self.unanswered.may_yet_differ(found):
            self.recorder.touch(found)

    def _remote(self, places: Collection[str]) -> dict[str, RemoteFile]:
        return {file.repo_path: file for file in self.hub.paths_info(sorted(places))} if places else {}

    def _ours(self, origin: Found | Lost, places: Sequence[str], remote: dict[str, RemoteFile]) -> tuple[str, ...]:
        """The places of a file that hold what we put there and belong to no other file; taken out of `remote`."""
        digests = list(self._put_there(origin))
        ours = []
        for place in places:
            file = remote.get(place)
            if file is None or not any(file.holds(digest) for digest in digests):
                continue
            if not self.claims.rivals(origin.target, origin.waiting.path, place):
                ours.append(place)
                del remote[place]  # a second file that was there, too, has nothing to remove any more
        return tuple(ours)

    def _put_there(self, origin: Found | Lost) -> Iterable[Digest]:
        known = self.ledger.files.known(origin.target.root, origin.waiting.path)
        if known is not None and known.digest is not None:
            yield known.digest
        yield from self.ledger.files.candidates(origin.target.root, origin.waiting.path)

    def _leave(self, lost: Lost, *, is_there: bool) -> None:
        if self.unanswered.may_yet_differ(lost):
            return
        if is_there:
            lost.target.journal.tell(
                "warning", "path.kept", lost.waiting.path, "what the Hub holds there is not what was published"
            )
        self.recorder.forget(lost.target, lost.waiting.path)


def _emptied(ready: Ready) -> tuple[str, ...]:
    return tuple(each.repo_path for each in ready.operations if isinstance(each, Delete))
