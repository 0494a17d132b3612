"""From a due path to what is to be done about it: look at the file, compare it with the ledger, read what differs."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from hf_watch import plan, scan
from hf_watch.errors import NotSettledError, SourceError
from hf_watch.findings import Found, Lost
from hf_watch.mapping import Unpublishable, local_path, repo_path
from hf_watch.model import Change, ChangeKind
from hf_watch.second_look import SecondLook
from hf_watch.settle import may_read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.ledger import Ledger, Recorded
    from hf_watch.model import Fingerprint, Known
    from hf_watch.pulse import Pulse
    from hf_watch.settle import Waiting
    from hf_watch.target import Target

IGNORED_REASON = "the repo's own .gitignore matches it"
SLOWEST_READ_BYTES_PER_S = 1_000_000  # a slower file system is one that hangs
UNREADABLE_RETRY_S = 60.0  # a file that may not be read is tried again this often, and at once when it is touched


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
        inline_bytes: int,
        clock: Callable[[], float],
        wall_clock_ns: Callable[[], int],
        pulse: Pulse,
        single_pass: bool,
    ) -> None:
        self.gave_up: dict[str, str] = {}
        self._ledger = ledger
        self._targets = targets
        self._inline_bytes = inline_bytes
        self._clock = clock
        self._wall_clock_ns = wall_clock_ns
        self._pulse = pulse
        self._single_pass = single_pass
        self.second_look = SecondLook(ledger, clock, wall_clock_ns)
        self._touched: dict[int, list[Recorded]] = {}
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

    def let_go(self) -> None:
        """Forget what waits to be written down: the ledger cannot be written, and it is found out again."""
        self._touched.clear()
        self._forgotten.clear()
        self.second_look.let_go()

    def flush(self) -> None:
        """Write down what needed no commit."""
        for index in self._touched.keys() | self._forgotten.keys():
            self._ledger.record(self._targets[index].root, self._touched.pop(index, []), self._forgotten.pop(index, []))

    def size_of(self, target: Target, waiting: Waiting) -> int:
        """How large the file at a due path is, as far as a look without opening it tells."""
        return scan.size_bytes(target.path, waiting.path)

    def _look(self, target: Target, waiting: Waiting, held: ExitStack) -> Found | Lost | None:
        known = self._ledger.known(target.root, waiting.path)
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
        if plan.unchanged(before, known) or self._is_set_aside(target, waiting, before):
            return None
        self._pulse.beat("reading a file", before.size_bytes / SLOWEST_READ_BYTES_PER_S)
        in_repo = self._place(target, waiting, before)
        open_allowed = target.spec.publish_open and target.settler.overdue(waiting, self._clock())
        if in_repo is None or (not open_allowed and self._is_busy(target, waiting, fd, before)):
            return None
        snapshot = scan.read(
            fd, waiting.path, before, self._inline_bytes, open_allowed=open_allowed, wall_clock_ns=self._wall_clock_ns
        )
        held_fd = fd if snapshot.content is None else None
        found = Found(target, waiting, in_repo, snapshot, known, target.generation, held_fd)
        if plan.same_content(snapshot, known):
            self.touch(found)
            return None
        return found

    def _is_set_aside(self, target: Target, waiting: Waiting, before: Fingerprint) -> bool:
        reason = self._ledger.reason_set_aside(target.root, waiting.path, before)
        if reason is not None and reason != IGNORED_REASON and self._single_pass:
            target.journal.tell("error", "path.quarantined", waiting.path, reason)
            self._give_up(target, waiting.path, reason)
        return reason is not None

    def _place(self, target: Target, waiting: Waiting, before: Fingerprint) -> str | None:
        """The path in the repo; None when there cannot be one, and the file was set aside."""
        try:
            in_repo = repo_path(target.spec.prefix, waiting.path)
        except Unpublishable as error:
            self.set_aside(target, waiting.path, before, str(error))
            return None
        if other := self._clash(target, in_repo):
            self.set_aside(target, waiting.path, before, f"{other} is published at the same path")
            return None
        return in_repo

    def touch(self, found: Found) -> None:
        """The Hub holds this content already: only to be written down."""
        self.look_again_if_racy(found)
        self._touched.setdefault(self._targets.index(found.target), []).append(found.recorded)

    def look_again_if_racy(self, found: Found) -> None:
        """A file stamped within a tick of its snapshot may have changed since without its times telling."""
        if found.is_racy:
            self.second_look.add(found)

    def forget(self, lost: Lost) -> None:
        """The Hub holds nothing of ours at this path any more."""
        self._forget(lost.target, lost.waiting.path)

    def set_aside(self, target: Target, path: str, fingerprint: Fingerprint | None, reason: str) -> None:
        """Put a file that cannot be published in quarantine, and say so."""
        target.journal.tell("error", "path.quarantined", path, reason)
        self._ledger.set_aside(target.root, path, fingerprint, reason)
        if self._single_pass:
            self._give_up(target, path, reason)

    def _forget(self, target: Target, path: str) -> None:
        self._forgotten.setdefault(self._targets.index(target), []).append(path)

    def _gone(self, target: Target, waiting: Waiting, known: Known | None) -> Lost | None:
        if not scan.file_is_gone(target.path, waiting.path):
            return None
        if known is None:
            if self._ledger.is_set_aside(target.root, waiting.path):
                self._forget(target, waiting.path)
            return None
        if target.spec.on_delete == "keep" or self.handed_over(target, known.repo_path):
            self._forget(target, waiting.path)
            return None
        if known.generation != target.generation:
            return None  # it was last seen in another directory that stood at the root's path
        return Lost(target, waiting, known.repo_path, known.generation)

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

    def _clash(self, target: Target, in_repo: str) -> str | None:
        """The file of an earlier target that is published at the same path, if there is one."""
        for other in self._targets:
            if other is target:
                return None
            path = _file_for(other, in_repo)
            if path is not None:
                return os.path.join(other.path, path)  # noqa: PTH118  as above
        return None

    def handed_over(self, target: Target, in_repo: str) -> bool:
        """Whether another target has a file for the path that `target` lost; it is looked at anew then."""
        for other in self._targets:
            path = None if other is target else _file_for(other, in_repo)
            if path is not None:
                self._ledger.record(other.root, (), [path])
                other.settler.note(Change(path, ChangeKind.FOUND, self._clock()))
                return True
        return False


def _file_for(target: Target, in_repo: str) -> str | None:
    """The relative path of the target's file that belongs at `in_repo`, or None when it has none."""
    path = local_path(target.spec.prefix, in_repo)
    if path is None or not target.spec.wanted.reaches(path) or not scan.is_file(target.path, path):
        return None
    return path
