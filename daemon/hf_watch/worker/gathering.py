"""From due paths to the operations of the next commit: read, compare, send what travels outside the commit.

A few files at a time are held in memory or open; what is ready afterwards holds only what goes inside the commit.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hf_watch.disk.reading import LARGEST_BLOB_BYTES
from hf_watch.model import ChangeKind, Delete, Staged
from hf_watch.rules.plan import Limits
from hf_watch.targets.findings import Found, Lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.pacing.budget import Budget
    from hf_watch.publish.clearing import Clearer
    from hf_watch.publish.parcel import Ready
    from hf_watch.publish.staging import Stager
    from hf_watch.rules.settle import Waiting
    from hf_watch.snapshots.recording import Recorder
    from hf_watch.snapshots.setbacks import Setbacks
    from hf_watch.snapshots.snapshots import Snapshots
    from hf_watch.targets.target import Target
    from hf_watch.threads.allotment import Allotment
    from hf_watch.worker.deletions import DeleteGuard
    from hf_watch.worker.groups import Group, Groups

LARGE_FILES_AT_A_TIME = 4  # handed over by path, a descriptor each: few enough for a limit of 64
SMALL_FILES_AT_A_TIME = 1_000  # as many as a commit takes; the client asks about 256 at a time


@dataclass(slots=True)
class _Gathered:
    """The commit that is being put together; the sums run along, for a commit has a thousand files."""

    tell: Callable[[Iterable[Found | Lost]], None]
    ready: list[Ready] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    whole: list[Ready] = field(default_factory=list)  # of groups
    group: list[Found] = field(default_factory=list)  # read, not staged yet
    held_bytes: int = 0  # what the commit's body holds, and what it may hold when the group is staged
    group_bytes: int = 0  # in memory
    group_large: int = 0  # open

    def take_over(self, own: _Gathered) -> None:
        """Take a whole group along, which was gathered by itself."""
        self.whole += own.ready
        self.lost += own.lost
        self.held_bytes += own.held_bytes

    def origins(self) -> Iterable[Found | Lost]:
        return [*(each.origin for each in (*self.ready, *self.whole)), *self.group, *self.lost]

    @property
    def files(self) -> int:
        return len(self.ready) + len(self.whole) + len(self.group) + len(self.lost)

    def added(self) -> set[bytes]:
        """The sha256 of every file that the commit adds."""
        ready = [*self.ready, *self.whole]
        return {each.origin.snapshot.digest.sha256 for each in ready if isinstance(each.origin, Found)}

    def has_room_in_group(self, size_bytes: int, stage_bytes: int) -> bool:
        is_full = len(self.group) >= SMALL_FILES_AT_A_TIME or self.group_large >= LARGE_FILES_AT_A_TIME
        return not self.group or (not is_full and self.group_bytes + size_bytes <= stage_bytes)

    def add(self, found: Found) -> None:
        self.group.append(found)
        self.group_bytes += len(found.snapshot.content or b"")
        self.group_large += found.fd is not None
        self.held_bytes += _may_be_held(found.snapshot.fingerprint.size_bytes)

    def staged(self, ready: Sequence[Ready]) -> None:
        self.ready += ready
        self.group = []
        self.group_bytes = self.group_large = 0
        operations = (each.operation for each in (*self.ready, *self.whole))
        self.held_bytes = sum(each.held_bytes for each in operations if isinstance(each, Staged))


def _may_be_held(size_bytes: int) -> int:
    """How much of a file may travel inside the commit: all or nothing, the Hub decides, by size among other things."""
    return size_bytes if size_bytes <= LARGEST_BLOB_BYTES else 0


def _sent_bytes(operation: Staged | Delete) -> int:
    """What has gone out already; what travels inside the commit has not."""
    return operation.size_bytes - operation.held_bytes if isinstance(operation, Staged) else 0


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Puts the next commit of one destination together, on its worker's thread."""

    targets: Sequence[Target]
    snapshots: Snapshots
    recorder: Recorder
    setbacks: Setbacks
    stager: Stager
    clearer: Clearer
    guard: DeleteGuard
    groups: Groups
    budget: Budget
    allotment: Allotment
    clock: Callable[[], float]

    def gather(self, max_files: int, tell: Callable[[Iterable[Found | Lost]], None]) -> list[Ready]:
        """Turn due paths into operations, until nothing is due or one commit holds no more.

        Before the Hub is called, which may take its time, `tell` hears of what is gathered so far.

        When it raises (a HubError, or anything else), every path that it took is back with its settler.
        """
        limits = Limits(max_files, self.allotment.share.commit_bytes)
        gathered = _Gathered(tell)
        self.snapshots.begin()
        with ExitStack() as held:
            try:
                self._fill(gathered, limits, held)
                self._stage(gathered, held)
                gathered.ready += self.clearer.deletes(self.guard.passed(gathered.lost, gathered.added()))
                gathered.ready = [*self.clearer.clear(gathered.ready), *gathered.whole]
                gathered.whole = []
            except BaseException:
                self._give_back(gathered)
                raise
            finally:
                self.snapshots.flush()
        return gathered.ready

    def _fill(self, gathered: _Gathered, limits: Limits, held: ExitStack) -> None:
        for target in self.targets:
            while not limits.reached(gathered.files, gathered.held_bytes) and not self.budget.send_wait_s():
                due = target.take_due(self.clock())
                if due is None:
                    break
                if not self._add(gathered, target, due, limits, held):
                    return

    def _add_group(
        self, gathered: _Gathered, target: Target, waiting: Waiting, limits: Limits, held: ExitStack
    ) -> bool:
        """Take a whole group along, or nothing of it; False when it has to wait for the next commit."""
        group = self.groups.look(target, waiting)
        if group is None:
            gathered.lost += self._in_the_way(target, waiting, held)
            self._look_at_file(target, waiting)
            return True
        is_too_much = gathered.held_bytes + group.size_bytes > limits.max_bytes
        if gathered.files and (gathered.files + len(group.taken) > limits.max_files or is_too_much):
            target.settler.put_back(waiting, waiting.due)
            return False
        self._stage(gathered, held)
        own = _Gathered(lambda origins: gathered.tell([*gathered.origins(), *origins]))
        try:
            is_whole = self._fill_with_group(own, target, waiting, group, held)
        except BaseException:
            self._give_back(own)
            raise
        if is_whole:
            gathered.take_over(own)
            self._look_at_file(target, waiting)
        elif own.held_bytes > self.allotment.share.commit_bytes:
            reason = "what goes inside its commit is more than commit.max_bytes and memory.budget_bytes let through"
            self.groups.hold(target, waiting.path, group, reason)
        elif not self.setbacks.is_through_with(target, waiting, "a file in it is being written, or cannot be read"):
            gathered.lost += self._in_the_way(target, waiting, held)
            target.settler.look_again(waiting, self.clock(), group.fingerprint)
        return True

    def _in_the_way(self, target: Target, waiting: Waiting, held: ExitStack) -> list[Lost]:
        """The file whose place a directory took: it goes from the Hub first, in a commit without the directory."""
        if target.disk.is_file(waiting.path):
            return []
        found = self.snapshots.take(target, replace(waiting, is_group=False, kind=ChangeKind.GONE), held)
        return [found] if isinstance(found, Lost) else []

    def _look_at_file(self, target: Target, waiting: Waiting) -> None:
        """A file that took a directory's place waits until what was in it is gone from the Hub."""
        if target.disk.is_file(waiting.path):
            target.settler.look_again(replace(waiting, is_group=False), self.clock(), None)

    def _fill_with_group(self, own: _Gathered, target: Target, waiting: Waiting, group: Group, held: ExitStack) -> bool:
        """Read and send all of a group; whether every file of it can be committed now, as it was when looked at."""
        self.recorder.accounted.clear()
        for path in (*group.taken, *group.gone):
            size_bytes = min(group.files[path].size_bytes, self.stage_bytes) if path in group.files else 0
            if not own.has_room_in_group(size_bytes, self.stage_bytes):
                self._stage(own, held)
            if own.held_bytes > self.allotment.share.commit_bytes:
                return False
            found = self.snapshots.take(target, replace(waiting, path=path, kind=ChangeKind.CLOSED), held)
            if isinstance(found, Found):
                own.add(found)
            elif isinstance(found, Lost):
                own.lost.append(found)
            elif path in group.files and (target.root.id, path) not in self.recorder.accounted:
                return False
        self._stage(own, held)
        own.ready = self.clearer.clear(own.ready)
        going = {each.origin.waiting.path for each in own.ready}
        is_left = any(
            path not in going and (target.root.id, path) not in self.recorder.accounted for path in group.taken
        )
        return not is_left and self.groups.is_same(target, waiting, group)

    @property
    def stage_bytes(self) -> int:
        """How much is read into memory at a time."""
        return self.allotment.share.stage_bytes

    def _add(self, gathered: _Gathered, target: Target, waiting: Waiting, limits: Limits, held: ExitStack) -> bool:
        """Take one path along; False when it does not fit any more and was put back."""
        if target.is_group(waiting.path):
            return self._add_group(gathered, target, replace(waiting, is_group=True), limits, held)
        size_bytes = self.snapshots.size_of(target, waiting)
        if not gathered.has_room_in_group(min(size_bytes, self.stage_bytes), self.stage_bytes):
            self._stage(gathered, held)
        if gathered.files and gathered.held_bytes + _may_be_held(size_bytes) > limits.max_bytes:
            self._stage(gathered, held)  # what turns out to travel outside the commit makes room
        if gathered.ready and gathered.held_bytes + _may_be_held(size_bytes) > limits.max_bytes:
            target.settler.put_back(waiting, waiting.due)
            return False
        found = self.snapshots.take(target, waiting, held)
        if isinstance(found, Found):
            gathered.add(found)
        elif isinstance(found, Lost):
            gathered.lost.append(found)
        return True

    def _stage(self, gathered: _Gathered, held: ExitStack) -> None:
        """Send what was read; its memory and descriptors are free afterwards."""
        gathered.tell(gathered.origins())
        ready = self.stager.stage(gathered.group)
        held.close()
        gathered.staged(ready)
        self.budget.sent(sum(_sent_bytes(each.operation) for each in ready))

    def _give_back(self, gathered: _Gathered) -> None:
        now = self.clock()
        for origin in gathered.origins():
            origin.target.settler.put_back(origin.waiting, now)
