"""The log as a stream, over a real socket: whoever follows is told all of it, and nobody waits for one that sleeps."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import structlog

from hf_watch.control import place
from hf_watch.control.events import MOST_FOLLOWERS, Feed, Ring
from hf_watch.logs import logs
from tests.eventually import eventually
from tests.seat import Seat, raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
TOKEN = "hf_" + "AbCdEfGh" * 4
TEXT = "some words " * 40
log = structlog.get_logger()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", io.StringIO(), readable=False)
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(name="seat")
def _seat(tmp_path: Path) -> Seat:
    (tmp_path / "drop").mkdir()
    return Seat(tmp_path)


@contextmanager
def _following(seat: Seat) -> Iterator[Iterator[dict[str, Any]]]:
    """The events from now on, as another program reads them."""
    with (
        place.found([seat.directory]) as short,
        httpx2.Client(transport=httpx2.HTTPTransport(uds=short), base_url="http://x", timeout=60.0) as http,
        http.stream("GET", "/v1/events") as response,
    ):
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/x-ndjson"
        yield map(json.loads, response.iter_lines())


@contextmanager
def _connected(seat: Seat) -> Iterator[socket.socket]:
    """A follower who has not read a byte yet."""
    with place.found([seat.directory]) as short, socket.socket(socket.AF_UNIX) as follower:
        follower.connect(short)
        follower.settimeout(60.0)
        follower.sendall(REQUEST)
        yield follower


def _handlers() -> int:
    return len(logging.getLogger().handlers)


def test_who_follows_is_told_what_is_logged_from_then_on(seat: Seat) -> None:
    with seat.serving():
        log.info("before.said")
        with _following(seat) as events, _following(seat) as same:
            log.info("commit.recorded", files=3, path="a\n\udcff", url=f"token={TOKEN}")
            logging.getLogger("huggingface_hub.x").warning("careful")
            log.debug("not.said")
            log.error("control.failed", exc_info=ValueError(TOKEN))
            found = [next(events) for _ in range(3)]
            assert found == [next(same) for _ in range(3)]
    assert [each["event"] for each in found] == ["commit.recorded", "careful", "control.failed"]
    assert [each["number"] for each in found] == [1, 2, 3]
    assert (found[0]["files"], found[0]["path"], found[0]["level"]) == (3, "a\\n\\udcff", "info")
    assert found[0]["timestamp"].endswith("Z")
    assert TOKEN not in json.dumps(found)
    assert seat.inbox.requests() == []


def test_the_log_is_tapped_while_somebody_follows_and_no_longer(seat: Seat) -> None:
    before = _handlers()
    with seat.serving():
        with _following(seat), _following(seat):
            assert _handlers() == before + 1
        eventually(lambda: _handlers() == before, "the tap is closed")
        with _following(seat) as events:
            log.info("said.again")
            assert next(events)["event"] == "said.again"
    assert _handlers() == before


def test_a_log_that_is_set_up_anew_is_followed_on(seat: Seat) -> None:
    with seat.serving(), _following(seat) as events:
        logs.configure("warning", io.StringIO(), readable=True)
        log.info("quiet.said")
        logs.set_level("info")
        log.info("reload.done")
        assert next(events)["event"] == "reload.done"


def test_who_does_not_read_keeps_nobody_waiting_and_is_told_what_was_lost(seat: Seat) -> None:
    with seat.serving() as client, _connected(seat) as idle, _following(seat) as events:
        told = 0
        for number in range(4_000):  # some 2 MB: more than the ring and every buffer on the way hold
            log.info("path.settled", mark=number, text=TEXT)
            told += next(events)["number"] == number + 1
        assert told == 4_000
        assert client.status().health == "healthy"
        log.info("last.said")
        found = _read_until(idle, b'"last.said"')
    lost = [each for each in found if each["event"] == "events.lost"]
    marks = [each["mark"] for each in found if "mark" in each]
    assert marks == sorted(set(marks))
    assert len(lost) == 1
    assert lost[0]["lost"] + len(marks) == 4_000
    behind = found[found.index(lost[0]) + 1]
    before = found[found.index(lost[0]) - 1]
    assert behind["number"] == before["number"] + lost[0]["lost"] + 1


def _read_until(follower: socket.socket, text: bytes) -> list[dict[str, Any]]:
    """The events in an answer in chunks, up to the one with this text."""
    response = follower.makefile("rb")
    while response.readline() != b"\r\n":
        pass
    body = b""
    while text not in body:
        body += response.read(int(response.readline(), 16))
        response.readline()
    return [json.loads(line) for line in body.splitlines()]


def test_a_stop_ends_the_streams(seat: Seat) -> None:
    before = _handlers()
    with ExitStack() as followers:
        with seat.serving():
            events = followers.enter_context(_following(seat))
            log.info("last.said")
        assert [each["event"] for each in events] == ["last.said"]
    assert _handlers() == before


def test_who_does_not_read_does_not_hold_up_a_stop(seat: Seat) -> None:
    before = _handlers()
    with ExitStack() as followers:
        with seat.serving():
            idle = followers.enter_context(_connected(seat))
            eventually(lambda: _handlers() > before, "it is followed")
            for _ in range(2_000):
                log.info("path.settled", text=TEXT)
        assert not [thread for thread in threading.enumerate() if thread.name == "control"]
        while idle.recv(1 << 16):
            pass
    assert _handlers() == before


def test_no_more_than_so_many_follow(seat: Seat) -> None:
    with seat.serving() as client, ExitStack() as followers:
        for _ in range(MOST_FOLLOWERS):
            followers.enter_context(_following(seat))
        assert raw(seat, "GET", "/v1/events").status_code == 503
        assert client.status().health == "healthy"
        followers.close()
        eventually(lambda: raw(seat, "HEAD", "/v1/events").status_code == 200 and _may_follow(seat), "one may follow")


def _may_follow(seat: Seat) -> bool:
    with _connected(seat) as follower:
        return follower.recv(15) == b"HTTP/1.1 200 OK"


def test_a_follower_of_a_silent_log_is_shown_that_it_still_is_followed() -> None:
    async def first() -> bytes:
        with Feed(awaited_s=0.01).followed() as blocks:
            return await anext(blocks)

    assert json.loads(asyncio.run(first())) == {"event": "events.awaited"}


def test_what_comes_while_a_follower_falls_asleep_wakes_it() -> None:
    heard = threading.Event()

    async def follow() -> list[int]:
        found: list[int] = []
        with Feed(awaited_s=3_600.0).followed() as blocks:
            saying = threading.Thread(target=_say, args=(300, heard))
            saying.start()
            while len(found) < 300:
                found += [json.loads(line)["number"] for line in (await anext(blocks)).splitlines()]
                heard.set()
            saying.join()
        return found

    assert asyncio.run(follow()) == list(range(1, 301))


def _say(times: int, heard: threading.Event) -> None:
    """Every third time it goes on while the follower falls asleep."""
    for number in range(times):
        heard.clear()
        log.info("x.said")
        if not number % 3:
            assert heard.wait(60.0), "nothing was heard"


def test_a_ring_keeps_the_newest_within_its_bytes() -> None:
    ring = Ring(most_bytes=100)
    assert ring.behind(0, 1_000) == (0, [])
    for letter in "abcde":
        ring.add(f'{{"event": "{letter * 12}"}}\n')  # 39 bytes with its number
    lost, lines = ring.behind(0, 1_000)
    assert (lost, [json.loads(each)["number"] for each in lines]) == (3, [4, 5])
    assert ring.behind(3, 1) == (0, lines[:1])
    assert ring.behind(4, 1_000) == (0, lines[1:])
    assert ring.behind(5, 1_000) == (0, [])
    ring.add(f'{{"event": "{"f" * 200}"}}\n')
    assert ring.behind(4, 1_000) == (2, []), "a line that is too long for it is lost"
    ring.clear()
    assert (ring.last, ring.behind(6, 1_000)) == (6, (0, []))
