"""What the kernel says about one root, turned into hints: an emitter for watchdog's observers.

Hints do not take watchdog's queue, which has no bound, nor its handlers, which end the dispatcher when they raise:
they go straight to the sink, from this thread, which does nothing else.
"""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING

import structlog
from watchdog.observers.api import EventEmitter

from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.paths import join
from hf_watch.watches import kernel as k
from hf_watch.watches import reasons
from hf_watch.watches.filesystems import mount_of, mounts_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import EventQueue, ObservedWatch

    from hf_watch.ports import Sink
    from hf_watch.threads.pulse import Pulse
    from hf_watch.watches.cover import Cover
    from hf_watch.watches.filesystems import Mount
    from hf_watch.watches.tree import Node

log = structlog.get_logger()

EVENT = struct.Struct("iIII")  # struct inotify_event of inotify(7): wd, mask, cookie, length of the name that follows
ROUND_S = 300.0  # a tree of a million directories that was moved in is watched in one round
OFFER_AGAIN_S = 1.0  # after a consumer failed
KINDS = {
    k.IN_MODIFY: ChangeKind.WRITTEN,
    k.IN_ATTRIB: ChangeKind.TOUCHED,
    k.IN_CLOSE_WRITE: ChangeKind.CLOSED,
    k.IN_MOVED_FROM: ChangeKind.GONE,
    k.IN_MOVED_TO: ChangeKind.ARRIVED,
    k.IN_CREATE: ChangeKind.WRITTEN,
    k.IN_DELETE: ChangeKind.GONE,
}
LOSSES = {
    k.IN_DELETE_SELF: reasons.ROOT_DELETED,
    k.IN_IGNORED: reasons.ROOT_DELETED,
    k.IN_MOVE_SELF: reasons.ROOT_RENAMED,
    k.IN_UNMOUNT: reasons.ROOT_UNMOUNTED,
}
COME = k.IN_CREATE | k.IN_MOVED_TO
GONE = k.IN_DELETE | k.IN_MOVED_FROM

Seen = dict["Node", dict[bytes, ChangeKind]]


class InotifyEmitter(EventEmitter):
    """One thread that sleeps until the kernel has events. It ends by itself when its root is lost."""

    def __init__(
        self,
        event_queue: EventQueue,
        watch: ObservedWatch,
        *,
        timeout: float,
        event_filter: list[type[FileSystemEvent]] | None = None,
        kernel: k.Kernel,
        cover: Cover,
        sink: Sink,
        read_mounts: Callable[[], tuple[Mount, ...]],
        pulse: Pulse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(event_queue, watch, timeout=timeout, event_filter=event_filter)
        self.name = "watch"
        self.rounds = 0  # how often it woke up: at rest this stands still
        self.has_ended = False  # true before the sink is told why
        self._kernel = kernel
        self._cover = cover
        self._sink = sink
        self._read_mounts = read_mounts
        self._lies_on = mount_of(watch.path, read_mounts())
        self._clock = clock
        self._offer_at = 0.0
        self._loss: str | None = None
        self._pulse = pulse

    def on_thread_start(self) -> None:
        """In the thread that starts this one, before it runs: SourceError goes to whoever wants to watch."""
        self._cover.begin(self._clock())

    def on_thread_stop(self) -> None:
        self._kernel.wake()

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:
            log.exception("watch.crashed", path=self.watch.path)
            self._end(f"{reasons.CRASHED}: {type(error).__name__}")
        finally:
            self._pulse.rest("ended")

    def queue_events(self, timeout: float) -> None:  # noqa: ARG002 - it sleeps until there is something, however long
        """One round: wait, read, put the watches right, tell."""
        self._pulse.rest()
        ready = self._kernel.wait(self._patience(self._clock()))
        self._pulse.beat("taking in what the kernel said", ROUND_S)
        now = self._clock()
        self.rounds += 1
        seen: Seen = {}
        if ready:
            self._take_in(self._kernel.read(), seen, now)
        if self._kernel.remounted():
            self._compare_mounts(now)
        self._cover.work(now)
        self._tell(seen, now)
        if self._loss is not None:
            self._end(self._loss)

    def _compare_mounts(self, now: float) -> None:
        mounts = self._read_mounts()
        if mount_of(self.watch.path, mounts) != self._lies_on:
            self._loss = self._loss or reasons.ROOT_REMOUNTED
        else:
            self._cover.remounted(mounts_below(self.watch.path, mounts), now)

    def _patience(self, now: float) -> float | None:
        due = self._cover.due(now)
        if not self._cover.gaps:
            return due
        offer = max(0.0, self._offer_at - now)
        return offer if due is None else min(due, offer)

    def _take_in(self, events: bytes, seen: Seen, now: float) -> None:
        """Hot: a storm sends 200,000 events a second through here."""
        by_wd, unpack, offset, end = self._cover.tree.by_wd, EVENT.unpack_from, 0, len(events)
        while offset < end:
            wd, mask, _, length = unpack(events, offset)
            start, offset = offset + 16, offset + 16 + length
            node = by_wd.get(wd)
            if node is None:
                if mask & k.IN_Q_OVERFLOW:
                    self._cover.overflowed()
                continue  # else from a watch that was given up
            name = events[start:offset].rstrip(b"\0")
            kind = KINDS.get(mask)
            if kind is None or not name:
                self._restructure(node, mask, name, seen, now)
            elif kind is ChangeKind.TOUCHED:
                seen.setdefault(node, {}).setdefault(name, kind)  # metadata never hides content
            else:
                seen.setdefault(node, {})[name] = kind

    def _restructure(self, node: Node, mask: int, name: bytes, seen: Seen, now: float) -> None:
        """An event about a directory: `name` in `node`, or without a name `node` itself."""
        if not name:
            self._itself(node, mask, now)
        elif mask & COME:
            self._cover.appeared(node, name, now)
        elif mask & GONE:
            self._cover.disappeared(node, name, now)
            seen.setdefault(node, {})[name] = ChangeKind.GONE
        elif mask & k.IN_ATTRIB:
            self._cover.permitted(node, name, now)

    def _itself(self, node: Node, mask: int, now: float) -> None:
        if node is self._cover.tree.root:
            self._loss = self._loss or LOSSES.get(mask & ~k.IN_ISDIR)
        elif mask & k.IN_UNMOUNT:
            self._cover.unmounted(node, now)

    def _tell(self, seen: Seen, now: float) -> None:
        gaps = dict(self._cover.gaps)
        self._cover.gaps.clear()
        try:
            for change in self._changes(seen, now):
                self._sink.put(change)
            for path, reason in gaps.items():
                self._sink.put(Gap(path, reason, now))
        except Exception:
            log.exception("watch.consumer_failed", path=self.watch.path)
            self._cover.gaps[""] = reasons.HINTS_LOST
            self._offer_at = now + OFFER_AGAIN_S

    def _changes(self, seen: Seen, now: float) -> Iterator[Change]:
        """Each path once, where it is now; what hangs loose is told as a gap when its place is known again."""
        for node, names in seen.items():
            place = self._cover.tree.path(node)
            if place is not None:
                directory = os.fsdecode(place)
                for name, kind in names.items():
                    yield Change(join(directory, os.fsdecode(name)), kind, now)

    def _end(self, reason: str) -> None:
        self.has_ended = True
        self._cover.gaps = {"": reason}
        self._tell({}, self._clock())
        self.stop()
