"""The page behind nginx and Caddy, each set up by the very words of docs/recipes.md.

Only places are others than there: where it listens, sockets of the test's own, its certificate, and the daemon's port.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from hf_watch.local_hub import LocalHub
from tests.eventually import eventually
from tests.running import environment, running
from tests.tutorials import blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECIPES = Path(__file__).parents[2] / "docs" / "recipes.md"
NAME = "drop.example.org"
PATH = f"{os.environ['PATH']}:/usr/sbin"  # where Debian puts nginx
TOKEN = "a-token-of-this-test-alone"  # noqa: S105
HALF = b"0123456789abcdef" * 100_000  # more than a proxy keeps of a body, or takes at all, where it is not told to
# As another user it could not reach the test's directory; without root it is the one who tests, and this is ignored.
WHOLE_NGINX = """\
daemon off;
user root;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
{server}
}}
"""
CADDY_OPTIONS = "{\n    admin off\n    auto_https disable_redirects\n}\n"


@dataclass(frozen=True)
class Ground:
    """Where a proxy and what it stands before are: a directory, a certificate with its key, the daemon's address."""

    place: Path
    certificate: Path
    key: Path
    listen: str

    @property
    def door(self) -> Path:
        return self.place / "proxy.sock"


def _recipe(language: str) -> str:
    [found] = [each.text for each in blocks_of(RECIPES) if each.language == language]
    return found


def _changed(text: str, changes: dict[str, str]) -> str:
    for said, ours in changes.items():
        assert text.count(said) == 1, said
        text = text.replace(said, ours)
    return text


def nginx(ground: Ground) -> list[str]:
    changes = {
        "listen 443 ssl": f"listen unix:{ground.door} ssl", "http://127.0.0.1:8787": f"http://{ground.listen}",
        f"/etc/ssl/{NAME}.pem": str(ground.certificate), f"/etc/ssl/{NAME}.key": str(ground.key),
    }  # fmt: skip
    file = ground.place / "nginx.conf"
    file.write_text(WHOLE_NGINX.format(place=ground.place, server=_changed(_recipe("nginx"), changes)))
    return ["nginx", "-c", str(file), "-e", str(ground.place / "error.log")]


def caddy(ground: Ground) -> list[str]:
    head = f"{NAME} {{\n"
    changes = {
        head: f"{head}    bind unix/{ground.door}\n    tls {ground.certificate} {ground.key}\n",
        "127.0.0.1:8787": ground.listen,
    }
    file = ground.place / "Caddyfile"
    file.write_text(CADDY_OPTIONS + _changed(_recipe("caddyfile"), changes))
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


@contextmanager
def _behind(command: list[str], ground: Ground) -> Iterator[None]:
    env = {"PATH": PATH, "HOME": str(ground.place), "XDG_DATA_HOME": str(ground.place)}
    log = ground.place / "proxy.log"
    program = shutil.which(command[0], path=PATH) or command[0]
    with (
        log.open("wb") as out,
        subprocess.Popen([program, *command[1:]], cwd=ground.place, env=env, stdout=out, stderr=out) as proxy,
    ):
        try:
            eventually(lambda: _is_up(proxy, ground), "the proxy answers")
            yield
        finally:
            proxy.terminate()


def _is_up(proxy: subprocess.Popen[bytes], ground: Ground) -> bool:
    assert proxy.poll() is None, (ground.place / "proxy.log").read_text()
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(ground.door)) == 0


def _client(ground: Ground, **headers: str) -> httpx2.Client:
    context = ssl.create_default_context(cafile=ground.certificate)
    transport = httpx2.HTTPTransport(uds=str(ground.door), verify=context)
    return httpx2.Client(transport=transport, base_url=f"https://{NAME}", timeout=60.0, headers=headers)


def _certified(place: Path) -> tuple[Path, Path]:
    certificate, key = place / "certificate.pem", place / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
            "-out", certificate, "-keyout", key,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def _configuration(place: Path) -> str:
    """The recipe's, with places of the test's own."""
    [found] = [
        each.text for each in blocks_of(RECIPES) if each.language == "toml" and f'hosts = ["{NAME}"]' in each.text
    ]
    changes = {
        "/srv/drop": str(place / "drop"), "/etc/hf-watch/page-token": str(place / "token"),
        "127.0.0.1:8787": "127.0.0.1:0", "[http]": "create_repo = true\n\n[http]",
    }  # fmt: skip
    changed = _changed(found, changes)
    assert tomllib.loads(changed)["http"]["max_upload_bytes"]
    return changed


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_the_page_behind_a_proxy(tmp_path: Path, proxy: Callable[[Ground], list[str]]) -> None:
    if shutil.which(proxy.__name__, path=PATH) is None:
        pytest.skip(f"there is no {proxy.__name__}")
    (tmp_path / "drop").mkdir()
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "hf-watch.toml").write_text(_configuration(tmp_path))
    arguments = ["run", "--config", "hf-watch.toml", "--state-dir", str(tmp_path / "state")]
    with (
        LocalHub(tmp_path / "hub", open_namespaces=True) as hub,
        running(arguments, environment(hub.url, tmp_path), tmp_path / "log") as daemon,
    ):
        [started] = daemon.wait_for("page.started")
        ground = Ground(tmp_path, *_certified(tmp_path), httpx2.URL(started["url"]).netloc.decode())
        command = proxy(ground)
        with _behind(command, ground), _client(ground, Authorization=f"Bearer {TOKEN}") as ours:
            _asks_for_a_token(ground)
            _goes_on_as_it_comes(ours, tmp_path / "drop")
            assert hub.read("dataset", "acme/drop", "sub/big.bin") == HALF * 2
            _refuses_others(ours)
        assert daemon.stop() == 0


def _asks_for_a_token(ground: Ground) -> None:
    with _client(ground) as nobody:
        assert "<h1>" in nobody.get("/").text
        for headers in ({}, {"Authorization": "Bearer another-token-altogether"}):
            assert nobody.get("/v1/status", headers=headers).status_code == 401
            assert nobody.post("/v1/pause", json={}, headers=headers).status_code == 401


def _goes_on_as_it_comes(ours: httpx2.Client, drop: Path) -> None:
    """An upload reaches the disk while it is sent, and its events are heard while the stream goes on."""
    assert ours.get("/v1/status").json()["targets"][0]["state"] in {"scanning", "watching"}

    def body() -> Iterator[bytes]:
        yield HALF
        eventually(
            lambda: any(each.stat().st_size for each in drop.glob(".hf-watch-*.part")), "the first half is there"
        )
        yield HALF

    with ours.stream("GET", "/v1/events") as events:
        lines = events.iter_lines()
        uploaded = ours.post(
            "/v1/upload", params={"target": "drop", "path": "sub/big.bin"}, content=body(),
            headers={"Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"},
        )  # fmt: skip
        assert uploaded.status_code == 200, uploaded.text
        told: dict[str, Any] = {}
        while told.get("event") != "commit.recorded":
            told = json.loads(next(lines))


def _refuses_others(ours: httpx2.Client) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        answer = ours.post("/v1/pause", json={}, headers=headers)
        assert answer.status_code in {421, 403} or not answer.content, "whom the proxy knows not, it says nothing"
    assert ours.get("/v1/status").json()["targets"][0]["state"] == "watching"
