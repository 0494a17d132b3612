"""The content at a URL that a visitor gave, without letting them reach what only this machine can reach.

A name is looked up once, every address is judged, and the connection goes to an address that was judged good, not to
the name again, which may mean another address by then (DNS rebinding). Each redirect passes the same.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx2

from hf_watch.page.landing import RefusedError
from hf_watch.paths import printable
from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

TIMEOUT = httpx2.Timeout(connect=10.0, read=30.0, write=30.0, pool=10.0)
MOST_REDIRECTS = 5
LONGEST_S = 600.0
BLOCK_BYTES = 1 << 18
NOT_SAID = -1
_TRANSLATING = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))  # NAT64: IPv4 inside

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that has begun: the name in its address, its announced size or NOT_SAID, its body."""

    name: str
    size_bytes: int
    blocks: AsyncIterator[bytes]


def is_public(address: Address) -> bool:
    """Whether an address can be anybody's: not loopback, link-local, private, shared, multicast or reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or any(address in network for network in _TRANSLATING):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def resolved(host: str, port: int) -> list[Address]:
    """The addresses of a host, as the system finds them; OSError or UnicodeError when there is none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a visitor's URL may lead: which addresses may be asked, how a name becomes addresses, and how long."""

    is_allowed: Callable[[Address], bool] = is_public
    resolve: Callable[[str, int], Awaitable[list[Address]]] = resolved
    longest_s: float = LONGEST_S

    @classmethod
    def anywhere(cls) -> Reach:
        """To this machine and its network, too."""
        return cls(lambda _: True)


@asynccontextmanager
async def fetched(address: str, reach: Reach) -> AsyncIterator[Fetched]:
    """Begin to read what is at an http(s) address; RefusedError when it may not or cannot be had."""
    # Compressed on the way, a size means nothing; a proxy of the environment would look the name up for us.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"hf-watch/{__version__}"}
    try:
        async with asyncio.timeout(reach.longest_s), httpx2.AsyncClient(
            timeout=TIMEOUT, headers=headers, follow_redirects=False, trust_env=False
        ) as client:  # fmt: skip
            answer, url = await _followed(client, _parsed(address), reach)
            try:
                size = answer.headers.get("Content-Length", "")
                name = PurePosixPath(unquote(url.path)).name
                yield Fetched(name, int(size) if size.isdecimal() else NOT_SAID, answer.aiter_bytes(BLOCK_BYTES))
            finally:
                await answer.aclose()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise RefusedError(502, f"{printable(address)}: {error or type(error).__name__}") from error
    except TimeoutError as error:
        raise RefusedError(504, f"{printable(address)}: it took longer than {reach.longest_s:g} s") from error


async def _followed(client: httpx2.AsyncClient, url: httpx2.URL, reach: Reach) -> tuple[httpx2.Response, httpx2.URL]:
    for _ in range(MOST_REDIRECTS + 1):
        answer = await _asked(client, url, reach)
        if not answer.has_redirect_location:
            if answer.is_success:
                return answer, url
            await answer.aclose()
            raise RefusedError(502, f"{printable(str(url))}: {answer.status_code} {answer.reason_phrase}")
        await answer.aclose()
        url = _parsed(str(url.join(answer.headers["Location"])))
    raise RefusedError(502, f"more than {MOST_REDIRECTS} redirects")


async def _asked(client: httpx2.AsyncClient, url: httpx2.URL, reach: Reach) -> httpx2.Response:
    """Ask the first address of the host that may be asked, by its number; the name goes into Host and TLS."""
    chosen = await _chosen(url, reach)
    request = client.build_request(
        "GET", url.copy_with(host=str(chosen)), headers={"Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.host},
    )  # fmt: skip
    return await client.send(request, stream=True)


async def _chosen(url: httpx2.URL, reach: Reach) -> Address:
    try:
        addresses = await reach.resolve(url.raw_host.decode("ascii"), url.port or 0)
    except (OSError, UnicodeError) as error:
        raise RefusedError(502, f"{url.host}: there is no such host") from error
    if not addresses or not all(map(reach.is_allowed, addresses)):
        raise RefusedError(403, f"{url.host} is an address of this machine or its network (http.fetch_private)")
    return addresses[0]


def _parsed(address: str) -> httpx2.URL:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise RefusedError(422, f"{printable(address)}: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise RefusedError(422, f"{printable(address)}: only http:// and https:// are fetched")
    if url.userinfo:
        raise RefusedError(422, "a URL with a name and password in it is not fetched")
    return url
