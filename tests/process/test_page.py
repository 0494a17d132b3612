"""Requests against the page of the real daemon: what is refused, with which word, while it publishes on."""

from __future__ import annotations

import json
import resource
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from hf_watch.control import place
from hf_watch.local_hub.faults import Fault
from tests.eventually import eventually
from tests.metrics import metrics_at
from tests.running import running
from tests.serving import Handler, website
from tests.steered import DEST, Place, held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hf_watch.local_hub import LocalHub
    from tests.running import Running

TOKEN = "a-token-of-this-test-alone"  # noqa: S105
SLOW_CONNECTIONS = 1_000


@dataclass(frozen=True)
class Open:
    """A daemon with a page, and a client of it."""

    place: Place
    hub: LocalHub
    daemon: Running
    http: httpx2.Client

    @property
    def netloc(self) -> str:
        return self.http.base_url.netloc.decode()

    def upload(self, path: str, content: bytes = b"x", **headers: str) -> httpx2.Response:
        return self.http.post("/v1/upload", params={"target": "drop", "path": path}, content=content, headers=headers)

    def publishes_on(self, name: str) -> None:
        (self.place.drop / name).write_text(name)
        eventually(lambda: name in held(self.hub), f"{name} is published")

    def raw(self, request: bytes) -> bytes:
        """What is answered to these bytes, whatever a client would make of them."""
        with socket.create_connection((self.http.base_url.host, self.http.base_url.port or 0)) as connection:
            connection.settimeout(60.0)
            connection.sendall(request)
            return connection.recv(65_536)


@pytest.fixture(name="hub")
def _hub(hub: LocalHub) -> LocalHub:
    hub.create_repo("dataset", "acme/drop", private=True)
    return hub


@contextmanager
def _opened(tmp_path: Path, hub: LocalHub, **env: str) -> Iterator[Open]:
    at = Place(tmp_path, hub)
    more = {"HF_WATCH_HTTP__LISTEN": "127.0.0.1:0", "HF_WATCH_COMMIT__PER_HOUR": "0", **env}
    with at.running(env={**at.env, **more}) as daemon:
        [started] = daemon.wait_for("page.started")
        with httpx2.Client(base_url=started["url"], timeout=60.0) as http:
            yield Open(at, hub, daemon, http)
        assert daemon.stop() == 0


def _everything(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_foreign_hosts_and_origins_and_paths_that_lead_out_are_refused(tmp_path: Path, hub: LocalHub) -> None:
    (tmp_path / "elsewhere").mkdir()
    with _opened(tmp_path, hub) as page:
        (page.place.drop / "link").symlink_to(tmp_path / "elsewhere")
        assert page.http.get("/v1/status", headers={"Host": "evil.example"}).status_code == 421
        assert page.http.get("/", headers={"Host": f"evil.example:{page.http.base_url.port}"}).status_code == 421
        assert page.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n").split()[1] in {
            b"421",
            b"400",
        }
        for origin in ("http://evil.example", "null", f"http://{page.netloc}.evil.example", "http://localhost:1"):
            assert page.http.post("/v1/pause", json={}, headers={"Origin": origin}).status_code == 403, origin
        cross = page.http.post("/v1/pause", json={}, headers={"Sec-Fetch-Site": "cross-site"})
        assert cross.status_code == 403
        assert page.http.get("/v1/pause").status_code == 405
        assert page.http.get("/v1/upload").status_code == 405
        before = _everything(tmp_path) - {"log1"}
        for path in ("../out", "a/../../out", "/etc/out", "a//b", ".", "..", "", "a/./b", "a\0b", "..%2fout/../../x"):
            assert page.upload(path).status_code == 422, path
        for path in ("x.part", ".hidden", "sub/.git/config", "n" * 300, "d/" * 600 + "x"):
            assert page.upload(path).status_code == 422, path
        assert "not UTF-8" in page.http.post("/v1/upload?target=drop&path=%FF", content=b"x").json()["error"]
        assert page.upload("link/out").status_code == 409
        assert page.http.post("/v1/upload", params={"target": "other", "path": "a"}, content=b"").status_code == 404
        assert _everything(tmp_path / "elsewhere") == set()
        assert {each for each in _everything(tmp_path) - before if not each.startswith(("state", "hub", "hf"))} == {
            "log1"
        }
        assert page.http.get("/v1/status").json()["targets"][0]["state"] == "watching"
        ours = page.http.post("/v1/pause", json={}, headers={"Origin": f"http://{page.netloc}"})
        assert ours.status_code == 200
        assert page.http.post("/v1/resume", json={}).status_code == 200
        page.publishes_on("on.txt")


def test_every_answer_lets_the_page_use_its_own_and_nothing_of_others(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub) as page:
        answers = [
            page.http.get("/"), page.http.get("/page.js"), page.http.get("/v1/status"), page.http.get("/metrics"),
            page.http.get("/nothing"), page.http.get("/", headers={"Host": "evil.example"}), page.upload("../out"),
            page.upload("a.txt"), page.http.options("/v1/pause"), page.http.post("/v1/pause", content=b"{"),
        ]  # fmt: skip
    assert {each.status_code for each in answers} == {200, 400, 404, 405, 421, 422}
    for answer in answers:
        rules = dict(each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";"))
        assert rules.pop("default-src") == "'none'"
        assert set(rules.values()) <= {"'self'", "'none'"}
        assert {"base-uri", "form-action", "frame-ancestors"} <= rules.keys()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not any(name.lower().startswith("access-control-") for name in answer.headers)


def test_nothing_that_is_done_is_done_by_asking(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub) as page:
        (page.place.drop / "a.txt").write_text("a")
        page.daemon.wait_for("commit.recorded")
        before = page.http.get("/v1/status").json()["targets"][0]["state"]
        paths = page.http.get("/v1/openapi.json").json()["paths"]
        done = [path for path, found in paths.items() if "post" in found]
        assert {"/v1/pause", "/v1/resume", "/v1/retry", "/v1/flush", "/v1/confirm-deletes", "/v1/reload"} < set(done)
        assert {"/v1/upload", "/v1/fetch"} < set(done)
        for path in done:
            assert paths[path].keys() == {"post"}
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                asked = {"target": "drop", "path": "b.txt", "url": "https://example.org/b.txt"}
                assert page.http.request(method, path, params=asked).status_code == 405, (method, path)
        assert page.http.get("/v1/status").json()["targets"][0]["state"] == before
        assert {each.name for each in page.place.drop.iterdir()} == {"a.txt"}


def test_an_upload_is_whole_or_not_there_and_within_its_bounds(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub, HF_WATCH_HTTP__MAX_UPLOAD_BYTES="1000000000") as page:
        head = f"POST /v1/upload?target=drop&path=big HTTP/1.1\r\nHost: {page.netloc}\r\n"
        announced = page.raw(f"{head}Content-Length: 10000000000\r\n\r\nfirst bytes".encode())
        assert announced.startswith(b"HTTP/1.1 413")
        with socket.create_connection(("127.0.0.1", page.http.base_url.port or 0)) as broken:
            broken.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
            eventually(lambda: any(page.place.drop.glob(".hf-watch-*.part")), "the upload has begun")
        eventually(lambda: not any(page.place.drop.iterdir()), "what was cut short is gone")
        assert page.upload("new/dir/a.bin", b"abc").json()["fate"] == "waiting"
        assert page.upload("new/dir/a.bin", b"other").status_code == 409
        assert (page.place.drop / "new/dir/a.bin").read_bytes() == b"abc"
        eventually(lambda: page.http.get("/v1/drops").json()["drops"][0]["fate"] == "published", "its commit")
        assert hub.read("dataset", "acme/drop", "incoming/new/dir/a.bin") == b"abc"


def test_while_a_file_is_uploaded_nobody_else_uploads_it(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub) as page:
        head = f"POST /v1/upload?target=drop&path=big HTTP/1.1\r\nHost: {page.netloc}\r\nContent-Length: 4\r\n\r\n"
        with socket.create_connection(("127.0.0.1", page.http.base_url.port or 0)) as first:
            first.sendall(head.encode() + b"fi")
            eventually(lambda: any(page.place.drop.glob(".hf-watch-*.part")), "the upload has begun")
            assert page.upload("big", b"second").status_code == 409
            assert page.upload("other", b"other").status_code == 200
            first.sendall(b"rs")
            first.settimeout(60.0)
            assert first.recv(12) == b"HTTP/1.1 200"
        assert (page.place.drop / "big").read_bytes() == b"firs"
        assert page.upload("big", b"third").status_code == 409


def test_an_upload_of_unknown_length_ends_at_the_limit(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub, HF_WATCH_HTTP__MAX_UPLOAD_BYTES="3000000") as page:
        head = f"POST /v1/upload?target=drop&path=big HTTP/1.1\r\nHost: {page.netloc}\r\n"
        head += "Transfer-Encoding: chunked\r\n\r\n"
        chunk = b"%x\r\n%s\r\n" % (1_000_000, b"y" * 1_000_000)
        assert page.raw(head.encode() + 4 * chunk).startswith(b"HTTP/1.1 413")
        eventually(lambda: not any(page.place.drop.iterdir()), "nothing of it stays")


def _connected(page: Open, control_socket: str | None) -> socket.socket:
    """A connection to the page, or to the control socket."""
    if control_socket is None:
        return socket.create_connection(("127.0.0.1", page.http.base_url.port or 0))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(control_socket)
    return connection


def test_a_thousand_slow_connections_keep_nobody_from_publishing(tmp_path: Path, hub: LocalHub) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SLOW_CONNECTIONS + 200:
        pytest.skip(f"only {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, SLOW_CONNECTIONS + 200), hard))
    with _opened(tmp_path, hub) as page, ExitStack() as held_open:
        half = f"POST /v1/upload?target=drop&path=s HTTP/1.1\r\nHost: {page.netloc}\r\nContent-Length: 9\r\n\r\n"
        short = held_open.enter_context(place.found([page.place.state_dir]))
        for number in range(SLOW_CONNECTIONS):
            slow = held_open.enter_context(_connected(page, short if number % 4 == 0 else None))
            try:
                slow.sendall(half.encode() if number % 2 else b"GET / HT")
            except OSError:
                continue  # above the bound: ended at once
        page.publishes_on("meanwhile.txt")
        assert len(list(Path(f"/proc/{page.daemon.process.pid}/fd").iterdir())) < SLOW_CONNECTIONS
        assert len(list(page.place.drop.glob(".hf-watch-*.part"))) <= 8
        eventually(lambda: page.place.say("status", "--json").returncode == 0, "the socket answers")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Redirects(Handler):
    """A web server that answers with what its path says."""

    def do_GET(self) -> None:
        where = self.path.partition("to=")[2]
        self.send_response(302 if where else 200)
        if where:
            self.send_header("Location", where)
        if self.path != "/not-said":
            self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"inside")


def test_a_url_leads_nowhere_that_only_this_machine_can_reach(tmp_path: Path, hub: LocalHub) -> None:
    with website(_Redirects) as site, _opened(tmp_path, hub) as page:
        port = httpx2.URL(site).port
        for url, status in (
            (f"http://127.0.0.1:{port}/a", 403), (f"http://localhost:{port}/a", 403), (f"http://[::1]:{port}/a", 403),
            (f"http://[::ffff:127.0.0.1]:{port}/a", 403), (f"http://2130706433:{port}/a", 403),
            ("http://169.254.169.254/latest/meta-data/", 403), ("http://10.0.0.1/a", 403), ("http://0.0.0.0/a", 403),
            ("file:///etc/passwd", 422), ("ftp://127.0.0.1/a", 422), ("nonsense", 422), ("http://u:p@127.0.0.1/a", 422),
        ):  # fmt: skip
            answer = page.http.post("/v1/fetch", json={"target": "drop", "url": url, "path": "a"})
            assert answer.status_code == status, (url, answer.text)
        assert list(page.place.drop.iterdir()) == []
        page.publishes_on("on.txt")


def test_a_redirect_is_followed_so_far_and_no_further(tmp_path: Path, hub: LocalHub) -> None:
    with website(_Redirects) as site, _opened(tmp_path, hub, HF_WATCH_HTTP__FETCH_PRIVATE="true") as page:
        port = httpx2.URL(site).port

        def fetch(path: str) -> httpx2.Response:
            url = f"http://localhost:{port}{path}"
            return page.http.post("/v1/fetch", json={"target": "drop", "url": url})

        assert fetch(f"/?to=http://127.0.0.1:{port}/there.txt").json()["path"] == "there.txt"
        assert (page.place.drop / "there.txt").read_bytes() == b"inside"
        assert fetch("/?to=file:///etc/passwd").status_code == 422
        assert fetch("/loop?to=/loop?to=").status_code in {200, 502, 422}
        assert fetch("/").status_code == 422, "an address without a name needs a path"


def test_what_is_at_a_url_is_no_larger_than_an_upload(tmp_path: Path, hub: LocalHub) -> None:
    more = {"HF_WATCH_HTTP__FETCH_PRIVATE": "true", "HF_WATCH_HTTP__MAX_UPLOAD_BYTES": "5"}
    with website(_Redirects) as site, _opened(tmp_path, hub, **more) as page:
        for path in ("/said", "/not-said"):
            asked = {"target": "drop", "url": f"{site}{path}"}
            assert page.http.post("/v1/fetch", json=asked).status_code == 413, path
        assert list(page.place.drop.iterdir()) == []


def test_without_the_token_there_is_the_page_and_nothing_of_the_daemon(tmp_path: Path, hub: LocalHub) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    with _opened(tmp_path, hub, HF_WATCH_HTTP__TOKEN_FILE=str(file)) as page:
        assert page.http.get("/").status_code == 200
        assert page.http.get("/healthz").status_code == 200
        for path in ("/v1/status", "/metrics", "/readyz", "/v1/openapi.json", "/v1/drops", "/v1/events", "/nothing"):
            for said in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
                assert page.http.get(path, headers=said).status_code == 401, (path, said)
        assert page.upload("a").status_code == 401
        assert page.http.get("/v1/status", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert page.upload("a", Authorization=f"Bearer {TOKEN}").status_code == 200
        assert TOKEN not in page.daemon.log_file.read_text()


def test_an_address_that_others_reach_needs_a_token(tmp_path: Path, hub: LocalHub) -> None:
    at = Place(tmp_path, hub)
    env = {**at.env, "HF_WATCH_HTTP__LISTEN": "0.0.0.0:0"}
    arguments = ["run", str(at.drop), DEST, "--state-dir", str(at.state_dir)]
    with running(arguments, env, tmp_path / "log") as daemon:
        assert daemon.wait() == 78
    assert "http.token_file" in (tmp_path / "log").read_text()


def test_a_busy_port_costs_the_page_and_nothing_else(tmp_path: Path, hub: LocalHub) -> None:
    at = Place(tmp_path, hub)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = {**at.env, "HF_WATCH_HTTP__LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        with at.running(env=env) as daemon:
            daemon.wait_for("page.refused")
            (at.drop / "a").write_text("a")
            daemon.wait_for("commit.recorded")
            assert daemon.stop() == 0


def test_events_are_followed_across_a_reload_until_the_daemon_stops(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub) as page, page.http.stream("GET", "/v1/events") as stream:
        events = map(json.loads, stream.iter_lines())
        (page.place.drop / "a.txt").write_text("a")
        recorded = next(each for each in events if each["event"] == "commit.recorded")
        assert recorded["commit"] == hub.head("dataset", "acme/drop")
        assert page.place.say("reload").returncode == 0
        (page.place.drop / "b.txt").write_text("b")
        assert next(each for each in events if each["event"] == "commit.recorded")["number"] > recorded["number"] + 1
        assert page.daemon.stop() == 0
        assert "service.stopping" in [each["event"] for each in events]


def test_health_is_said_to_machines(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub, HF_WATCH_HEALTH__MAX_LAG_S="1") as page:
        assert page.http.get("/readyz").json() == {"health": "healthy", "problems": []}
        assert page.http.post("/v1/pause", json={}).status_code == 200
        (page.place.drop / "late.txt").write_text("late")
        eventually(lambda: page.http.get("/readyz").status_code == 503, "it is late")
        assert page.http.get("/healthz").status_code == 200
        assert _metrics(page)["hf_watch_healthy"] == 0.0
        assert page.http.post("/v1/resume", json={}).status_code == 200
        eventually(lambda: page.http.get("/readyz").status_code == 200, "it has caught up")
        hub.faults.add("/commit/", Fault(status=422, body='{"error": "not allowed"}'), times=None)
        (page.place.drop / "bad.txt").write_text("bad")
        page.daemon.wait_for("path.quarantined")
        eventually(lambda: page.http.get("/readyz").json()["health"] == "degraded", "it is degraded")
        assert page.http.get("/readyz").status_code == 200
        assert page.place.say("status").returncode == 1


def test_every_series_of_a_target_is_there_before_anything_is_counted(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub) as page:
        found = _metrics(page)
        for name in (
            "files_published_total", "bytes_published_total", "files_deleted_total", "files_set_aside_total",
            "files_skipped_total", "gaps_total", "overflows_total", "commits_total", "visible_seconds_count",
            "commit_duration_seconds_count",
        ):  # fmt: skip
            assert found[f"hf_watch_{name}"] == 0.0, name
        before = _series(page)
        (page.place.drop / "a.txt").write_text("a")
        eventually(lambda: _metrics(page)["hf_watch_commits_total"] == 1.0, "its commit is counted")
        came = {name for name in _series(page) - before if not name.startswith("hf_watch_requests")}
        assert came == set(), "what is counted has the labels of what was there"


def test_the_last_hour_outlives_the_daemon(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub) as page:
        (page.place.drop / "a.txt").write_text("abc")
        page.daemon.wait_for("commit.recorded")
    with page.place.running(env={**page.place.env, "HF_WATCH_HTTP__LISTEN": "127.0.0.1:0"}) as daemon:
        [started] = daemon.wait_for("page.started")
        minutes = httpx2.get(f"{started['url']}v1/recent", timeout=60.0).json()["minutes"]
        assert daemon.stop() == 0
    assert len(minutes) == 60
    assert [sum(each[key] for each in minutes) for key in ("files", "bytes")] == [1, 3]


def test_the_metrics_agree_with_what_was_published(tmp_path: Path, hub: LocalHub) -> None:
    with _opened(tmp_path, hub) as page:
        for number in range(20):
            (page.place.drop / f"{number}.txt").write_text(str(number))
        eventually(lambda: len(held(hub)) == 20, "all are published")
        eventually(lambda: _metrics(page).get("hf_watch_files_published_total") == 20.0, "all are counted")
        found = _metrics(page)
        commits = [each for each in hub.commits("dataset", "acme/drop") if "hf-watch batch" in each.description]
        assert found["hf_watch_commits_total"] == len(commits)
        assert found["hf_watch_bytes_published_total"] == sum(len(str(number)) for number in range(20))
        assert found["hf_watch_visible_seconds_count"] == 20.0
        assert found["hf_watch_watches"] == 1.0
        assert found["hf_watch_requests_total"] == len(hub.requests)


def _series(page: Open) -> set[str]:
    return {line.split()[0] for line in page.http.get("/metrics").text.splitlines() if line.startswith("hf_watch")}


def _metrics(page: Open) -> dict[str, float]:
    return metrics_at(str(page.http.base_url))


class _Beats(Handler):
    """Counts who calls."""

    calls: list[str] = []  # noqa: RUF012  of this module's one server

    def do_GET(self) -> None:
        self.calls.append(self.path)
        self.send_response(200)
        self.end_headers()


def test_the_heartbeat_is_called_and_its_address_is_not_logged(tmp_path: Path, hub: LocalHub) -> None:
    at = Place(tmp_path, hub)
    with (
        website(_Beats) as site,
        at.running(env={**at.env, "HF_WATCH_HEALTH__HEARTBEAT_URL": f"{site}/secret-name"}) as daemon,
    ):
        eventually(lambda: "/secret-name" in _Beats.calls, "it is called")
        assert daemon.stop() == 0
        assert "secret-name" not in json.dumps(daemon.log())
