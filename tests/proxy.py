"""A proxy in front of the local Hub, for what only the bare socket can do: resets, silence, a Hub that is down.

    with LocalHub(directory) as hub, Proxy(hub.port) as proxy:
        proxy.reset("/commit/", forwarded=True)  # the next commit is made, and its answer lost
        with proxy.down(): ...                   # connections are refused

Use `proxy.url` as the endpoint. The local Hub's own scripted faults work behind it as ever.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

HOST = "127.0.0.1"
BLOCK_BYTES = 1 << 16
LONGEST_LINE_BYTES = 8_192
REQUEST = re.compile(rb"([A-Z]+) (/\S*) HTTP/1\.1\r\n")
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time: the peer gets a reset instead of an end


T = TypeVar("T")


class _Fault(Enum):
    RESET = "the connection is reset, the request not forwarded"
    LOST = "the connection is reset in place of the answer"
    HANG = "the answer is held back"


class _ResetError(Exception):
    """This connection is to be reset."""


@dataclass
class _Rule:
    path: re.Pattern[str]
    method: str
    fault: _Fault
    left: int


@dataclass
class _Connection:
    """One connection of a client, and what its present request is to meet."""

    client: asyncio.StreamWriter
    hub: asyncio.StreamWriter
    fault: _Fault | None = None


class Proxy:
    """Forwards to the port `behind` on this machine while the `with` block runs, in a thread of its own."""

    def __init__(self, behind: int) -> None:
        self.port = 0
        self._behind = behind
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._resumed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def reset(self, path: str, *, method: str = "", times: int = 1, forwarded: bool = False) -> None:
        """Reset the connection on the next `times` requests whose path matches; `forwarded`: in place of the answer."""
        self._add(path, method, _Fault.LOST if forwarded else _Fault.RESET, times)

    def hang(self, path: str, *, method: str = "", times: int = 1) -> None:
        """Forward the next `times` requests whose path matches, and hold the answers back until `resume`."""
        self._add(path, method, _Fault.HANG, times)

    def clear(self) -> None:
        """No faults from now on."""
        with self._lock:
            self._rules.clear()

    def resume(self) -> None:
        """Let all through that hangs, from now on, too."""
        self._loop.call_soon_threadsafe(self._resumed.set)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Reset what is open and refuse connections while the block runs; the port stays ours."""
        reserved = self._on_loop(self._close())
        try:
            yield
        finally:
            self._on_loop(self._open(reserved))

    def __enter__(self) -> Self:
        self._thread.start()
        self._on_loop(self._open(_bound(0)))
        return self

    def __exit__(self, *_: object) -> None:
        self._on_loop(self._close()).close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _on_loop(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _add(self, path: str, method: str, fault: _Fault, times: int) -> None:
        with self._lock:
            self._rules.append(_Rule(re.compile(path), method, fault, times))

    def _take(self, method: str, path: str) -> _Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.left and rule.method in {"", method} and rule.path.search(path):
                    rule.left -= 1
                    return rule.fault
        return None

    async def _open(self, bound: socket.socket) -> None:
        self.port = bound.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=bound)

    async def _close(self) -> socket.socket:
        """Stop listening and end all connections; a socket that holds the port, where nobody listens."""
        reserved = _bound(self.port)
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return reserved

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        try:
            await self._relay(reader, client)
        except (_ResetError, asyncio.CancelledError):
            _reset(client)
        except OSError:  # the other side went first
            client.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Pass on both ways until one side ends."""
        from_hub, hub = await asyncio.open_connection(HOST, self._behind)
        connection = _Connection(client, hub)
        ways = [
            asyncio.create_task(self._requests(reader, connection)),
            asyncio.create_task(self._answers(from_hub, connection)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
            client.close()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            hub.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        before = b""  # a request's first line may come in two blocks
        while block := await reader.read(BLOCK_BYTES):
            seen = before + block
            begun = list(REQUEST.finditer(seen))
            for request in begun:
                connection.fault = self._take(request[1].decode(), request[2].decode())
                if connection.fault is _Fault.RESET:
                    raise _ResetError
            before = seen[begun[-1].end() if begun else 0 :][-LONGEST_LINE_BYTES:]
            connection.hub.write(block)
            await connection.hub.drain()

    async def _answers(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while block := await reader.read(BLOCK_BYTES):
            if connection.fault is _Fault.LOST:
                raise _ResetError
            if connection.fault is _Fault.HANG:
                await self._resumed.wait()
            connection.client.write(block)
            await connection.client.drain()


def _bound(port: int) -> socket.socket:
    """A socket at a port of the loopback (0: any), where another one of ours may be, too."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    return bound


def _reset(writer: asyncio.StreamWriter) -> None:
    peer: socket.socket = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
