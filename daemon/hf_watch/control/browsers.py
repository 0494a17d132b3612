"""No browser asks at the control socket: one that does was led there by a page, through a port forwarded to it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OF_BROWSERS = ("origin", "sec-fetch-site")  # no program sends them unless it is told to


class NoBrowsers:
    """An ASGI application around another one that programs alone may ask."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._inner)(scope, receive, send)


def _refusal(headers: Headers) -> JSONResponse | None:
    if any(name in headers for name in OF_BROWSERS):
        return JSONResponse({"error": "a web page asked for it; http.listen opens a page for browsers"}, 403)
    if not _is_of_programs(headers.get("host", "")):
        return JSONResponse({"error": "the Host header names a site; a program says hf-watch, or localhost"}, 421)
    return None


def _is_of_programs(host: str) -> bool:
    """Whether it is a bare word or an address: a name with a dot in it can be anybody's."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name
    return True
