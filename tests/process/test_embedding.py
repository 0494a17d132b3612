"""`from hf_watch import watch`: nothing is lost at the end, and the host is left as it was."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from huggingface_hub.utils import _http

import hf_watch
from hf_watch.embedding import NotPublishedError
from hf_watch.errors import HfWatchError
from hf_watch.local_hub import LocalHub
from tests.disk import fill, numbered
from tests.eventually import eventually
from tests.running import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = ("model", "acme/run1")
DEST = "hf://acme/run1"
HOST = """
import os, pathlib, sys
from hf_watch import watch
with watch(sys.argv[1], "hf://acme/run1", create_repo=True, quiet_s=0.1):
    pathlib.Path(sys.argv[1], "a").write_text("1")
    print("written", flush=True)
    os._exit(9) if sys.argv[2] == "dies" else sys.stdin.read()
"""

SCRIPT = """
import pathlib
from hf_watch import watch
with open("runs", "a") as runs:
    print("once", file=runs)
with watch("ckpt", "hf://acme/run1", create_repo=True, quiet_s=0.1):
    pathlib.Path("ckpt", "a").write_text("1")
"""  # nothing guards it from being imported


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as running:
        for name, value in environment(running.url, tmp_path, XDG_STATE_HOME=str(tmp_path / "state")).items():
            monkeypatch.setenv(name, value)
        (tmp_path / "ckpt").mkdir()
        yield running


def held(hub: LocalHub) -> list[str]:
    try:
        return sorted(path for path in hub.files(*REPO) if path != ".gitattributes")
    except KeyError:
        return []  # the repo is not created yet


def test_what_is_there_at_the_end_is_published(hub: LocalHub, tmp_path: Path) -> None:
    with hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True, quiet_s=30) as watching:
        fill(tmp_path / "ckpt", {"a": b"1"})
        watching.flush()
        assert held(hub) == ["a"]
        assert watching.status().targets[0].state == "watching"
        fill(tmp_path / "ckpt", numbered(50))
    assert held(hub) == [*numbered(50), "a"]


def test_a_host_keeps_what_is_its_own(hub: LocalHub, tmp_path: Path) -> None:
    def own() -> tuple[object, ...]:
        return (
            signal.pthread_sigmask(signal.SIG_BLOCK, []),
            [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)],
            list(logging.getLogger().handlers), logging.getLogger().level, structlog.get_config(),
            _http._GLOBAL_CLIENT_FACTORY,
            {thread.name for thread in threading.enumerate() if not thread.name.startswith("AnyIO")},  # the local Hub's
        )  # fmt: skip

    before = own()
    with hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True):
        assert own() == before
    assert own() == before
    assert held(hub) == []


def test_an_exception_of_the_host_is_its_own_and_what_was_written_is_published(hub: LocalHub, tmp_path: Path) -> None:
    def train() -> None:
        with hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True):
            fill(tmp_path / "ckpt", {"a": b"1"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert held(hub) == ["a"]


def test_what_cannot_be_published_is_named(hub: LocalHub, tmp_path: Path) -> None:
    fill(tmp_path / "ckpt", {"good": b"1"})
    bad = os.fsdecode(b"bad-\xff")
    (tmp_path / "ckpt" / bad).write_bytes(b"1")
    with (
        pytest.raises(NotPublishedError, match="1 not published: bad"),
        hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True),
    ):
        pass
    assert held(hub) == ["good"]


def test_settings_that_are_wrong_and_a_second_process_are_refused_in_a_line(hub: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(HfWatchError, match="quiet_s"), hf_watch.watch(tmp_path / "ckpt", DEST, quiet_s=-1):
        pass
    first = hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True)
    with first, pytest.raises(HfWatchError, match="process"), hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True):
        pass
    assert held(hub) == []


def script(directory: Path, name: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(SCRIPT)
    return directory / name


def test_a_script_may_be_called_like_a_module_of_the_daemon(hub: LocalHub, tmp_path: Path) -> None:
    subprocess.run([sys.executable, script(tmp_path, "structlog.py")], cwd=tmp_path, check=True)
    assert (tmp_path / "runs").read_text() == "once\n"
    assert held(hub) == ["a"]


def test_a_daemon_that_imports_its_host_all_the_same_starts_no_other(hub: LocalHub, tmp_path: Path) -> None:
    named = script(tmp_path / "path", "structlog.py")
    found = subprocess.run(
        [sys.executable, named], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(named.parent)}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 1
    assert "own daemon imported the module that calls watch()" in found.stderr.splitlines()[-1]
    assert (tmp_path / "runs").read_text() == "once\n" * 2
    assert held(hub) == []


@pytest.mark.parametrize("how", ["dies", "is killed"])
def test_a_host_that_is_gone_leaves_no_process_and_loses_nothing(hub: LocalHub, tmp_path: Path, how: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOST, str(tmp_path / "ckpt"), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"written\n"
        host.kill()
    eventually(lambda: held(hub) == ["a"], "what was written is published", timeout_s=120.0)
    eventually(lambda: not companions(tmp_path), "no process is left", timeout_s=120.0)


def companions(place: Path) -> list[str]:
    """The processes that watch something below a directory."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_bytes()
        except OSError:
            continue
        if b"hf_watch.beside" in command and os.fsencode(place) in command:
            found.append(command.decode(errors="replace"))
    return found
