"""What every request passes: it is counted, may meet a fault, and every answer carries the Hub's own headers."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .faults import Fault, Faults
    from .quotas import Quota

SLOW_S = "hf_watch.slow_s"  # in a request's scope: how long its commit takes
SLASH = "\0"  # stands for a slash within a segment, so that `feature%2Fx` stays one
LOOK_S = 0.01


class CutError(Exception):
    """Ends a connection in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the log, how much of its body had come by its answer, and the status of that; 0 for none."""

    method: str
    path: str
    status: int
    body_bytes: int


class Doors:
    """An ASGI application around another one."""

    def __init__(self, inner: ASGIApp, requests: list[Asked], faults: Faults, quota: Quota) -> None:
        self._inner = inner
        self._requests = requests
        self._faults = faults
        self._quota = quota

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        path = scope["path"]
        body = _Body(receive)
        answer = _Answer(send, lambda: self._headers(path), partial(self._note, scope["method"], path, body))
        scope = {**scope, "path": _segments(scope)}
        try:
            await self._serve(scope, body, answer, self._faults.take(scope["method"], path))
        finally:
            answer.note()

    def _note(self, method: str, path: str, body: _Body, status: int) -> None:
        self._requests.append(Asked(method, path, status, body.size_bytes))

    def _headers(self, path: str) -> list[tuple[bytes, bytes]]:
        bucket = "resolvers" if "/resolve/" in path else "api"
        limit = self._quota.limit or 1_000
        left = f'"{bucket}";r={min(self._quota.remaining(), limit)};t={self._quota.reset_s()}'
        policy = f'"fixed window";"{bucket}";q={limit};w={int(self._quota.window_s)}'
        return [
            (b"x-request-id", secrets.token_hex(8).encode()),
            (b"ratelimit", left.encode()),
            (b"ratelimit-policy", policy.encode()),
        ]

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer, fault: Fault | None) -> None:
        if scope["path"].startswith("/api/") and not self._quota.take():
            text = (
                f"We had to rate limit you, you hit the quota of {self._quota.limit} api requests per 5 minutes period."
            )
            await JSONResponse({"error": text}, 429)(scope, receive, answer)
            return
        if fault is None:
            await self._inner(scope, receive, answer)
        else:
            await self._fail(scope, receive, answer, fault)

    async def _fail(self, scope: Scope, receive: Receive, answer: _Answer, fault: Fault) -> None:
        await asyncio.sleep(fault.delay_s)
        releases = self._faults.releases
        while fault.hang and self._faults.releases == releases:  # noqa: ASYNC110  it is released from another thread
            await asyncio.sleep(LOOK_S)
        scope = {**scope, SLOW_S: fault.slow_s}
        if fault.after_effect:
            await self._inner(scope, receive, _discard)
        if fault.cut:
            await answer({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            await answer({"type": "http.response.body", "body": b"{", "more_body": True})
            raise CutError
        if fault.status is None:
            await self._inner(scope, receive, answer)
            return
        response = Response(fault.body, fault.status, dict(fault.headers), "application/json")
        await response(scope, receive, answer)


class _Body:
    """Receives, and counts."""

    def __init__(self, receive: Receive) -> None:
        self.size_bytes = 0
        self._receive = receive

    async def __call__(self) -> Message:
        message = await self._receive()
        self.size_bytes += len(message.get("body", b""))
        return message


class _Answer:
    """Sends on, with more headers. The request is in the log before anybody hears of its answer."""

    def __init__(
        self, send: Send, headers: Callable[[], list[tuple[bytes, bytes]]], log: Callable[[int], None]
    ) -> None:
        self._send = send
        self._headers = headers
        self._log = log
        self._is_noted = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.note(message["status"])
            message = {**message, "headers": [*message["headers"], *self._headers()]}
        await self._send(message)

    def note(self, status: int = 0) -> None:
        """Put the request into the log, once; 0: there was no answer."""
        if not self._is_noted:
            self._is_noted = True
            self._log(status)


async def _discard(_message: Message) -> None:
    """Nobody hears this answer."""


def _segments(scope: Scope) -> str:
    """The path as it was sent: an escaped slash does not part segments."""
    raw = scope.get("raw_path") or scope["path"].encode()
    return "/".join(unquote(part).replace("/", SLASH) for part in raw.decode("ascii").split("/"))
