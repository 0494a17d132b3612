"""The way to the Hub as the machine has it: a proxy, and certificates of its own."""

from __future__ import annotations

import socket
import socketserver
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import UnreachableError
from hf_watch.hub.hub import HubClient
from hf_watch.hub.transport import install_client
from hf_watch.model import Destination
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTIFICATE = Path(__file__).parents[1] / "certificates" / "loopback.pem"  # for 127.0.0.1, signed by itself
ANSWER = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Server(socketserver.ThreadingTCPServer):
    """Answers 503 to whatever comes, and keeps the first line of it."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.context = context
        self.asked: list[bytes] = []

    def get_request(self) -> tuple[socket.socket, object]:
        connection, peer = super().get_request()
        return (connection if self.context is None else self.context.wrap_socket(connection, server_side=True)), peer


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline()
        if isinstance(self.server, _Server) and line:
            self.server.asked.append(line)
            self.wfile.write(ANSWER)


def _ask(endpoint: str) -> str:
    """What is said of a Hub that gives no answer."""
    install_client()
    client = HubClient(Destination(endpoint, "dataset", "acme/drop", "main"), token=lambda: "hf_contract")
    with pytest.raises(UnreachableError) as caught:
        client.head()
    return str(caught.value)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield
    install_client()  # what a test's environment made is not for the others


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_that_the_environment_names_is_asked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with serving(_Server(None)) as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_address[1]}")
        _ask("http://hub.example")
    assert [line.split(b"?")[0] for line in proxy.asked] == [
        b"GET http://hub.example/api/datasets/acme/drop/revision/main"
    ]


@pytest.mark.parametrize("is_trusted", [False, True])
def test_a_certificate_is_taken_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, *, is_trusted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with serving(_Server(context)) as server:
        _ask(f"https://127.0.0.1:{server.server_address[1]}")
    assert len(server.asked) == is_trusted


def test_who_gives_no_answer_is_named_with_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert f"no answer from 127.0.0.1:{port}: " in _ask(f"http://127.0.0.1:{port}")
