"""What is under way, as a picture in the terminal: of a daemon, of a single pass, of one upload.

All of it is read from what the workers publish anyway; none of them waits for the picture.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from hf_watch.cli import frames
from hf_watch.cli.bars import Bars
from hf_watch.cli.console import size_text
from hf_watch.cli.painter import Painter
from hf_watch.control import view
from hf_watch.control.tallies import Tallies
from hf_watch.errors import LedgerError
from hf_watch.hub import positions
from hf_watch.logs import logs
from hf_watch.threads.status import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console, RenderableType

    from hf_watch.control.contract import CommitView, StatusView
    from hf_watch.control.daemon import Daemon
    from hf_watch.model import Upload
    from hf_watch.threads.status import Sending, TargetStatus, WorkerStatus


@contextmanager
def painted(compose: Callable[[Console], RenderableType], log_level: str) -> Iterator[None]:
    """Keep the picture in the terminal, the log above it, as long as this lasts."""
    painter = Painter(sys.stderr, compose)
    logs.configure(log_level, painter, readable=True)
    painter.start()
    try:
        yield
    finally:
        painter.close()
        logs.configure(log_level)


class DaemonPicture:
    """What `run` shows."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._tallies = Tallies(daemon.ledger)
        self._bars = Bars()
        self._status: StatusView | None = None
        self._commits: Sequence[CommitView] = ()
        self._newest: object = None

    def __call__(self, console: Console) -> RenderableType:
        width, height = console.size
        try:
            self._look()
        except LedgerError as error:
            return Group(*self._drawn(width, height), Text(frames.shortened(f"ledger: {error}", width - 2), "red"))
        return Group(*self._drawn(width, height))

    def _look(self) -> None:
        daemon = self._daemon
        self._status = view.status(daemon, self._tallies, daemon.pauses.load(), datetime.now(UTC).astimezone())
        newest = [each.last_commit for each in self._status.targets]
        if newest != self._newest:
            self._commits = view.commits(daemon, daemon.targets, frames.MOST_COMMITS).commits
            self._newest = newest

    def _drawn(self, width: int, height: int) -> Iterator[RenderableType]:
        if self._status is not None:
            uploads = under_way(self._bars, self._daemon, width)
            yield frames.live(self._status, uploads, self._commits, width, height)


class PassPicture:
    """What `sync` shows: one bar for all of it, and one for each large file."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._whole = Bars()
        self._rate = Bars()  # never shown
        self._bars = Bars()

    def __call__(self, console: Console) -> RenderableType:
        width = console.size.width
        workers = list(_workers(self._daemon))
        left = sum(each.waiting + each.in_flight for worker in workers for each in worker.targets)
        done = sum(worker.published for worker in workers)
        size_bytes = sum(worker.published_bytes for worker in workers)
        self._rate.show("bytes", "", size_bytes, None)
        self._whole.show(
            "all", "published", done, done + left, bytes_per_s=self._rate.speed("bytes"),
            done_text=f"{done} of {counted(done + left, 'file')}, {size_text(size_bytes)}",
        )  # fmt: skip
        reasons = dict.fromkeys(worker.reason for worker in workers if worker.reason)
        return Group(
            self._whole.picture(width),
            under_way(self._bars, self._daemon, width),
            *(Text(frames.shortened(f"waits: {reason}", width - 2), "yellow") for reason in reasons),
        )


class PushPicture:
    """What `push` shows: how much came in, then how much of it is on its way."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bars = Bars()
        self._taken: tuple[int, int | None] = (0, None)
        self._upload: Upload | None = None

    def takes(self, done: int, total: int | None) -> None:
        """So many bytes of what is to be pushed are here."""
        self._taken = (done, total)

    def sends(self, upload: Upload) -> None:
        """All of it is here, and on its way."""
        self._upload = upload

    def __call__(self, console: Console) -> RenderableType:
        width = console.size.width
        label = frames.shortened(self._name, width // 3)
        if self._upload is None:
            self._bars.show("taken", label, *self._taken)
            return self._bars.picture(width)
        self._bars.keep({"sent"})
        snapshot = self._upload.snapshot
        size_bytes = snapshot.fingerprint.size_bytes
        if snapshot.content is not None:
            return Text(f"{label}  {size_text(size_bytes)} under way")  # small: it goes at once
        fd = int(self._upload.readable_path.rpartition("/")[2])
        self._bars.show_read("sent", label, positions.read_bytes(fd, snapshot.fingerprint.inode), size_bytes)
        return self._bars.picture(width)


def _workers(daemon: Daemon) -> Iterator[WorkerStatus]:
    found = {id(each.inbox): each for each in daemon.targets}  # one inbox a worker
    for each in found.values():
        yield each.status()


def under_way(bars: Bars, daemon: Daemon, width: int) -> RenderableType:
    """A bar for each large file that is being sent; of the others, which go together, how many they are."""
    ways = [(each.name, each.status().targets[each.index]) for each in daemon.targets]
    for name, status in ways:
        for each in status.sending:
            read = positions.read_bytes(each.fd, each.inode)
            bars.show_read(_key(name, each), frames.shortened(each.path, width // 3), read, each.size_bytes)
    bars.keep({_key(name, each) for name, status in ways for each in status.sending})
    together = [_together(name, status, width) for name, status in ways if status.in_flight > len(status.sending)]
    return Group(bars.picture(width), *together)


def _key(name: str, sending: Sending) -> str:
    return f"{name}/{sending.path}"


def _together(name: str, status: TargetStatus, width: int) -> Text:
    files = status.in_flight - len(status.sending)
    size_bytes = status.in_flight_bytes - sum(each.size_bytes for each in status.sending)
    return Text(frames.shortened(f"{name}: {counted(files, 'file')}, {size_text(size_bytes)} under way", width - 2))
