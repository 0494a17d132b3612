"""From a due path to what is to be done about it: look at the file, compare it with the ledger, read what differs."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hf_watch import plan, relocation, scan
from hf_watch.capacity import Capacity
from hf_watch.claims import Claim, Claims, beats, reason
from hf_watch.credentials import LOAD_S, SCANNED_BYTES
from hf_watch.errors import NotSettledError, SourceError
from hf_watch.findings import Found, Leaving, Lost
from hf_watch.mapping import Content, Unpublishable
from hf_watch.measured import SetAside, Skipped
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import printable
from hf_watch.receipts import FileReceipt
from hf_watch.right_of_way import TAKEN_REASON, RightOfWay, Way
from hf_watch.second_look import SecondLook
from hf_watch.settle import may_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.after_upload import AfterUpload
    from hf_watch.allotment import Allotment
    from hf_watch.credentials import Credentials
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.measured import Observe
    from hf_watch.model import Fingerprint, Known, Receipt, Snapshot
    from hf_watch.pulse import Pulse
    from hf_watch.receipts import ReceiptBook
    from hf_watch.settle import Waiting
    from hf_watch.target import Target

IGNORED_REASON = "the repo's own .gitignore matches it"
SLOWEST_READ_BYTES_PER_S = 1_000_000  # a slower file system is one that hangs
UNKNOWN_GENERATION = 0  # none of the ledger's; the next scan knows better
UNREADABLE_RETRY_S = 60.0  # a file that may not be read is tried again this often, and at once when it is touched
SAME_AGAIN_S = 1.0  # of two files with one content and one repo path, the second goes after the first


class Snapshots:
    """Looks at the due paths of one destination's targets, on its worker's thread.

    What needs no commit, a touched file or one that was forgotten, waits in `flush` for one transaction. `gave_up`
    holds what a single pass could not wait for.
    """

    def __init__(
        self,
        ledger: Ledger,
        targets: Sequence[Target],
        *,
        allotment: Allotment,
        clock: Callable[[], float],
        wall_clock_ns: Callable[[], int],
        pulse: Pulse,
        after_upload: AfterUpload,
        receipts: ReceiptBook,
        credentials: Credentials,
        capacity: Capacity | None = None,
        single_pass: bool,
        observe: Observe,
    ) -> None:
        self.gave_up: dict[str, str] = {}
        self.accounted: set[tuple[int, str]] = set()  # by root: what the Hub holds, or is not to; for whole groups
        self._ledger = ledger
        self._targets = targets
        self._allotment = allotment
        self._clock = clock
        self._wall_clock_ns = wall_clock_ns
        self._pulse = pulse
        self._after_upload = after_upload
        self._receipts = receipts
        self._credentials = credentials
        self._single_pass = single_pass
        self._right_of_way = RightOfWay(ledger, clock)
        self._observe = observe
        self.second_look = SecondLook(ledger, after_upload, clock, wall_clock_ns)
        self.claims = Claims(ledger, targets)
        self.capacity = Capacity(ledger) if capacity is None else capacity
        self._touched: dict[int, list[Found]] = {}
        self._held: dict[int, list[Found]] = {}  # those of them that the ledger had not known
        self._forgotten: dict[int, list[str]] = {}

    def take(self, target: Target, waiting: Waiting, held: ExitStack) -> Found | Lost | None:
        """What is to be done about a due path, or None: nothing, or it was given back to settle.

        The descriptor of a large file is closed with `held`.
        """
        self._pulse.beat()
        try:
            return self._look(target, waiting, held)
        except NotSettledError:
            target.settler.look_again(waiting, self._clock(), None)
        except SourceError as error:
            self.give_up_reading(target, waiting, str(error))
        return None

    def begin(self) -> None:
        """A commit is being gathered."""
        self.claims.begin()
        self.capacity.begin()

    def rest(self) -> None:
        """Give back what is only needed while files come."""
        self._credentials.rest()

    def let_go(self) -> None:
        """Forget what waits to be written down: the ledger cannot be written, and it is found out again."""
        self._touched.clear()
        self._held.clear()
        self._forgotten.clear()
        self._after_upload.let_go()
        self.second_look.let_go()

    def flush(self) -> None:
        """Write down what needed no commit."""
        self._right_of_way.ask()
        for index in self._touched.keys() | self._forgotten.keys():
            target, touched = self._targets[index], self._touched.pop(index, [])
            self._receive(target, self._held.pop(index, []), None)
            self._ledger.files.record(
                target.root, [found.recorded for found in touched], self._forgotten.pop(index, [])
            )
            self._after_upload.published(touched)

    def record(self, target: Target, published: Sequence[Found], lost: Iterable[str], receipt: Receipt) -> None:
        """The Hub holds what was `published`, and nothing any more at the `lost` paths: write it down, for good."""
        self._receive(target, published, receipt)
        self._ledger.files.record(target.root, [found.recorded for found in published], lost)
        self._after_upload.published(published)

    def _receive(self, target: Target, published: Sequence[Found], receipt: Receipt | None) -> None:
        """Keep a receipt of each file; before the ledger vouches for it, so that none is ever missing."""
        if published:
            self._receipts.note(target.spec.receipts, [self._file_receipt(found, receipt) for found in published])

    def _file_receipt(self, found: Found, receipt: Receipt | None) -> FileReceipt:
        at = datetime.fromtimestamp(self._wall_clock_ns() / 1e9, UTC)
        return FileReceipt(
            target=found.target.spec.name,
            path=os.path.join(found.target.path, found.waiting.path),  # noqa: PTH118  the name need not be UTF-8
            sha256=found.snapshot.digest.sha256.hex(),
            size_bytes=found.snapshot.fingerprint.size_bytes,
            repo=str(found.target.destination),
            repo_path=found.repo_path,
            commit=receipt.commit if receipt is not None else None,
            url=receipt.url if receipt is not None else None,
            at=at.isoformat(timespec="milliseconds"),
        )

    def size_of(self, target: Target, waiting: Waiting) -> int:
        """How large the file at a due path is, as far as a look without opening it tells."""
        return scan.size_bytes(target.path, waiting.path)

    def _look(self, target: Target, waiting: Waiting, held: ExitStack) -> Found | Lost | None:
        if not target.wanted.reaches(waiting.path):
            return None  # an ignore file hides it by now; what the Hub holds of it stays
        known = self._ledger.files.known(target.root, waiting.path)
        with ExitStack() as own:
            fd = own.enter_context(scan.opened(target.path, waiting.path))
            if fd is None:
                return self._gone(target, waiting, known)
            found = self._read(target, waiting, known, fd)
            if found is not None and found.fd is not None:
                held.push(own.pop_all())
            return found

    def _read(self, target: Target, waiting: Waiting, known: Known | None, fd: int) -> Found | None:
        before = scan.fingerprint(fd)
        if known is not None and plan.unchanged(before, known):
            self.accounted.add((target.root.id, waiting.path))
            self._leave(target, waiting, known)
            return None
        if target.spec.sizes.why_not(before.size_bytes) is not None or self._is_set_aside(target, waiting, before):
            return None
        if target.spec.mapping.is_fixed and self._place(target, waiting, before, None) is None:
            return None
        self._pulse.beat("reading a file", before.size_bytes / SLOWEST_READ_BYTES_PER_S)
        open_allowed = target.spec.publish_open and target.settler.overdue(waiting, self._clock())
        if not open_allowed and self._is_busy(target, waiting, fd, before):
            return None
        if (known is None or known.digest is None) and not self._has_way(target, waiting, before):
            return None
        snapshot = scan.read(
            fd,
            waiting.path,
            before,
            self._allotment.share.inline_bytes,
            open_allowed=open_allowed,
            wall_clock_ns=self._wall_clock_ns,
        )
        return self._found(target, waiting, known, snapshot, fd)

    def _found(
        self, target: Target, waiting: Waiting, known: Known | None, snapshot: Snapshot, fd: int
    ) -> Found | None:
        in_repo = self._place(target, waiting, snapshot.fingerprint, snapshot)
        if in_repo is None:
            return None
        held_fd = fd if snapshot.content is None else None
        generation = target.generation_at(waiting.path) or UNKNOWN_GENERATION
        found = Found(target, waiting, in_repo, snapshot, known, generation, held_fd)
        if plan.same_content(snapshot, known):
            self.touch(found, is_new=False)
            return None
        if self._holds_credential(found, fd) or self._exceeds(found):
            return None
        return self._claimed(replace(found, former=self._former(target, waiting.path, known, in_repo)))

    def _exceeds(self, found: Found) -> bool:
        """Whether the file is set aside because the Hub takes no more."""
        why_not = self.capacity.why_not(found)
        if why_not is not None:
            self.set_aside(found.target, found.waiting.path, found.snapshot.fingerprint, why_not)
        return why_not is not None

    def _holds_credential(self, found: Found, fd: int) -> bool:
        """Whether the file is set aside because of a credential in it; the rule is named, never what it found."""
        target, path = found.target, found.waiting.path
        if target.spec.secrets == "off" or target.spec.secrets_allow.takes(path):
            return False
        self._pulse.beat("looking for credentials", LOAD_S)
        content = found.snapshot.content
        rule = self._credentials.rule(os.pread(fd, SCANNED_BYTES, 0) if content is None else content)
        if rule is None:
            return False
        if target.spec.secrets == "warn":
            target.journal.tell("warning", "path.suspected", path, f"it seems to hold a credential: {rule}")
            return False
        said = f"it seems to hold a credential: {rule}; take it out, or name the file in secrets_allow"
        self.set_aside(target, path, found.snapshot.fingerprint, said)
        return True

    def _leave(self, target: Target, waiting: Waiting, known: Known) -> None:
        """A file that the Hub holds was found once more; where published files leave, its turn has come."""
        if target.spec.puts_away and known.fingerprint is not None and known.digest is not None:
            self._after_upload.add(
                Leaving(target, waiting.path, known.repo_path, known.fingerprint, known.digest, known.generation)
            )

    def _is_set_aside(self, target: Target, waiting: Waiting, before: Fingerprint) -> bool:
        aside = self._ledger.quarantine.held_aside(target.root, waiting.path, before)
        if aside is None:
            return False
        if aside.repo_path is not None:
            claim = Claim(target, waiting.path, before, None)
            if beats(claim, self.claims.rivals(target, waiting.path, aside.repo_path)):
                return False
        if aside.reason != IGNORED_REASON and self._single_pass:
            target.journal.tell("error", "path.quarantined", waiting.path, aside.reason)
            self._give_up(target, waiting.path, aside.reason)
        if aside.repo_path is None and aside.reason != IGNORED_REASON:
            self._moved_aside(target, waiting.path, before, aside.reason)  # a process was killed before it could
        return True

    def _place(self, target: Target, waiting: Waiting, looked: Fingerprint, snapshot: Snapshot | None) -> str | None:
        """The path in the repo; None when there cannot be one, and the file was set aside.

        What a template says of a content is not said anew when that content is read again.
        """
        mapping, path = target.spec.mapping, waiting.path
        try:
            if snapshot is None or mapping.is_fixed:
                return mapping.repo_path(path)
            sha256 = snapshot.digest.sha256
            place = self._ledger.files.place_of(target.root, path, sha256)
            return place or mapping.repo_path(path, Content(sha256.hex(), looked.mtime_ns, self._wall_clock_ns()))
        except Unpublishable as error:
            self.set_aside(target, path, looked, str(error))
            return None

    def _former(self, target: Target, path: str, known: Known | None, in_repo: str) -> tuple[str, ...]:
        """The repo paths that the file leaves; their content goes with it where deletes are mirrored."""
        if known is None or not target.root.is_mapped:
            return ()
        if known.repo_path != in_repo:
            self.handed_over(target, path, known.repo_path)
        places = dict.fromkeys([known.repo_path, *self._ledger.files.places(target.root, path)])
        return tuple(place for place in places if place != in_repo) if target.spec.on_delete == "mirror" else ()

    def _claimed(self, found: Found) -> Found | None:
        """The file itself when its repo path is its own; otherwise it, or what it clashes with, is set aside."""
        target, path, in_repo = found.target, found.waiting.path, found.repo_path
        claim = Claim(target, path, found.snapshot.fingerprint, found.snapshot.digest.sha256)
        going = self.claims.gathered(in_repo)
        if going is not None and going.sha256 == claim.sha256:
            target.settler.put_back(found.waiting, self._clock() + SAME_AGAIN_S)
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
        self.gave_up.pop(claim.place, None)
        return found

    def _yield(self, rival: Claim, claim: Claim, in_repo: str) -> None:
        """Set a file aside whose repo path another one has as well, and let nothing vouch for it there."""
        self.claims.withdraw(rival)
        self._ledger.files.doubt(rival.target.root, rival.path)
        self._set_aside_at(rival, [claim], in_repo)

    def _set_aside_at(self, claim: Claim, rivals: Sequence[Claim], in_repo: str) -> None:
        self.set_aside(claim.target, claim.path, claim.fingerprint, reason(claim, rivals, in_repo), in_repo)

    def _has_way(self, target: Target, waiting: Waiting, before: Fingerprint) -> bool:
        """Whether nothing else stands at its path on the Hub; otherwise it was given back, or set aside."""
        way = self._right_of_way.of(target, waiting.path)
        if way is Way.CLEARING:
            target.settler.look_again(waiting, self._clock(), before)
        elif way is Way.TAKEN:
            self.set_aside(target, waiting.path, before, TAKEN_REASON)
        return way is Way.FREE

    def touch(self, found: Found, *, is_new: bool = True) -> None:
        """The Hub holds this content already: only to be written down, with a receipt if the ledger did not know."""
        self.look_again_if_racy(found)
        index, found = self._targets.index(found.target), found.without_content()
        self.accounted.add((found.target.root.id, found.waiting.path))
        self._touched.setdefault(index, []).append(found)
        self._observe(Skipped(found.target.spec.name, found.waiting.path, found.repo_path, "unchanged"))
        if is_new:
            self._held.setdefault(index, []).append(found)

    def look_again_if_racy(self, found: Found) -> None:
        """A file stamped within a tick of its snapshot may have changed since without its times telling."""
        if found.is_racy:
            self.second_look.add(found)

    def forget(self, lost: Lost) -> None:
        """The Hub holds nothing of ours at this path any more."""
        self._forget(lost.target, lost.waiting.path)

    def set_aside(
        self, target: Target, path: str, fingerprint: Fingerprint | None, reason: str, in_repo: str | None = None
    ) -> None:
        """Put a file that cannot be published in quarantine, and say so; `in_repo`: where it clashes."""
        target.journal.tell("error", "path.quarantined", path, reason)
        self._observe(SetAside(target.spec.name, path, reason))
        if in_repo is not None or not self._moved_aside(target, path, fingerprint, reason):
            self._ledger.quarantine.set_aside(target.root, path, fingerprint, reason, in_repo)
        if self._single_pass:
            self._give_up(target, path, reason)

    def is_through_with(self, target: Target, waiting: Waiting, reason: str) -> bool:
        """Whether a single pass has waited long enough for this; then it was said."""
        is_over = self._single_pass and target.settler.overdue(waiting, self._clock())
        if is_over:
            self._give_up(target, waiting.path, reason)
        return is_over

    def give_up(self, target: Target, path: str, reason: str) -> None:
        """In a single pass, which does not wait: say that it could not be published."""
        if self._single_pass:
            self._give_up(target, path, reason)

    def _moved_aside(self, target: Target, path: str, fingerprint: Fingerprint | None, reason: str) -> bool:
        """Move it to the target's quarantine_dir, with its reason beside it; False when it stays.

        The ledger forgets it first: what is moved away is not deleted on the Hub, whatever was published of it before.
        """
        if not target.spec.quarantine_dir or fingerprint is None or target.spec.group != "none":
            return False
        place = relocation.free(os.path.join(target.spec.quarantine_dir, path))  # noqa: PTH118  as below
        said = {"path": printable(path), "target": target.spec.name, "reason": reason}
        try:
            relocation.write_text(f"{place}.reason.json", json.dumps(said, indent=2) + "\n")
            self._ledger.files.record(target.root, (), [path])
            return relocation.move(target.path, path, fingerprint, place) is not None
        except SourceError as error:
            target.journal.tell("warning", "path.stays", path, str(error))
            return False

    def _forget(self, target: Target, path: str) -> None:
        self._forgotten.setdefault(self._targets.index(target), []).append(path)

    def _gone(self, target: Target, waiting: Waiting, known: Known | None) -> Lost | None:
        path = waiting.path
        if not scan.file_is_gone(target.path, path):
            return None
        aside = self._ledger.quarantine.aside(target.root, path)
        if aside is not None and aside.repo_path is not None:
            self.handed_over(target, path, aside.repo_path)
        if known is None:
            if aside is not None:
                self._forget(target, path)
            return None
        if self.handed_over(target, path, known.repo_path):
            self._forget(target, path)
            return None
        if target.spec.on_delete == "keep" and not self._right_of_way.must_leave(target, path):
            if not self._right_of_way.stays_known(target, path):
                self._forget(target, path)
            return None
        if known.generation != target.generation_at(path):
            return None  # it was last seen in another directory that stood there, or on what was mounted there
        former = tuple(place for place in self._ledger.files.places(target.root, path) if place != known.repo_path)
        return Lost(target, waiting, known.repo_path, known.generation, former)

    def _is_busy(self, target: Target, waiting: Waiting, fd: int, looked: Fingerprint) -> bool:
        """Whether somebody may still be writing; then the path was given back, or given up in a single pass."""
        if may_read(waiting, scan.writers(fd), looked):
            return False
        now = self._clock()
        overdue = target.settler.overdue(waiting, now)
        if overdue and not waiting.named:
            target.journal.tell(
                "warning", "path.busy", waiting.path, "open for writing", duration_s=round(now - waiting.since, 1)
            )
        if overdue and self._single_pass:
            self._give_up(target, waiting.path, "open for writing")
        else:
            target.settler.look_again(replace(waiting, named=waiting.named or overdue), now, looked)
        return True

    def _give_up(self, target: Target, path: str, reason: str) -> None:
        self.gave_up[os.path.join(target.path, path)] = reason  # noqa: PTH118  the name need not be UTF-8

    def give_up_reading(self, target: Target, waiting: Waiting, reason: str) -> None:
        """Say that a file cannot be read, and try it again later."""
        if not waiting.named:
            target.journal.tell("warning", "path.unreadable", waiting.path, reason)
        if self._single_pass:
            self._give_up(target, waiting.path, reason)
        else:
            again = replace(waiting, named=True, settled=waiting.settled_since)
            target.settler.put_off(again, self._clock() + UNREADABLE_RETRY_S)

    def handed_over(self, target: Target, path: str, in_repo: str) -> bool:
        """Whether other files have the repo path that this one leaves; they are looked at anew then."""
        rivals = self.claims.rivals(target, path, in_repo)
        for rival in rivals:
            if rival.sha256 is None:  # else the Hub is known to hold it
                self._ledger.quarantine.release(rival.target.root, [rival.path])
                rival.target.settler.note(Change(rival.path, ChangeKind.FOUND, self._clock()))
        return bool(rivals)
