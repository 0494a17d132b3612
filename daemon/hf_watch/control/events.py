"""The log as a stream: one JSON object a line, for whoever follows it over HTTP.

The log is tapped only while somebody follows. What it says goes into a ring, on the thread that says it, and every
follower reads from there at a pace of its own: nobody is waited for. One that was overtaken is told how much it lost.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from contextlib import ExitStack, contextmanager
from io import TextIOBase
from itertools import islice
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from hf_watch.logs import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/x-ndjson"
AWAITED_S = 15.0  # proxies take a connection for dead on which nothing comes for a minute
MOST_FOLLOWERS = 16
RING_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16  # what is handed on at a time; asyncio keeps as much for a follower that does not read


class Ring:
    """The latest lines, numbered from 1 on, within a number of bytes. Any thread may add to it and read from it."""

    def __init__(self, most_bytes: int) -> None:
        self.last = 0  # the number of the latest line
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._size_bytes = 0
        self._lock = threading.RLock()  # a finalizer that runs meanwhile may log

    def add(self, line: str) -> None:
        """Take in a line of JSON: an object with at least one field."""
        with self._lock:
            self.last += 1
            numbered = b'{"number": %d, %s' % (self.last, line.removeprefix("{").encode())
            self._lines.append(numbered)
            self._size_bytes += len(numbered)
            while self._size_bytes > self._most_bytes:
                self._size_bytes -= len(self._lines.popleft())

    def behind(self, number: int, most_bytes: int) -> tuple[int, list[bytes]]:
        """How many lines behind this number are lost, and those that are there: one, or some of so many bytes."""
        with self._lock:
            before_first = self.last - len(self._lines)
            found: list[bytes] = []
            for line in islice(self._lines, max(0, number - before_first), None):
                most_bytes -= len(line)
                if found and most_bytes < 0:
                    break
                found.append(line)
        return max(0, before_first - number), found

    def clear(self) -> None:
        """Forget the lines, and go on counting."""
        with self._lock:
            self._lines.clear()
            self._size_bytes = 0


class Feed:
    """The log for its followers, who all are on one event loop."""

    def __init__(
        self, *, most_followers: int = MOST_FOLLOWERS, ring_bytes: int = RING_BYTES, awaited_s: float = AWAITED_S
    ) -> None:
        self._most_followers = most_followers
        self._awaited_s = awaited_s
        self._ring = Ring(ring_bytes)
        self._tap = ExitStack()
        self._followers = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._is_told = False  # that there are news
        self._is_over = False

    @contextmanager
    def followed(self) -> Iterator[AsyncIterator[bytes]]:
        """What is logged from now on, in blocks of lines; HTTPException 503 when too many follow already."""
        if self._followers >= self._most_followers:
            raise HTTPException(503, f"{self._most_followers} follow the events already")
        if not self._followers:
            self._loop = asyncio.get_running_loop()
            self._tap.enter_context(logs.tapped(_Tap(self._take)))
        self._followers += 1
        try:
            yield self._blocks(self._ring.last)
        finally:
            self._followers -= 1
            if not self._followers:
                self._tap.close()
                self._ring.clear()

    def close(self) -> None:
        """End it for all, once they were told what there is; from another thread."""
        self._is_over = True
        self._tell()

    async def _blocks(self, number: int) -> AsyncIterator[bytes]:
        while True:
            news = self._news
            lost, lines = self._ring.behind(number, BLOCK_BYTES)
            number += lost + len(lines)
            if lost:
                yield _line("events.lost", lost=lost)
            if lines:
                yield b"".join(lines)
            elif self._is_over:
                return
            elif not await _comes(news, self._awaited_s):
                yield _line("events.awaited")

    def _take(self, line: str) -> None:
        self._ring.add(line)
        if not self._is_told:
            self._tell()

    def _tell(self) -> None:
        self._is_told = True
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop has ended, and all who followed with it
            return

    def _wake(self) -> None:
        self._is_told = False
        self._news.set()
        self._news = asyncio.Event()


class _Tap(TextIOBase):
    """Where the log writes its lines to."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def write(self, line: str) -> int:
        self._take(line)
        return len(line)


class EventStream(StreamingResponse):
    """An answer that goes on until whoever asked has left, or the daemon ends."""

    def __init__(self, feed: Feed) -> None:
        super().__init__((), media_type=MEDIA_TYPE)
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._feed.followed() as self.body_iterator:
            await super().__call__(scope, receive, send)


async def _comes(news: asyncio.Event, patience_s: float) -> bool:
    try:
        async with asyncio.timeout(patience_s):
            return await news.wait()
    except TimeoutError:
        return False


def _line(event: str, **fields: int) -> bytes:
    return json.dumps({"event": event, **fields}).encode() + b"\n"
