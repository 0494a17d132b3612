"""Keeps a watch on every directory below a root while the directories come, go and move. One thread owns it.

Watch first, then look inside: what appears in between is seen twice, never not at all. Nothing here recurses, and the
work goes in slices, so that the kernel's queue is read in between. Directories whose place is unknown (moved away,
deleted, pushed out by another) hang loose for a moment with their watches kept: where one is seen again the new place
wins, whatever order the events came in; what is not seen again is dropped.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.errors import SourceError
from hf_watch.paths import printable
from hf_watch.watches import reasons
from hf_watch.watches.tree import Node, Standing, Tree, Unwatched
from hf_watch.watches.unwatched import UnwatchedPlaces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hf_watch.watches.filesystems import Mount
    from hf_watch.watches.kernel import Watches

LOOSE_S = 0.1  # the second half of a rename follows at once, perhaps in the next read
SLICE = 200  # directories looked at between two reads: 5 to 10 ms, far from what fills the kernel's queue
PAUSE = 4.0  # of each rescan's duration, before the next overflow may start another: at most a fifth of the thread
RETRY_S = 30.0  # what was refused is tried again so often: a limit may have been raised, a right given

VANISHED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
EXHAUSTED = frozenset({errno.ENOSPC, errno.ENOMEM})


@dataclass(slots=True)  # not frozen: one is made for every directory, and that costs a third
class _Look:
    """Watch the directory `name` of `parent`; go on below it when it is new, or in any case when `deep`."""

    parent: Node
    name: bytes
    deep: bool


@dataclass(frozen=True, slots=True)
class _Tell:
    """Everything below `node` has its watch: now it may be scanned."""

    node: Node
    reason: str


@dataclass(frozen=True, slots=True)
class _Again:
    """Try once more to watch `node`, which was refused."""

    node: Node


_Job = _Look | _Tell | _Again


class Cover:
    """The watches of one root. What it cannot know it leaves in `gaps`, reason by relative path.

    `mounts`: what is mounted below the root, by relative path. `trusting`: whether the kernel is believed to see every
    change on all of them.
    """

    def __init__(
        self,
        root: bytes,
        kernel: Watches,
        *,
        mounts: Mapping[str, Mount],
        trusting: bool,
        enters: Callable[[str], bool],
        retry_s: float = RETRY_S,
    ) -> None:
        self.tree = Tree()
        self.gaps: dict[str, str] = {}
        self.overflows = 0
        self.unwatched = UnwatchedPlaces(self.tree, retry_s)
        self._root = root
        self._kernel = kernel
        self._mounts = mounts
        self._trusting = trusting
        self._enters = enters
        self._jobs: list[_Job] = []  # a stack: what is found comes before what found it is told
        self._loose: dict[Node, float] = {}
        self._doomed: dict[int, None] = {}
        self._overflowed = False
        self._rescan_began: float | None = None
        self._rest_until = 0.0

    def begin(self, now: float) -> None:
        """Watch the whole tree, in one go. Raises SourceError when the root can be neither watched nor listed."""
        try:
            _directories(self._root)
            self._take_root(now)
        except OSError as error:
            raise SourceError(f"{printable(os.fsdecode(self._root))}: {error.strerror}") from error
        while self._jobs:
            self._do(self._jobs.pop(), now)
        self.unwatched.renew_polled()

    def appeared(self, parent: Node, name: bytes, now: float, reason: str = reasons.NEW_DIRECTORY) -> None:
        """Something that is a directory was created at, or moved to, this place."""
        if self.tree.path(parent) is None:
            return  # when the parent is seen again, all below it is looked at
        node, standing = self._watch(parent, name, now)
        if node is None or standing is Standing.KEPT:
            return  # what found it before is told, or will be, after its watch stood
        if node.wd >= 0 or node.wd == Unwatched.BLIND:
            self._jobs.append(_Tell(node, reason))
        if node.wd >= 0:
            self._look_inside(node, now, deep=standing is Standing.MOVED)

    def disappeared(self, parent: Node, name: bytes, now: float) -> None:
        """The directory at this place was deleted or moved away."""
        node = parent.child(name)
        if node is not None:
            self._loosen(node, now)

    def permitted(self, parent: Node, name: bytes, now: float) -> None:
        """Permissions changed on a directory: one that could not be read is tried again."""
        node = parent.child(name)
        if node is not None and node.wd == Unwatched.FORBIDDEN:
            self.appeared(parent, name, now, reasons.READABLE)

    def unmounted(self, node: Node, now: float) -> None:
        """The file system that this directory was on is gone; another directory may come to light at its place."""
        parent, name, path = node.parent, node.name, self.tree.path(node)
        self._drop(node)
        if path is not None and parent is not None:
            self.gaps[os.fsdecode(path)] = reasons.UNMOUNTED
            self.appeared(parent, name, now, reasons.UNMOUNTED)

    def remounted(self, mounts: Mapping[str, Mount], now: float) -> None:
        """These are mounted below the root now: another directory may stand at each place that differs."""
        before, self._mounts = self._mounts, mounts
        for path in sorted(before.keys() | mounts.keys()):
            if before.get(path) != mounts.get(path):
                parent, _, name = os.fsencode(path).rpartition(b"/")
                above = self.tree.find(parent)
                if above is not None:
                    self.appeared(above, name, now, reasons.REMOUNTED)

    def overflowed(self) -> None:
        """Events were lost: look at everything again, soon. No watch of a directory that is still there is given up."""
        self.overflows += 1
        self._overflowed = True

    def due(self, now: float) -> float | None:
        """In how many seconds `work` has something to do; None when nothing waits."""
        if self._jobs or self._doomed:
            return 0.0
        times = list(self._loose.values())[:1]  # the oldest comes first
        if self._overflowed:
            times.append(self._rest_until)
        if self.unwatched.retry_at is not None:
            times.append(self.unwatched.retry_at)
        return max(0.0, min(times) - now) if times else None

    def work(self, now: float) -> None:
        """Do a slice of what waits."""
        if self._overflowed and self._rescan_began is None and now >= self._rest_until:
            self._begin_rescan(now)
        if self.unwatched.retry_at is not None and now >= self.unwatched.retry_at:
            self._jobs.extend([_Again(node) for node in self.unwatched.begin_round(now)])
        for _ in range(min(SLICE, len(self._jobs))):
            self._do(self._jobs.pop(), now)
        if not self._jobs:
            self._drop_loose(now)
        self._remove_watches()
        self.unwatched.renew_polled()

    def _take_root(self, now: float) -> None:
        root = self.tree.root
        try:
            self.tree.take_root(self._kernel.add(self._root))
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self.unwatched.add(root, Unwatched.FULL, now)
            self._say_refused(root, error)
            return
        self.unwatched.forget(root)
        self._look_inside(root, now, deep=False)

    def _begin_rescan(self, now: float) -> None:
        self._overflowed, self._rescan_began = False, now
        self._jobs.append(_Tell(self.tree.root, reasons.OVERFLOW))
        self._look_inside(self.tree.root, now, deep=True)

    def _again(self, node: Node, now: float) -> None:
        if not self.unwatched.is_worth_a_try(node):
            return
        if node is self.tree.root:
            self._jobs.append(_Tell(node, reasons.WATCHED_AGAIN))
            self._take_root(now)
        elif node.parent is not None:
            reason = reasons.READABLE if node.wd == Unwatched.FORBIDDEN else reasons.WATCHED_AGAIN
            self.appeared(node.parent, node.name, now, reason)
        self.unwatched.tried(node)

    def _do(self, job: _Job, now: float) -> None:
        if isinstance(job, _Tell):
            self._tell(job, now)
        elif isinstance(job, _Again):
            self._again(job.node, now)
        elif self.tree.path(job.parent) is not None:
            node, standing = self._watch(job.parent, job.name, now)
            if node is not None and node.wd >= 0 and (job.deep or standing is not Standing.KEPT):
                self._look_inside(node, now, deep=job.deep or standing is Standing.MOVED)

    def _tell(self, job: _Tell, now: float) -> None:
        if job.reason == reasons.OVERFLOW and self._rescan_began is not None:
            self._rest_until = now + PAUSE * (now - self._rescan_began)
            self._rescan_began = None
        path = self.tree.path(job.node)
        if path is not None:
            self.gaps[os.fsdecode(path)] = job.reason

    def _watch(self, parent: Node, name: bytes, now: float) -> tuple[Node | None, Standing]:
        """The directory that stands at this place now, watched if that can be; None when there is none to enter."""
        path = _join(self.tree.path(parent) or b"", name)
        relative = os.fsdecode(path)
        if not self._enters(relative):
            return None, Standing.KEPT
        mount = self._mounts.get(relative)
        if mount is not None and mount.blind and not self._trusting:
            return self._without(parent, name, Unwatched.BLIND, now)
        try:
            wd = self._kernel.add(_join(self._root, path))
        except OSError as error:
            if error.errno in VANISHED:
                return None, Standing.KEPT  # an event on its way says what became of it
            return self._note_refusal(parent, name, error, now)
        self._doomed.pop(wd, None)
        return self._settle(parent, name, wd, now)

    def _settle(self, parent: Node, name: bytes, wd: int, now: float) -> tuple[Node, Standing]:
        """The new place wins, except where one directory is mounted at two places, which no event tells apart."""
        known = self.tree.by_wd.get(wd)
        occupant = parent.child(name)
        if known is not None and known is not occupant:
            if self.tree.below(parent, known) or self._is_mounted(parent, name):
                return self._without(parent, name, Unwatched.BLIND, now)
            self._leave_alias(known, now)
        if occupant is not None and occupant is not known:
            self._loosen(occupant, now)
        node, standing = self.tree.place(parent, name, wd)
        if standing is Standing.MOVED:
            self._loose.pop(node, None)
            self.unwatched.moved()
        return node, standing

    def _leave_alias(self, known: Node, now: float) -> None:
        parent, name = known.parent, known.name
        if parent is not None and self._is_mounted(parent, name):
            self._loosen(known, now)
            self._without(parent, name, Unwatched.BLIND, now)

    def _is_mounted(self, parent: Node, name: bytes) -> bool:
        path = self.tree.path(parent)
        return path is not None and os.fsdecode(_join(path, name)) in self._mounts

    def _note_refusal(self, parent: Node, name: bytes, error: OSError, now: float) -> tuple[Node, Standing]:
        node, standing = self._without(parent, name, _why(error), now)
        if standing is Standing.NEW:
            self._say_refused(node, error)
        return node, standing

    def _without(self, parent: Node, name: bytes, why: Unwatched, now: float) -> tuple[Node, Standing]:
        occupant = parent.child(name)
        if occupant is not None and occupant.wd == why:
            return occupant, Standing.KEPT
        if occupant is not None:
            self._loosen(occupant, now)
        node = self.tree.place_unwatched(parent, name, why)
        self.unwatched.add(node, why, now)
        return node, Standing.NEW

    def _say_refused(self, node: Node, error: OSError) -> None:
        path = os.fsdecode(self.tree.path(node) or b"")
        if error.errno in FORBIDDEN:
            self.gaps[path] = reasons.UNREADABLE
        else:
            reason = reasons.NO_WATCHES if error.errno in EXHAUSTED else reasons.REFUSED
            self.gaps[path] = reasons.because(reason, error)

    def _look_inside(self, node: Node, now: float, *, deep: bool) -> None:
        path = self.tree.path(node)
        if path is None:
            return
        try:
            names = _directories(_join(self._root, path))
        except OSError as error:
            if error.errno not in VANISHED:
                self.gaps[os.fsdecode(path)] = reasons.UNREADABLE
            return
        for name in set(node.names()).difference(names):
            self.disappeared(node, name, now)
        self._jobs.extend([_Look(node, name, deep) for name in names])

    def _loosen(self, node: Node, now: float) -> None:
        """Take it from its place; its watches stay until it is seen again or has not been for a moment."""
        self.tree.detach(node)
        self.unwatched.moved()
        if node.wd < 0:
            self.unwatched.forget(node)
        else:
            self._loose[node] = now + LOOSE_S

    def _drop_loose(self, now: float) -> None:
        for node in [node for node, until in self._loose.items() if until <= now]:
            self._drop(node)

    def _drop(self, node: Node) -> None:
        for each in self.tree.drop(node):
            self._loose.pop(each, None)
            if each.wd >= 0:
                self._doomed[each.wd] = None
            else:
                self.unwatched.forget(each)

    def _remove_watches(self) -> None:
        """Each removal puts an event into the queue: a slice at a time, or a large tree moved out would overflow it."""
        for wd in list(self._doomed)[:SLICE]:
            del self._doomed[wd]
            self._kernel.remove(wd)


def _why(error: OSError) -> Unwatched:
    if error.errno in FORBIDDEN:
        return Unwatched.FORBIDDEN
    return Unwatched.FULL if error.errno in EXHAUSTED else Unwatched.REFUSED


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory and name else directory or name


def _directories(path: bytes) -> list[bytes]:
    with os.scandir(path) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
