"""One watched root, as ports.Watch promises it."""

from __future__ import annotations

import errno
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from watchdog.events import FileSystemEventHandler
from watchdog.observers.api import BaseObserver

from hf_watch.errors import SourceError
from hf_watch.model import Gap, Shortage
from hf_watch.paths import printable
from hf_watch.threads.pulse import Pulse
from hf_watch.watches import filesystems, limits, reasons
from hf_watch.watches.cover import RETRY_S, Cover
from hf_watch.watches.emitter import InotifyEmitter
from hf_watch.watches.kernel import open_inotify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.ports import Sink
    from hf_watch.watches.filesystems import Mount
    from hf_watch.watches.kernel import Kernel

USED_UP = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})  # there may be some later; else there never is

ObserverName = Literal["auto", "inotify", "polling"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a watch has at the moment. `rounds`: how often its thread woke up."""

    watched: int
    overflows: int
    rounds: int


@dataclass(frozen=True, slots=True)
class _Running:
    cover: Cover
    emitter: InotifyEmitter


def everything(_directory: str) -> bool:
    """Enter every directory."""
    return True


class RootWatch:
    """Watches `root` and puts hints into `sink`: a ports.Watch.

    `observer`: "inotify" trusts the kernel everywhere; "polling" asks it nothing, the caller scans; "auto" polls what
    lies on file systems that others can change, the root or mounts below it. `enters` says of a relative directory
    whether anything in it matters; what it refuses gets no watch and gives no hint of what is inside. What the kernel
    refused is asked for again every `retry_s`.
    """

    def __init__(
        self,
        root: str,
        sink: Sink,
        *,
        observer: ObserverName = "auto",
        enters: Callable[[str], bool] = everything,
        retry_s: float = RETRY_S,
        open_kernel: Callable[[], Kernel] = open_inotify,
        read_mounts: Callable[[], tuple[Mount, ...]] = filesystems.read_mounts,
    ) -> None:
        self.pulse = Pulse(time.monotonic)  # of the thread that reads what the kernel says
        self._root = root
        self._sink = sink
        self._observer = observer
        self._enters = enters
        self._retry_s = retry_s
        self._open_kernel = open_kernel
        self._read_mounts = read_mounts
        self._opened = ExitStack()
        self._running: _Running | None = None
        self._is_polled = False
        self._shortage: Shortage | None = None  # of what a queue needs

    def start(self) -> None:
        """Watch; see ports.Watch. Where no queue is to be had the whole root is polled, and a Gap says why."""
        self.stop()
        root = os.path.realpath(self._root)  # a link itself never changes when what it leads to does
        if self._is_to_be_polled(root):
            self._poll(root)
            return
        try:
            kernel = self._open_kernel()
        except OSError as error:
            self._do_without(root, error)
            return
        self._shortage = None
        self._run(root, kernel)

    def stop(self) -> None:
        """End it; see ports.Watch. Nothing happens where nothing runs."""
        self._opened.close()
        self._running = None
        self._is_polled = False

    def is_alive(self) -> bool:
        """See ports.Watch; a root that is only polled has no thread that could die."""
        if self._running is None:
            return self._is_polled
        return self._running.emitter.is_alive() and not self._running.emitter.has_ended

    def polled(self) -> Sequence[str]:
        """See ports.Watch."""
        if self._running is None:
            return ("",) if self._is_polled else ()
        return self._running.cover.unwatched.polled

    def shortage(self) -> Shortage | None:
        """See ports.Watch; a queue is asked for again by `start` only."""
        if self._running is not None and self._running.cover.unwatched.is_limited:
            return limits.of_watches()
        return self._shortage

    def watched(self) -> int:
        """See ports.Watch."""
        return self.figures().watched

    def figures(self) -> Figures:
        """For people and for tests; all zero where nothing runs."""
        if self._running is None:
            return Figures(0, 0, 0)
        cover, emitter = self._running.cover, self._running.emitter
        return Figures(len(cover.tree.by_wd), cover.overflows, emitter.rounds)

    def _is_to_be_polled(self, root: str) -> bool:
        mount = filesystems.mount_of(root, self._read_mounts())
        return self._observer == "polling" or (self._observer == "auto" and mount is not None and mount.blind)

    def _poll(self, root: str) -> None:
        try:
            os.scandir(root).close()
        except OSError as error:
            raise SourceError(f"{printable(root)}: {error.strerror}") from error
        self._is_polled = True

    def _do_without(self, root: str, error: OSError) -> None:
        is_short = error.errno in USED_UP
        reason = reasons.because(reasons.NO_INSTANCE if is_short else reasons.NO_INOTIFY, error)
        if not is_short and self._observer == "inotify":
            raise SourceError(f'{reason}; observer = "polling" does without') from error
        self._poll(root)
        said, self._shortage = self._shortage, limits.of_instances() if is_short else None
        if said is None:
            self._sink.put(Gap("", reason, time.monotonic()))

    def _run(self, root: str, kernel: Kernel) -> None:
        mounts = filesystems.mounts_below(root, self._read_mounts())  # only now: from here on changes are reported
        trusting = self._observer == "inotify"
        cover = Cover(
            os.fsencode(root), kernel, mounts=mounts, trusting=trusting, enters=self._enters, retry_s=self._retry_s
        )
        observer = BaseObserver(
            InotifyEmitter, kernel=kernel, cover=cover, sink=self._sink, read_mounts=self._read_mounts,
            pulse=self.pulse,
        )  # fmt: skip
        with ExitStack() as opened:
            opened.callback(kernel.close)
            observer.schedule(FileSystemEventHandler(), root, recursive=True)
            [emitter] = observer.emitters
            observer.start()
            opened.callback(observer.join)
            opened.callback(observer.stop)
            if not isinstance(emitter, InotifyEmitter):
                raise TypeError(emitter)
            self._running = _Running(cover, emitter)
            self._opened = opened.pop_all()
