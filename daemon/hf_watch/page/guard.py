"""What every request passes before anything looks at it: host, origin, token; what every answer carries.

A name in Host that is none of ours is a page of somebody else that had its name point here (DNS rebinding); a foreign
Origin is somebody else's page asking in a visitor's name.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
READING = frozenset({"GET", "HEAD"})


class Guard:
    """An ASGI application around another one.

    `hosts` are the names that it may be called by, beside `localhost` and addresses; `open_paths` need no token.
    """

    def __init__(self, inner: ASGIApp, *, hosts: frozenset[str], token: str | None, open_paths: frozenset[str]) -> None:
        self._inner = inner
        self._hosts = hosts
        self._token = token
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._inner)(scope, receive, answer)

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_ours(_name(f"//{host}")):
            return _refused(421, "the Host header names nobody here; http.hosts says which names are ours")
        if not self._is_own_origin(headers.get("origin"), host):
            return _refused(403, "it was asked for by another site's page")
        if scope["method"] not in READING and headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return _refused(403, "it was asked for by another site's page")
        if self._token is not None and scope["path"] not in self._open_paths and not self._knows(headers):
            refusal = _refused(401, "a token is needed: Authorization: Bearer …, as http.token_file holds it")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        return None

    def _is_ours(self, name: str | None) -> bool:
        if name is None:
            return False
        return name == "localhost" or name in self._hosts or _is_address(name)

    def _is_own_origin(self, origin: str | None, host: str) -> bool:
        if origin is None:
            return True
        return _name(origin) in self._hosts or origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}

    def _knows(self, headers: Headers) -> bool:
        scheme, _, said = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(said.strip().encode(), (self._token or "").encode())


def _refused(code: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, code)


def _name(url: str) -> str | None:
    """The host of a URL; None when there is none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    """Whether it is a bare IP address, which nobody can make point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
