"""A web server of a test's own, on loopback: it answers on threads, and is gone when the block ends."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socketserver import BaseServer

S = TypeVar("S", bound="BaseServer")
POLL_S = 0.01  # how soon it hears that it is to end


class Handler(BaseHTTPRequestHandler):
    """Says nothing of what it does on standard error."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(server: S) -> Iterator[S]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), name="server")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def website(handler: type[Handler]) -> Iterator[str]:
    """The address of a server that answers so."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"
