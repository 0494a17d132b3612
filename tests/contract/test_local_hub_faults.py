"""The local Hub's scripted faults, its quotas, and the proxy for what only a socket can do."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from hf_watch.local_hub import Fault, LocalHub
from tests.eventually import eventually
from tests.proxy import HOST, Proxy
from tests.visitor import headers, visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO = "acme/drop"
IMPATIENT = httpx2.Timeout(30, read=0.2)  # where no answer is to come


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", open_namespaces=True, commit_quota_per_hour=3) as hub:
        hub.create_repo("model", REPO)
        yield hub


@pytest.fixture(name="proxy")
def _proxy(hub: LocalHub) -> Iterator[Proxy]:
    with Proxy(hub.port) as proxy:
        yield proxy


def commit(endpoint: str, path: str) -> None:
    operations = [CommitOperationAdd(path, path.encode())]
    visitor(endpoint).create_commit(REPO, operations, commit_message="One")


def held(hub: LocalHub) -> set[str]:
    return hub.files("model", REPO).keys() - {".gitattributes"}


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_status_comes_before_or_after_the_effect(hub: LocalHub, *, after_effect: bool) -> None:
    hub.faults.add("/commit/", Fault(status=503, after_effect=after_effect))
    with pytest.raises(HfHubHTTPError) as caught:
        commit(hub.url, "a")
    assert caught.value.response.status_code == 503
    assert held(hub) == ({"a"} if after_effect else set())
    commit(hub.url, "b")
    assert "b" in held(hub)


def test_an_answer_is_cut(hub: LocalHub) -> None:
    hub.faults.add("/commit/", Fault(cut=True, after_effect=True))
    with pytest.raises(httpx2.RemoteProtocolError):
        commit(hub.url, "a")
    assert held(hub) == {"a"}


def test_a_fault_waits_and_works_then(hub: LocalHub) -> None:
    hub.faults.add("/commit/", Fault(delay_s=0.1))
    commit(hub.url, "a")
    assert held(hub) == {"a"}


def test_an_answer_hangs_until_it_is_released(hub: LocalHub) -> None:
    hub.faults.add("/api/whoami-v2", Fault(hang=True))
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(f"{hub.url}/api/whoami-v2", timeout=IMPATIENT)
    hub.faults.release()
    eventually(lambda: any(each.path == "/api/whoami-v2" for each in hub.requests), "the request that hung is over")


def test_commits_beyond_the_quota_are_refused_in_the_hub_s_words(hub: LocalHub) -> None:
    for path in ("a", "b", "c"):
        commit(hub.url, path)
    with pytest.raises(HfHubHTTPError, match=r"rate limit for repository commits \(3 per hour\)") as caught:
        commit(hub.url, "d")
    assert caught.value.response.status_code == 429
    assert '"api";r=0' not in caught.value.response.headers["RateLimit"]  # it is not the API's quota that is used up
    assert held(hub) == {"a", "b", "c"}


def test_requests_beyond_the_quota_are_refused_with_the_time_to_wait(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", open_namespaces=True, api_quota=2) as hub:
        answers = [httpx2.get(f"{hub.url}/api/whoami-v2", headers=headers()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit"].split(";t=")[0] for answer in answers] == [
        '"api";r=1',
        '"api";r=0',
        '"api";r=0',
    ]
    assert answers[0].headers["RateLimit-Policy"] == '"fixed window";"api";q=2;w=300'


def test_the_proxy_passes_on(hub: LocalHub, proxy: Proxy) -> None:
    commit(proxy.url, "a")
    assert held(hub) == {"a"}


@pytest.mark.parametrize("forwarded", [False, True])
def test_the_proxy_resets_before_or_after_the_hub_has_worked(hub: LocalHub, proxy: Proxy, *, forwarded: bool) -> None:
    proxy.reset("/commit/", forwarded=forwarded)
    with pytest.raises(httpx2.TransportError):
        commit(proxy.url, "a")
    assert held(hub) == ({"a"} if forwarded else set())
    commit(proxy.url, "b")
    assert "b" in held(hub)


@pytest.mark.parametrize("forwarded", [False, True])
def test_a_reset_is_no_mere_end(proxy: Proxy, *, forwarded: bool) -> None:
    proxy.reset("/api/whoami-v2", forwarded=forwarded)
    with socket.create_connection((HOST, proxy.port), timeout=30) as peer:
        peer.sendall(b"GET /api/whoami-v2 HTTP/1.1\r\nHost: hub\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            peer.recv(1)


def test_the_proxy_refuses_connections_while_it_is_down(hub: LocalHub, proxy: Proxy) -> None:
    commit(proxy.url, "a")
    with proxy.down(), pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{proxy.url}/api/whoami-v2")
    commit(proxy.url, "b")
    assert held(hub) == {"a", "b"}


def test_the_proxy_holds_an_answer_back(hub: LocalHub, proxy: Proxy) -> None:
    proxy.hang("/commit/", times=2)
    address = f"{proxy.url}/api/models/{REPO}/commit/main"
    lines = b'{"key": "file", "value": {"path": "a", "content": "YQ=="}}\n'
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(address, content=lines, headers=headers(), timeout=IMPATIENT)
    eventually(lambda: held(hub) == {"a"}, "the work is done although nobody hears of it")
    proxy.resume()
    answer = httpx2.post(address, content=lines.replace(b'"a"', b'"b"'), headers=headers())
    assert answer.status_code == 200
