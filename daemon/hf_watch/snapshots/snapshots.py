"""A due path is looked at: what differs from the ledger is read once nobody writes to it, what is gone is told."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.disk import opening, reading
from hf_watch.errors import NotSettledError, SourceError
from hf_watch.rules import plan
from hf_watch.rules.settle import may_read
from hf_watch.targets.findings import Found, Leaving, Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.afterwards.after_upload import AfterUpload
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Fingerprint, Known, Snapshot
    from hf_watch.rules.settle import Waiting
    from hf_watch.snapshots.look_alikes import LookAlikes
    from hf_watch.snapshots.placement import Placement
    from hf_watch.snapshots.recording import Recorder
    from hf_watch.snapshots.right_of_way import RightOfWay
    from hf_watch.snapshots.screening import Screening
    from hf_watch.snapshots.setbacks import Setbacks
    from hf_watch.targets.target import Target
    from hf_watch.threads.allotment import Allotment
    from hf_watch.threads.pulse import Pulse

SLOWEST_READ_BYTES_PER_S = 1_000_000  # a slower file system is one that hangs
UNKNOWN_GENERATION = 0  # none of the ledger's; the next scan knows better


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Looks at the due paths of one destination's targets, on its worker's thread."""

    ledger: Ledger
    right_of_way: RightOfWay
    placement: Placement
    screening: Screening
    recorder: Recorder
    setbacks: Setbacks
    look_alikes: LookAlikes
    after_upload: AfterUpload
    allotment: Allotment
    pulse: Pulse
    clock: Callable[[], float]
    wall_clock_ns: Callable[[], int]

    def take(self, target: Target, waiting: Waiting, held: ExitStack) -> Found | Lost | None:
        """What is to be done about a due path, or None: nothing, or it was given back to settle.

        The descriptor of a large file is closed with `held`.
        """
        self.pulse.beat()
        try:
            return self._look(target, waiting, held)
        except NotSettledError:
            target.settler.look_again(waiting, self.clock(), None)
        except SourceError as error:
            self.setbacks.give_up_reading(target, waiting, str(error))
        return None

    def begin(self) -> None:
        """A commit is being gathered."""
        self.placement.begin()
        self.screening.begin()

    def flush(self) -> None:
        """A commit was gathered: write down what needed none."""
        self.right_of_way.ask()
        self.look_alikes.tell()
        self.recorder.flush()

    def rest(self) -> None:
        """Give back what is only needed while files come."""
        self.screening.rest()

    def size_of(self, target: Target, waiting: Waiting) -> int:
        """How large the file at a due path is, as far as a look without opening it tells."""
        return target.disk.size_bytes(waiting.path)

    def _look(self, target: Target, waiting: Waiting, held: ExitStack) -> Found | Lost | None:
        if not target.wanted.reaches(waiting.path):
            return None  # an ignore file hides it by now; what the Hub holds of it stays
        known = self.ledger.files.known(target.root, waiting.path)
        with ExitStack() as own:
            fd = own.enter_context(target.disk.opened(waiting.path))
            if fd is None:
                return self._gone(target, waiting, known)
            found = self._read(target, waiting, known, fd)
            if found is not None and found.fd is not None:
                held.push(own.pop_all())
            return found

    def _read(self, target: Target, waiting: Waiting, known: Known | None, fd: int) -> Found | None:
        before = opening.fingerprint(fd)
        if known is not None and plan.unchanged(before, known):
            self.recorder.account_for(target, waiting.path)
            self._leave(target, waiting, known)
            return None
        if not self._may_be_wanted(target, waiting, before) or self._is_early(target, waiting, before):
            return None
        self.pulse.beat("reading a file", before.size_bytes / SLOWEST_READ_BYTES_PER_S)
        open_allowed = target.spec.publish_open and target.settler.overdue(waiting, self.clock())
        if not open_allowed and not may_read(waiting, opening.writers(fd), before):
            self.setbacks.wait_for_writer(target, waiting, before)
            return None
        if (known is None or known.digest is None) and not self.placement.has_way(target, waiting, before):
            return None
        inline_bytes = self.allotment.share.inline_bytes
        snapshot = reading.read(
            fd, waiting.path, before, inline_bytes, open_allowed=open_allowed, wall_clock_ns=self.wall_clock_ns
        )
        return self._found(target, waiting, known, snapshot, fd)

    def _is_early(self, target: Target, waiting: Waiting, before: Fingerprint) -> bool:
        """Whether it was given back, since files of its size hold still for longer. A group was asked about as one."""
        return not waiting.is_group and target.settler.is_early(waiting, before.size_bytes, self.clock())

    def _may_be_wanted(self, target: Target, waiting: Waiting, before: Fingerprint) -> bool:
        """Whether nothing that is known without reading it keeps the file from being published."""
        if target.spec.sizes.why_not(before.size_bytes) is not None or self._is_set_aside(target, waiting, before):
            return False
        is_fixed = target.spec.mapping.is_fixed
        return not is_fixed or self.placement.place(target, waiting.path, before, None) is not None

    def _is_set_aside(self, target: Target, waiting: Waiting, before: Fingerprint) -> bool:
        aside = self.ledger.quarantine.held_aside(target.root, waiting.path, before)
        if aside is None:
            return False
        if aside.repo_path is not None and self.placement.wins_back(target, waiting.path, before, aside.repo_path):
            return False
        self.setbacks.stays_aside(target, aside)
        return True

    def _found(
        self, target: Target, waiting: Waiting, known: Known | None, snapshot: Snapshot, fd: int
    ) -> Found | None:
        in_repo = self.placement.place(target, waiting.path, snapshot.fingerprint, snapshot)
        if in_repo is None:
            return None
        held_fd = fd if snapshot.content is None else None
        generation = target.generation_at(waiting.path) or UNKNOWN_GENERATION
        found = Found(target, waiting, in_repo, snapshot, known, generation, held_fd)
        if plan.same_content(snapshot, known):
            self.recorder.touch(found, is_new=False)
            return None
        if not self.screening.passes(found, fd):
            return None
        if known is None:
            self.look_alikes.note(target, waiting.path)
        return self.placement.claimed(self.placement.with_former(found))

    def _leave(self, target: Target, waiting: Waiting, known: Known) -> None:
        """A file that the Hub holds was found once more; where published files leave, its turn has come."""
        if target.spec.puts_away and known.fingerprint is not None and known.digest is not None:
            self.after_upload.add(
                Leaving(target, waiting.path, known.repo_path, known.fingerprint, known.digest, known.generation)
            )

    def _gone(self, target: Target, waiting: Waiting, known: Known | None) -> Lost | None:
        path = waiting.path
        if not target.disk.is_gone(path):
            return None
        aside = self.ledger.quarantine.aside(target.root, path)
        if aside is not None and aside.repo_path is not None:
            self.placement.handed_over(target, path, aside.repo_path)
        if known is None:
            if aside is not None:
                self.recorder.forget(target, path)
            return None
        if self.placement.handed_over(target, path, known.repo_path):
            self.recorder.forget(target, path)
            return None
        return self._lost(target, waiting, known)

    def _lost(self, target: Target, waiting: Waiting, known: Known) -> Lost | None:
        """The delete that a file's loss asks for, if it asks for one."""
        path = waiting.path
        if target.spec.on_delete == "keep" and not self.right_of_way.must_leave(target, path):
            if not self.right_of_way.stays_known(target, path):
                self.recorder.forget(target, path)
            return None
        if known.generation != target.generation_at(path):
            return None  # it was last seen in another directory that stood there, or on what was mounted there
        places = self.ledger.files.places(target.root, path)
        former = tuple(place for place in places if place != known.repo_path)
        return Lost(target, waiting, known.repo_path, known.generation, former)
