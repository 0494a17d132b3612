"""The control socket's API over a real socket; the workers' side of each inbox is in the test's hands."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_watch.cli import console
from hf_watch.control import place
from hf_watch.control.api import OPERATIONS, openapi
from hf_watch.control.client import UnknownPathError, connected
from hf_watch.control.openapi import JSON as JSON_TYPE
from hf_watch.control.pauses import Bound
from hf_watch.control.server import MOST_HEAD_BYTES, Bounds, Control, serving
from hf_watch.errors import ConfigError, HfWatchError, NotRunningError
from hf_watch.ledger.ledger import Ledger
from hf_watch.ledger.rows import Intended
from hf_watch.paths import encoded
from hf_watch.snapshots.setbacks import IGNORED_REASON
from hf_watch.threads.commands import Answer, Barrier, Flush, Left, Pause, Resume, Retry
from hf_watch.threads.status import TargetState, TargetStatus, WorkerStatus
from tests.disk import without_privileges
from tests.eventually import eventually
from tests.seat import ALL_IS_WELL, DESTINATION, DIGEST, Seat, raw

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="seat")
def _seat(tmp_path: Path) -> Seat:
    (tmp_path / "drop").mkdir()
    return Seat(tmp_path)


def test_the_status_is_what_the_worker_published_without_a_word_of_it(seat: Seat) -> None:
    now = time.monotonic()
    seat.clock = lambda: now
    target = TargetStatus("drop", TargetState.SCANNING, 7, 3, now - 50.0, now - 40.0)
    seat.status = WorkerStatus(str(DESTINATION), (target,), "busy", not_before=now + 20.0, next_due=now)
    with seat.serving() as client:
        status = client.status()
    assert status.health == "healthy"
    assert status.pid == os.getpid()
    [found] = status.targets
    assert (found.target, found.dest) == ("drop", "hf://datasets/acme/drop@main/in")
    assert (found.state, found.waiting, found.in_flight) == ("scanning", 7, 3)
    assert (found.oldest_s, found.lag_s, found.next_commit_s) == (50.0, 40.0, 20.0)
    assert found.reason == "busy"
    assert found.last_commit is None


@pytest.mark.parametrize(
    ("changes", "health", "state"),
    [
        ({}, "healthy", "watching"),
        ({"settled_since": -100.0}, "healthy", "watching"),
        ({"settled_since": -301.0}, "late", "watching"),
        ({"state": TargetState.LOST}, "degraded", "lost"),
        ({"is_refused": True}, "degraded", "refused"),
    ],
)
def test_health_is_lag_first(seat: Seat, changes: dict[str, Any], health: str, state: str) -> None:
    seat.clock = lambda: 0.0
    is_refused = changes.pop("is_refused", False)
    target = replace(ALL_IS_WELL.targets[0], **changes)
    seat.status = replace(ALL_IS_WELL, targets=(target,), is_refused=is_refused)
    with seat.serving() as client:
        status = client.status()
    assert (status.health, status.targets[0].state) == (health, state)
    assert bool(status.problems) == (health != "healthy")


def _fill_ledger(seat: Seat, aside: dict[str, str], commits: int = 0) -> None:
    with Ledger(seat.ledger_file) as ledger:
        root = ledger.roots.of(DESTINATION, str(seat.drop), "in")
        for path, reason in aside.items():
            ledger.quarantine.set_aside(root, path, None, reason)
        for number in range(commits):
            ledger.batches.intend(f"batch{number}", root.destination_id, [Intended(root, "a", "in/a", DIGEST, 1)], 10)
            ledger.batches.recorded(f"batch{number}", f"{number:040x}")


def test_the_quarantine_comes_page_by_page_and_each_path_once(seat: Seat) -> None:
    names = [f"d{n % 3}/{n:03}" for n in range(25)] + [os.fsdecode(b"\xff odd"), "top"]
    _fill_ledger(seat, dict.fromkeys(names, "too odd"))
    found: list[str] = []
    with seat.serving() as client:
        assert client.status().targets[0].quarantined == len(names)
        assert client.status().health == "degraded"
        page = raw(seat, "GET", "/v1/quarantine?limit=4").json()
        while True:
            assert all(each["reason"] == "too odd" for each in page["quarantined"])
            found += [each["path"] for each in page["quarantined"]]
            if page["next"] is None:
                break
            page = raw(seat, "GET", "/v1/quarantine", params={"limit": 4, "after": page["next"]}).json()
    assert sorted(found) == sorted([*names[:-2], "\\udcff odd", "top"])


def test_the_status_names_what_was_set_aside_last_with_its_reason(seat: Seat) -> None:
    _fill_ledger(seat, {f"{n:02}": f"reason {n}" for n in range(13)} | {"a.log": IGNORED_REASON})
    with seat.serving() as client:
        status = client.status()
    (target,) = status.targets
    assert target.quarantined == 13
    assert [(each.path, each.reason) for each in target.quarantine] == [
        (f"{n:02}", f"reason {n}") for n in range(12, 2, -1)
    ]
    said = "\n".join(console.status_text(status))
    assert "quarantine: 12  (reason 12)" in said
    assert "quarantine: … and 3 more" in said
    assert status.problems == ("drop: 13 files in quarantine; the latest: 12 (reason 12)",)


def test_what_the_repo_ignores_is_no_cause_for_worry(seat: Seat) -> None:
    _fill_ledger(seat, {"a.log": IGNORED_REASON})
    with seat.serving() as client:
        assert client.status().health == "healthy"


def test_commits_come_newest_first_with_links(seat: Seat) -> None:
    _fill_ledger(seat, {}, commits=5)
    with seat.serving() as client:
        commits = client.commits(limit=3).commits
        assert [each.commit for each in commits] == [f"{n:040x}" for n in (4, 3, 2)]
        assert commits[0].url == f"https://hub.example/datasets/acme/drop/commit/{4:040x}"
        target = client.status().targets[0]
        assert target.last_commit == commits[0]
        assert target.published_today == 5


def test_a_ledger_that_cannot_be_read_is_said_so(seat: Seat) -> None:
    seat.ledger_file.write_bytes(b"no ledger at all" * 1_000)
    with seat.serving() as client, pytest.raises(HfWatchError, match="the ledger cannot be read"):
        client.status()


def test_a_pause_is_written_down_and_told_to_the_worker(seat: Seat) -> None:
    with seat.serving() as client, seat.answering(Answer()) as asked:
        assert client.pause("drop").targets == ("drop",)
        assert client.status().targets[0].state == "paused"
        assert seat.daemon().paused == {Bound(str(seat.drop), "hf://datasets/acme/drop@main/in")}
        client.resume(None)
        assert client.status().targets[0].state == "watching"
        assert asked == [Pause(0), Resume(0)]
    assert not seat.daemon().paused


def test_a_pause_that_cannot_be_written_down_is_refused(seat: Seat) -> None:
    (seat.directory / "paused.new").mkdir()
    with seat.serving() as client, pytest.raises(HfWatchError, match=r"paused\.new"):
        client.pause(None)
    assert seat.inbox.requests() == []


def test_pauses_that_make_no_sense_stop_the_start(seat: Seat) -> None:
    (seat.directory / "paused.json").write_text('{"source": 1}')
    with pytest.raises(ConfigError, match=r"paused\.json"):
        seat.daemon()


def test_a_command_does_not_wait_for_a_worker_inside_a_call(seat: Seat) -> None:
    with seat.serving() as client:
        done = client.pause("drop")
        assert done.pending == ("drop",)
        assert seat.next_request().command == Pause(0)


@pytest.mark.parametrize("given", ["sub/a.txt", "./sub/a.txt", "{drop}/sub/a.txt", "{link}/sub/a.txt"])
def test_a_path_is_found_however_it_is_written(seat: Seat, given: str) -> None:
    (seat.directory / "real").mkdir()
    seat.drop.rmdir()
    seat.drop.symlink_to(seat.directory / "real")
    path = given.format(drop=seat.drop, link=seat.directory / "real")
    with seat.serving() as client, seat.answering(Answer(1)) as asked:
        assert client.retry(path).paths == 1
    assert asked == [Retry(0, "sub/a.txt")]


@pytest.mark.parametrize(
    ("given", "meant"), [(".hidden", ".hidden"), ("./.hidden", ".hidden"), (".", ""), ("..a", "..a")]
)
def test_a_name_that_begins_with_dots_keeps_them(seat: Seat, given: str, meant: str) -> None:
    with seat.serving() as client, seat.answering(Answer(1)) as asked:
        client.retry(given)
    assert asked == [Retry(0, meant)]


def test_a_name_that_is_not_utf8_reaches_the_worker(seat: Seat) -> None:
    odd = os.fsdecode(b"\xff odd\n")
    with seat.serving() as client, seat.answering(Answer(1)) as asked:
        client.retry(str(seat.drop / odd))
        client.retry(None)
    assert asked == [Retry(0, odd), Retry(0, "")]


SEGMENTS = (
    st.binary(min_size=1)
    .map(lambda raw: os.fsdecode(raw.replace(b"/", b"%2F").replace(b"\0", b"%00")))
    .filter(lambda name: name not in {".", ".."})
)


def test_any_name_there_can_be_is_taken_as_the_answers_give_it(seat: Seat) -> None:
    with seat.serving(), seat.answering(Answer(1)) as asked:

        @settings(max_examples=100, deadline=None, database=None)
        @given(st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join))
        def tell(name: str) -> None:
            asked.clear()
            assert raw(seat, "POST", "/v1/retry", json={"path_encoded": encoded(name)}).status_code == 200
            whole = encoded(f"{seat.drop}/{name}")
            assert raw(seat, "POST", "/v1/retry", json={"path_encoded": whole}).status_code == 200
            assert asked == [Retry(0, name), Retry(0, name)]
            for where, listed in (("files", "files"), ("explain", "turns")):
                answer = raw(seat, "GET", f"/v1/{where}", params={"path_encoded": encoded(name)})
                assert answer.status_code == 200
                assert [each["path_encoded"] for each in answer.json()[listed]] in ([], [encoded(name)])

        tell()


def test_the_same_path_of_one_target_alone_is_tried_again(seat: Seat) -> None:
    seat.also = ("other",)
    with seat.serving(), seat.answering(Answer(1)) as asked:
        assert raw(seat, "POST", "/v1/retry", json={"path_encoded": "a"}).json()["targets"] == ["drop", "other"]
        assert raw(seat, "POST", "/v1/retry", json={"target": "other", "path_encoded": "a"}).json()["paths"] == 1
        assert raw(seat, "POST", "/v1/retry", json={"target": "third", "path": "a"}).status_code == 404
    assert asked == [Retry(0, "a"), Retry(1, "a"), Retry(1, "a")]


@pytest.mark.parametrize("path", ["/elsewhere/a.txt", "../a.txt", "{drop}/../other/a.txt", "{drop}2/a.txt"])
def test_a_path_outside_is_refused(seat: Seat, path: str) -> None:
    with seat.serving() as client, pytest.raises(UnknownPathError):
        client.retry(path.format(drop=seat.drop))
    assert seat.inbox.requests() == []


def test_a_flush_says_how_many_paths_it_hurried(seat: Seat) -> None:
    with seat.serving() as client, seat.answering(Answer(4)) as asked:
        flush = client.flush(wait=False, timeout_s=None)
    assert (flush.published, flush.paths) == (None, 4)
    assert asked == [Flush()]


def test_a_flush_that_waits_says_what_is_left(seat: Seat) -> None:
    with seat.serving() as client:
        with seat.answering(Answer()) as asked:
            assert client.flush(wait=True, timeout_s=None).published
        assert asked == [Barrier(None)]
        with seat.answering(Answer(left=(Left(0, "a\n", "paused"),), left_count=2)):
            flush = client.flush(wait=True, timeout_s=5.0)
    assert flush.published is False
    assert [(each.target, each.path, each.reason) for each in flush.left] == [("drop", "a\\n", "paused")]
    assert flush.left[0].path_encoded == "a%0A"
    assert flush.left_count == 2


def test_a_flush_whose_worker_does_not_answer_in_time_is_no_success(seat: Seat) -> None:
    with seat.serving() as client:
        flush = client.flush(wait=True, timeout_s=0.0)
        assert flush.published is False
        assert "waits for the Hub" in flush.left[0].reason
        assert seat.next_request().is_over(), "nobody waits for it any more"


def test_a_flush_is_dropped_when_its_asker_leaves(seat: Seat) -> None:
    with seat.serving(), place.found([seat.directory]) as short:
        with socket.socket(socket.AF_UNIX) as leaving:
            leaving.connect(short)
            body = b'{"wait": true}'
            leaving.sendall(b"POST /v1/flush HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            request = seat.next_request()
            assert not request.is_over()
        eventually(request.is_over, "the request to be dropped")


def test_the_status_answers_while_flushes_wait(seat: Seat) -> None:
    with ExitStack() as opened:
        client = opened.enter_context(seat.serving())
        for _ in range(5):
            short = opened.enter_context(place.found([seat.directory]))
            waiting = opened.enter_context(socket.socket(socket.AF_UNIX))
            waiting.connect(short)
            waiting.sendall(b'POST /v1/flush HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"wait": true}')
        eventually(lambda: len(seat.inbox._requests) == 5, "five flushes")
        assert client.status().health == "healthy"


def test_no_more_commands_than_are_allowed_wait(seat: Seat) -> None:
    with ExitStack() as opened:
        opened.enter_context(seat.serving())
        for _ in range(64):
            short = opened.enter_context(place.found([seat.directory]))
            waiting = opened.enter_context(socket.socket(socket.AF_UNIX))
            waiting.connect(short)
            waiting.sendall(b'POST /v1/flush HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"wait": true}')
        eventually(lambda: len(seat.inbox._requests) == 64, "64 flushes")
        assert raw(seat, "POST", "/v1/retry").status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/v1/pause", b'{"target": "other"}', 404),
        ("GET", "/v1/quarantine?target=other", None, 404),
        ("GET", "/v1/quarantine?after=***", None, 400),
        ("GET", "/v1/quarantine?after=YWJj", None, 400),
        ("GET", "/v1/commits?limit=0", None, 400),
        ("GET", "/v1/commits?limit=many", None, 400),
        ("POST", "/v1/pause", b"{", 400),
        ("POST", "/v1/pause", b"\xff", 400),
        ("POST", "/v1/pause", b"[" * 60_000, 400),
        ("POST", "/v1/pause", b'{"target": 1}', 422),
        ("POST", "/v1/pause", b"[]", 422),
        ("POST", "/v1/pause", b'{"targets": "drop"}', 422),
        ("POST", "/v1/retry", b'{"path": 1}', 422),
        ("POST", "/v1/retry", b'{"path": "a\\u0000b"}', 422),
        ("POST", "/v1/retry", b'{"path": "\\ud800"}', 422),
        ("POST", "/v1/retry", b'{"path_encoded": 1}', 422),
        ("POST", "/v1/retry", b'{"path_encoded": "%f"}', 422),
        ("POST", "/v1/retry", b'{"path_encoded": "a", "path": "a"}', 422),
        ("GET", "/v1/files?path_encoded=%25f", b"", 400),
        ("GET", "/v1/explain?path_encoded=a&path=a", b"", 400),
        ("POST", "/v1/flush", b'{"wait": true, "timeout_s": -1}', 422),
        ("POST", "/v1/flush", b'{"wait": true, "timeout_s": NaN}', 422),
        ("POST", "/v1/pause", b" " * 70_000, 413),
        ("GET", "/v1/nothing", None, 404),
        ("DELETE", "/v1/status", None, 405),
    ],
)
def test_what_makes_no_sense_is_refused_in_json(
    seat: Seat, method: str, path: str, body: bytes | None, code: int
) -> None:
    with seat.serving():
        response = raw(seat, method, path, content=body)
    assert response.status_code == code
    assert response.json()["error"]
    assert seat.inbox.requests() == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8787"}, 421),
        ({"Host": "[::1"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:8787", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Host": "localhost:8787"}, 200),
        ({"Host": "127.0.0.1:8787"}, 200),
        ({"Host": "[::1]:8787"}, 200),
        ({"Host": "hf-watch"}, 200),
    ],
)
def test_a_browser_gets_nothing_through_a_port_that_is_forwarded_here(
    seat: Seat, headers: dict[str, str], code: int
) -> None:
    with seat.serving(), seat.answering(Answer()) as asked:
        for method, path in (("GET", "/v1/status"), ("POST", "/v1/flush")):
            response = raw(seat, method, path, headers=headers)
            assert response.status_code == code
            assert code == 200 or response.json()["error"]
    assert asked == ([Flush()] if code == 200 else [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
QUESTIONS = st.one_of(
    JSON,
    st.dictionaries(
        st.sampled_from(["target", "path", "path_encoded", "wait", "timeout_s"]), JSON | st.just("drop"), max_size=2
    ),
    st.fixed_dictionaries({"path": st.text(st.characters(codec=None, categories=None))}),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_asked_is_answered_or_refused(served: tuple[Seat, httpx2.Client], data: st.DataObject) -> None:
    _, http = served
    operation = data.draw(st.sampled_from([each for each in OPERATIONS if each.media_type == JSON_TYPE]))
    if operation.method == "POST":
        response = http.post(operation.path, content=json.dumps(data.draw(QUESTIONS)))
    else:
        text = st.text(st.characters(codec="utf-8"), max_size=12)
        response = http.get(
            operation.path,
            params=data.draw(
                st.dictionaries(st.sampled_from(["after", "limit", "state", "path", "path_encoded", "target"]), text)
            ),
        )
    assert response.status_code < 500, response.text
    answer = response.json()
    assert response.status_code == 200 or answer["error"]


@pytest.fixture(name="served")
def _served(seat: Seat) -> Iterator[tuple[Seat, httpx2.Client]]:
    with (
        seat.serving(),
        seat.answering(Answer()),
        place.found([seat.directory]) as short,
        httpx2.Client(transport=httpx2.HTTPTransport(uds=short, verify=False), base_url="http://x") as http,
    ):
        yield seat, http


def test_the_description_has_every_route_and_only_models_that_are_there(seat: Seat) -> None:
    with seat.serving():
        described = raw(seat, "GET", "/v1/openapi.json").json()
    assert described == openapi()
    assert set(described["paths"]) == {each.path for each in OPERATIONS}
    for each in OPERATIONS:
        operation = described["paths"][each.path][each.method.lower()]
        assert operation["summary"]
        assert ("requestBody" in operation) == (each.method == "POST")
    text = json.dumps(described)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in described["components"]["schemas"]


def test_only_its_owner_may_connect() -> None:
    directory = Path(tempfile.mkdtemp())  # below one that everybody may enter
    try:
        directory.chmod(0o755)
        (directory / "drop").mkdir()
        with Seat(directory).serving():
            assert stat.S_IMODE((directory / place.NAME).stat().st_mode) == 0o600
            if os.geteuid() == 0:
                assert _as_nobody(directory / place.NAME) == "PermissionError"
    finally:
        shutil.rmtree(directory)


def _as_nobody(path: Path) -> str:
    """What a connection of another user comes to."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setresuid(65_534, 65_534, 65_534)
        try:
            socket.socket(socket.AF_UNIX).connect(str(path))
            said = b"connected"
        except OSError as error:
            said = type(error).__name__.encode()
        os.write(writing, said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said_by_child:
        found = said_by_child.read().decode()
    os.waitpid(child, 0)
    return found


def test_a_socket_that_was_left_behind_is_replaced(seat: Seat) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(seat.directory / place.NAME))
    with pytest.raises(NotRunningError), connected([seat.directory]) as client:
        client.status()
    with seat.serving() as client:
        assert client.status().health == "healthy"
    assert not (seat.directory / place.NAME).exists()


def test_a_directory_may_lie_deeper_than_a_socket_s_name_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    (deep / "drop").mkdir(parents=True)
    with Seat(deep).serving() as client:
        assert client.status().health == "healthy"


def test_it_is_in_the_runtime_directory_and_found_from_the_state_directory(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    with ExitStack() as opened:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            opened.enter_context(
                serving(Seat(tmp_path / name).daemon(), tmp_path / name, {"RUNTIME_DIRECTORY": str(runtime)})
            )
            assert opened.enter_context(connected([tmp_path / name])).status().health == "healthy"
        assert len(list(runtime.iterdir())) == 2
    assert not list(runtime.iterdir())
    assert not (tmp_path / "one" / place.NAME).is_symlink()


def test_it_is_found_below_a_directory_of_state_directories_while_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Seat(tmp_path / "one").serving(), connected([tmp_path / "nothing", tmp_path]) as client:
        assert client.status().health == "healthy"
        with Seat(tmp_path / "two").serving(), pytest.raises(NotRunningError, match="several"), connected([tmp_path]):
            pass
    with pytest.raises(NotRunningError), connected([tmp_path]):
        pass


def test_a_state_directory_that_may_not_be_looked_into_is_said_so(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with without_privileges(), pytest.raises(NotRunningError, match="may not be looked into"), connected([closed]):
        pass


def test_the_daemon_does_without_where_no_socket_can_be_made(seat: Seat) -> None:
    with serving(seat.daemon(), seat.directory, {"RUNTIME_DIRECTORY": str(seat.directory / "missing")}) as control:
        assert isinstance(control, Control)
        assert not control.has_died


def test_connections_that_say_nothing_end(seat: Seat) -> None:
    with seat.serving(Bounds(silence_s=0.05)) as client, place.found([seat.directory]) as short:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(short)
            silent.settimeout(30.0)
            assert silent.recv(1) == b""
        assert client.status().health == "healthy"


def test_a_head_that_does_not_end_is_not_waited_for(seat: Seat) -> None:
    with seat.serving(Bounds(silence_s=1.0)) as client, place.found([seat.directory]) as short:
        with socket.socket(socket.AF_UNIX) as slow:
            slow.connect(short)
            slow.settimeout(30.0)
            slow.sendall(b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert slow.recv(12) == b"HTTP/1.1 200"  # no worker answers: it took longer than a silence may
            with suppress(BrokenPipeError, ConnectionResetError):
                slow.sendall(b"GET /v1/status HTTP/1.1\r\nX-Slow: ")
            assert _all_of(slow).count(b"HTTP/1.1") == 0
        assert client.status().health == "healthy"


@pytest.mark.parametrize(
    "start",
    [
        b"GET /v1/status HTTP/1.1\r\nX-Long: ",
        b"GET /v1/status?",
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Long: ",
    ],
)
def test_a_head_without_an_end_takes_no_memory(seat: Seat, start: bytes) -> None:
    with seat.serving() as client, place.found([seat.directory]) as short:
        with socket.socket(socket.AF_UNIX) as endless:
            endless.connect(short)
            endless.settimeout(30.0)
            endless.sendall(start)
            with suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(64):
                    endless.sendall(b"x" * MOST_HEAD_BYTES)
            with suppress(ConnectionResetError):  # it closed while there was more to be read
                assert b"400 Bad Request" in _all_of(endless)
        assert client.status().health == "healthy"


def _all_of(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(65_536):
        found += piece
    return found


def test_more_connections_than_are_allowed_are_ended(seat: Seat) -> None:
    with ExitStack() as opened:
        opened.enter_context(seat.serving(Bounds(connections=3)))
        short = opened.enter_context(place.found([seat.directory]))
        many = [opened.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(5)]
        for each in many:
            each.connect(short)
            each.settimeout(30.0)
        assert [each.recv(1) for each in many[3:]] == [b"", b""]
        many[0].sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert many[0].recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(("descriptors", "connections"), [(1_024, 256), (64, 16), (3, 1)])
def test_connections_leave_most_descriptors_to_the_files(descriptors: int, connections: int) -> None:
    assert Bounds.among(descriptors).connections == connections


@pytest.mark.parametrize("refused", [None, "hf-watch.toml: quiet_s is wrong"])
def test_a_reload_tells_what_became_of_it(tmp_path: Path, refused: str | None) -> None:
    with Seat(tmp_path, refused=refused).serving() as client:
        assert client.reload().refused == refused
