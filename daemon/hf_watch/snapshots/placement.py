"""Where a file goes in its repo, and whether that place is its own, free, and left by nobody else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hf_watch.model import Change, ChangeKind
from hf_watch.rules.mapping import Content, Unpublishable
from hf_watch.snapshots.claims import Claim, beats, reason
from hf_watch.snapshots.right_of_way import TAKEN_REASON, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Fingerprint, Snapshot
    from hf_watch.rules.settle import Waiting
    from hf_watch.snapshots.claims import Claims
    from hf_watch.snapshots.right_of_way import RightOfWay
    from hf_watch.snapshots.setbacks import Setbacks
    from hf_watch.targets.findings import Found
    from hf_watch.targets.target import Target

SAME_AGAIN_S = 1.0  # of two files with one content and one repo path, the second goes after the first


@dataclass(frozen=True, slots=True)
class Placement:
    """For one destination, on its worker's thread."""

    ledger: Ledger
    claims: Claims
    right_of_way: RightOfWay
    setbacks: Setbacks
    clock: Callable[[], float]
    wall_clock_ns: Callable[[], int]

    def begin(self) -> None:
        """A commit is being gathered."""
        self.claims.begin()

    def place(self, target: Target, path: str, looked: Fingerprint, snapshot: Snapshot | None) -> str | None:
        """The path in the repo; None when there cannot be one, and the file was set aside.

        What a template says of a content is not said anew when that content is read again.
        """
        mapping = target.spec.mapping
        try:
            if snapshot is None or mapping.is_fixed:
                return mapping.repo_path(path)
            sha256 = snapshot.digest.sha256
            place = self.ledger.files.place_of(target.root, path, sha256)
            return place or mapping.repo_path(path, Content(sha256.hex(), looked.mtime_ns, self.wall_clock_ns()))
        except Unpublishable as error:
            self.setbacks.set_aside(target, path, looked, str(error))
            return None

    def with_former(self, found: Found) -> Found:
        """The same with the repo paths that it leaves; their content goes with it where deletes are mirrored."""
        target, path, known = found.target, found.waiting.path, found.known
        if known is None or not target.root.is_mapped:
            return found
        if known.repo_path != found.repo_path:
            self.handed_over(target, path, known.repo_path)
        if target.spec.on_delete != "mirror":
            return found
        places = dict.fromkeys([known.repo_path, *self.ledger.files.places(target.root, path)])
        return replace(found, former=tuple(place for place in places if place != found.repo_path))

    def claimed(self, found: Found) -> Found | None:
        """The file itself when its repo path is its own; otherwise it, or what it clashes with, is set aside."""
        target, path, in_repo = found.target, found.waiting.path, found.repo_path
        claim = Claim(target, path, found.snapshot.fingerprint, found.snapshot.digest.sha256)
        going = self.claims.gathered(in_repo)
        if going is not None and going.sha256 == claim.sha256:
            target.settler.put_back(found.waiting, self.clock() + SAME_AGAIN_S)
            return None
        rivals = [each for each in self.claims.rivals(target, path, in_repo) if each.sha256 != claim.sha256]
        if not beats(claim, rivals):
            self._set_aside_at(claim, rivals, in_repo)
            if going is not None and not beats(going, [claim]):
                self._yield(going, claim, in_repo)
            return None
        for rival in rivals:
            self._yield(rival, claim, in_repo)
        self.claims.take(claim, in_repo)
        self.setbacks.take_up(target, path)
        return found

    def wins_back(self, target: Target, path: str, looked: Fingerprint, in_repo: str) -> bool:
        """Whether a file that was set aside for a clash at `in_repo` has that place to itself by now."""
        return beats(Claim(target, path, looked, None), self.claims.rivals(target, path, in_repo))

    def handed_over(self, target: Target, path: str, in_repo: str) -> bool:
        """Whether other files have the repo path that this one leaves; they are looked at anew then."""
        rivals = self.claims.rivals(target, path, in_repo)
        for rival in rivals:
            if rival.sha256 is None:  # else the Hub is known to hold it
                self.ledger.quarantine.release(rival.target.root, [rival.path])
                rival.target.settler.note(Change(rival.path, ChangeKind.FOUND, self.clock()))
        return bool(rivals)

    def has_way(self, target: Target, waiting: Waiting, before: Fingerprint) -> bool:
        """Whether nothing else stands at its path on the Hub; otherwise it was given back, or set aside."""
        way = self.right_of_way.of(target, waiting.path)
        if way is Way.CLEARING:
            target.settler.look_again(waiting, self.clock(), before)
        elif way is Way.TAKEN:
            self.setbacks.set_aside(target, waiting.path, before, TAKEN_REASON)
        return way is Way.FREE

    def _yield(self, rival: Claim, claim: Claim, in_repo: str) -> None:
        """Set a file aside whose repo path another one has as well, and let nothing vouch for it there."""
        self.claims.withdraw(rival)
        self.ledger.files.doubt(rival.target.root, rival.path)
        self._set_aside_at(rival, [claim], in_repo)

    def _set_aside_at(self, claim: Claim, rivals: Sequence[Claim], in_repo: str) -> None:
        said = reason(claim, rivals, in_repo)
        self.setbacks.set_aside(claim.target, claim.path, claim.fingerprint, said, in_repo)
