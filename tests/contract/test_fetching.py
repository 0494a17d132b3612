"""A visitor's URL leads to nothing that only this machine can reach, however it goes about it.

The public web is a server at 127.0.0.2, which these tests take for anybody's; what is within is one at 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from hf_watch.page.fetching import MOST_REDIRECTS, Reach, fetched, is_public, resolved
from hf_watch.page.landing import RefusedError
from tests.serving import Handler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hf_watch.page.fetching import Address

PUBLIC = ipaddress.ip_address("127.0.0.2")
WITHIN = ipaddress.ip_address("127.0.0.1")


class _Site(ThreadingHTTPServer):
    """Answers `/to=URL` with a redirect there, anything else with its name; keeps the Host of every request."""

    def __init__(self, address: str, port: int = 0) -> None:
        super().__init__((address, port), _Answering)
        self.name = address
        self.hosts: list[str] = []
        self.is_over = threading.Event()


class _Answering(Handler):
    server: _Site

    def do_GET(self) -> None:
        self.server.hosts.append(self.headers["Host"])
        if self.path == "/slow":
            self._dawdle()
            return
        where = self.path.partition("to=")[2].replace("HERE", self.headers["Host"])
        self.send_response(302 if where else 200)
        if where:
            self.send_header("Location", where)
        self.send_header("Content-Length", str(len(self.server.name)))
        self.end_headers()
        self.wfile.write(self.server.name.encode())

    def _dawdle(self) -> None:
        """A byte now and then, until nobody listens any more."""
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while not self.server.is_over.wait(0.01):
                self.wfile.write(b"x")


@contextmanager
def _open_to_all(site: _Site) -> Iterator[_Site]:
    with serving(site):
        try:
            yield site
        finally:
            site.is_over.set()


@dataclass
class Web:
    """Both servers on one port, and what names mean: each time one is looked up, the next of its answers."""

    public: _Site
    within: _Site
    names: dict[str, list[list[Address]]] = field(default_factory=dict)
    looked_up: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> list[Address]:
        self.looked_up.append(host)
        answers = self.names.get(host)
        if answers is None:
            return await resolved(host, port)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def fetch(self, url: str, longest_s: float = 60.0) -> tuple[str, bytes]:
        """The name and content at a URL in which PORT is the servers' port."""
        reach = Reach(lambda address: address == PUBLIC or is_public(address), self.resolve, longest_s)
        return asyncio.run(_fetch(url.replace("PORT", str(self.public.server_port)), reach))


async def _fetch(url: str, reach: Reach) -> tuple[str, bytes]:
    async with fetched(url, reach) as found:
        return found.name, b"".join([block async for block in found.blocks])


@pytest.fixture(name="web")
def _web() -> Iterator[Web]:
    with ExitStack() as opened:
        public = opened.enter_context(_open_to_all(_Site(str(PUBLIC))))
        within = opened.enter_context(_open_to_all(_Site(str(WITHIN), public.server_port)))
        yield Web(public, within, names={"public.example": [[PUBLIC]]})


def test_what_is_public_is_fetched_by_its_name(web: Web) -> None:
    assert web.fetch("http://public.example:PORT/d/a.txt") == ("a.txt", b"127.0.0.2")
    assert web.public.hosts == [f"public.example:{web.public.server_port}"]
    assert web.fetch("http://public.example:PORT/to=http://127.0.0.2:PORT/there.txt") == ("there.txt", b"127.0.0.2")
    assert web.fetch("http://public.example:PORT/to=//HERE/there.txt")[0] == "there.txt"


@pytest.mark.parametrize(
    "there",
    [
        "http://127.0.0.1:PORT/a", "http://localhost:PORT/a", "//localhost:PORT/a", "http://LOCALHOST:PORT/a",
        "http://[::1]:PORT/a", "http://[::ffff:127.0.0.1]:PORT/a", "http://2130706433:PORT/a", "http://127.1:PORT/a",
        "http://0x7f.0.0.1:PORT/a", "http://0:PORT/a", "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/latest/", "http://10.0.0.1/a", "http://[fd00::1]/a", "http://inside.example/a",
    ],
)  # fmt: skip
def test_a_redirect_leads_nowhere_within(web: Web, there: str) -> None:
    web.names["inside.example"] = [[ipaddress.ip_address("192.168.1.1")]]
    for url in (f"http:{there.removeprefix('http:')}", f"http://127.0.0.2:PORT/to={there}"):
        with pytest.raises(RefusedError) as refused:
            web.fetch(url)
        assert refused.value.status == 403, url
    assert web.within.hosts == []
    assert len(web.public.hosts) == 1, "the redirect itself"


def test_a_name_is_judged_by_all_of_its_addresses(web: Web) -> None:
    web.names["both.example"] = [[PUBLIC, WITHIN]]
    with pytest.raises(RefusedError) as refused:
        web.fetch("http://both.example:PORT/a")
    assert refused.value.status == 403
    assert web.public.hosts == web.within.hosts == []


def test_a_name_that_means_another_address_by_then_is_not_looked_up_again(web: Web) -> None:
    web.names["rebinding.example"] = [[PUBLIC], [WITHIN]]
    assert web.fetch("http://rebinding.example:PORT/a") == ("a", b"127.0.0.2")
    assert web.looked_up == ["rebinding.example"]
    assert web.within.hosts == []


def test_a_name_that_means_another_address_after_a_redirect_is_judged_anew(web: Web) -> None:
    web.names["rebinding.example"] = [[PUBLIC], [WITHIN]]
    with pytest.raises(RefusedError) as refused:
        web.fetch("http://rebinding.example:PORT/to=http://rebinding.example:PORT/a")
    assert refused.value.status == 403
    assert len(web.public.hosts) == 1
    assert web.within.hosts == []


@pytest.mark.parametrize(
    ("there", "status"),
    [
        ("file:///etc/passwd", 422), ("ftp://127.0.0.2/a", 422), ("http://u:p@127.0.0.2/a", 422),
        ("http://127.0.0.2:1/a", 502),
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_not_followed(web: Web, there: str, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        web.fetch(f"http://public.example:PORT/to={there}")
    assert refused.value.status == status


def test_redirects_have_an_end(web: Web) -> None:
    with pytest.raises(RefusedError) as refused:
        web.fetch("http://127.0.0.2:PORT/" + "to=/" * 40)
    assert refused.value.status == 502
    assert len(web.public.hosts) == MOST_REDIRECTS + 1


def test_what_never_ends_is_given_up(web: Web) -> None:
    with pytest.raises(RefusedError) as refused:
        web.fetch("http://127.0.0.2:PORT/slow", longest_s=0.2)
    assert refused.value.status == 504
