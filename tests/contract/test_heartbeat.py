"""The heartbeat is called as long as nothing is late, and not otherwise."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from hf_watch.control.api import Api
from hf_watch.control.heartbeat import Heartbeat
from hf_watch.ledger.ledger import Ledger
from tests.seat import ALL_IS_WELL, DESTINATION, Seat
from tests.serving import Handler, serving

if TYPE_CHECKING:
    from pathlib import Path

EVERY_S = 0.01
NOW = 1_000.0
LATE = replace(ALL_IS_WELL, targets=(replace(ALL_IS_WELL.targets[0], settled_since=NOW - 301.0),))


class _Listener(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hearing)
        self.beats = 0


class _Hearing(Handler):
    server: _Listener

    def do_GET(self) -> None:
        self.server.beats += 1
        self.send_response(200)
        self.end_headers()


@pytest.fixture(name="seat")
def _seat(tmp_path: Path) -> Seat:
    (tmp_path / "drop").mkdir()
    return Seat(tmp_path, clock=lambda: NOW)


async def _looks(seat: Seat, listener: _Listener, times: int) -> int:
    """How often it is called while it looks so many times how the daemon is doing."""
    looks = 0
    enough = asyncio.Event()
    clock = seat.clock

    def counting() -> float:
        nonlocal looks
        looks += 1
        if looks > times:
            enough.set()
        return clock()

    seat.clock = counting
    url = f"http://127.0.0.1:{listener.server_port}/"
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(Heartbeat(url, EVERY_S)(Api(seat.daemon())))
        await enough.wait()
        beating.cancel()
    return listener.beats


def test_it_is_called_again_and_again_while_nothing_is_late(seat: Seat) -> None:
    with Ledger(seat.ledger_file) as ledger, serving(_Listener()) as listener:
        ledger.quarantine.set_aside(ledger.roots.of(DESTINATION, str(seat.drop), "in"), "a", None, "too odd")
        assert asyncio.run(_looks(seat, listener, 5)) >= 4, "degraded, and nothing is late"


def test_it_is_not_called_while_something_is_late(seat: Seat) -> None:
    seat.status = LATE
    with serving(_Listener()) as listener:
        assert asyncio.run(_looks(seat, listener, 5)) == 0


def test_it_is_not_called_while_nobody_knows(seat: Seat) -> None:
    seat.ledger_file.write_bytes(b"no ledger at all" * 1_000)

    async def beat(listener: _Listener) -> None:
        url = f"http://127.0.0.1:{listener.server_port}/"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10 * EVERY_S):
                await Heartbeat(url, EVERY_S)(Api(seat.daemon()))

    with serving(_Listener()) as listener:
        asyncio.run(beat(listener))
        assert listener.beats == 0
