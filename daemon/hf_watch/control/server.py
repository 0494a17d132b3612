"""The thread that serves the control socket: uvicorn, without its clock that ticks ten times a second."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hf_watch.control import place
from hf_watch.control.api import Api

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from hf_watch.control.daemon import Daemon

log = structlog.get_logger()

TURNS_TO_OPEN = 3  # of the event loop: one accepts, the next makes the transport, then the protocol hears of it
TURNS_TO_CLOSE = 3  # a transport that is aborted in one closes its socket in the next
MOST_HEAD_BYTES = 64 << 10  # of a request: the parser keeps all of it until it is complete
GRACEFUL_S = 1  # for answers under way when the daemon ends


@dataclass(frozen=True, slots=True)
class Bounds:
    """Clients too many, or that say nothing, take no descriptors from the files to be published."""

    connections: int = 256  # above the hundred of a busy monitoring; a descriptor each
    silence_s: float = 10.0  # a connection on which no request begins, or whose head takes longer, is ended

    @classmethod
    def among(cls, descriptors: int) -> Bounds:
        """The usual ones, for a process that may have so many descriptors: a quarter of them at the most."""
        return cls(connections=max(1, min(cls().connections, descriptors // 4)))


class Control:
    """Whether the thread still runs that was started."""

    def __init__(self) -> None:
        self.has_died = False


@dataclass(frozen=True, slots=True)
class Door:
    """Another place where the same thread listens, and what answers there, made around the API."""

    listener: socket.socket
    app: Callable[[Api], ASGIApp]


Duty = Callable[[Api], Coroutine[Any, Any, None]]  # what goes on beside, until it is cancelled


@contextmanager
def serving(
    daemon: Daemon, state_dir: Path, environment: Mapping[str, str], bounds: Bounds | None = None, *,
    doors: Sequence[Door] = (), duties: Sequence[Duty] = (),
) -> Iterator[Control]:  # fmt: skip
    """Serve as long as the context; the caller holds the state directory's lock.

    Without a place for the socket it says so, and the daemon does without. A thread that dies asks the main thread to
    stop as SIGTERM does.
    """
    control = Control()
    api = Api(daemon)
    bounds = bounds or Bounds.among(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    with ExitStack() as opened:
        servers = [(_Server(door.app(api), bounds), door.listener) for door in doors]
        try:
            listener = opened.enter_context(place.listening(state_dir, environment))
        except OSError as error:
            log.error("control.refused", reason=f"no socket can be made: {error}")  # noqa: TRY400  the reason will do
        else:
            servers.append((_Server(api.app(), bounds), listener))
        if servers:
            work = _Work(servers, [partial(duty, api) for duty in duties])
            thread = threading.Thread(target=work.run, args=(control,), name="control")
            thread.start()
            opened.callback(thread.join)
            opened.callback(work.stop)
            opened.callback(api.end_streams)
        yield control


class _Work:
    """What the thread does."""

    def __init__(
        self,
        servers: Sequence[tuple[_Server, socket.socket]],
        duties: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    ) -> None:
        self._servers = servers
        self._duties = duties

    def run(self, control: Control) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            log.critical("control.died", exc_info=True)
            control.has_died = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            duties = [group.create_task(duty()) for duty in self._duties]
            await asyncio.gather(*(server.serve([listener]) for server, listener in self._servers))
            for duty in duties:
                duty.cancel()
        await self._see_off()

    async def _see_off(self) -> None:
        """End what outlived the servers' patience: what the loop leaves behind nobody closes."""
        remaining = asyncio.all_tasks() - {asyncio.current_task()}
        if remaining:
            await asyncio.wait(remaining, timeout=GRACEFUL_S)
        for connection in [each for server, _ in self._servers for each in server.server_state.connections]:
            connection.transport.abort()
        await _turns(TURNS_TO_CLOSE)

    def stop(self) -> None:
        """End it, from another thread."""
        for server, _ in self._servers:
            server.stop()


class _Server(uvicorn.Server):
    """Sleeps until there is something to do; takes no signals, for it never runs on the main thread."""

    def __init__(self, app: ASGIApp, bounds: Bounds) -> None:
        config = uvicorn.Config(
            app, http=partial(_Connection, bounds=bounds),  # type: ignore[arg-type]  # a factory will do
            ws="none", lifespan="off", loop="asyncio", log_config=None,
            log_level=logging.CRITICAL, access_log=False, server_header=False, date_header=False,
            timeout_graceful_shutdown=GRACEFUL_S, proxy_headers=False,
        )  # fmt: skip
        super().__init__(config)
        self._over: Future[None] = Future()

    async def main_loop(self) -> None:
        await asyncio.wrap_future(self._over)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting before the rest ends: a connection accepted as its server closes has no owner to close it."""
        for listener in [each for server in self.servers for each in server.sockets]:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        await _turns(TURNS_TO_OPEN)
        await super().shutdown(sockets)

    def stop(self) -> None:
        """End it, from another thread."""
        self._over.set_result(None)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class _Connection(HttpToolsProtocol):
    """One client, within the bounds."""

    def __init__(self, *of_uvicorn: Any, bounds: Bounds, **more_of_uvicorn: Any) -> None:
        super().__init__(*of_uvicorn, **more_of_uvicorn)
        self._bounds = bounds
        self._silence: asyncio.TimerHandle | None = None
        self._head_bytes = 0  # received since the parser last came to the end of something

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_request()
        if len(self.connections) > self._bounds.connections:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._await_request()

    def _await_request(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self.loop.call_later(self._bounds.silence_s, self._end_if_silent)

    def _end_if_silent(self) -> None:
        if not self._is_asked():
            self.transport.abort()

    def _is_asked(self) -> bool:
        """Whether there is a request to be answered."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares that there always is one
        return cycle is not None and not cycle.response_complete
