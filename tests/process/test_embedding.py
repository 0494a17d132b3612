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
from hf_watch import NotPublishedError
from hf_watch.errors import HfWatchError
from hf_watch.local_hub import LocalHub
from hf_watch.local_hub.faults import Fault
from tests.disk import fill, numbered
from tests.eventually import eventually
from tests.running import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = ("model", "acme/run1")
DEST = "hf://acme/run1"
OTHER_THREADS = ("AnyIO", "hf-watch log")  # the local Hub's, and the one that says what the daemon warns of
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
            {thread.name for thread in threading.enumerate() if not thread.name.startswith(OTHER_THREADS)},
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


def left_unpublished(timeout_s: float | None = None) -> str:
    """What is said of a directory `ckpt` that cannot be published."""
    with pytest.raises(NotPublishedError) as found, hf_watch.watch("ckpt", DEST, flush_timeout_s=timeout_s):
        pass
    return str(found.value)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("timeout_s", [None, 300.0])
def test_what_no_waiting_helps_ends_it_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, timeout_s: float | None
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "ckpt", {"a": b"1", "b": b"1"})
    assert left_unpublished(timeout_s).startswith("2 not published: a, b: 404: Repository not found")
    assert any("destination.refused" in each.getMessage() for each in caplog.records)
    (tmp_path / "ckpt").rename(tmp_path / "aside")
    assert left_unpublished(timeout_s) == "not published: the watched directory is missing"
    assert any("target.lost" in each.getMessage() for each in caplog.records)


def test_a_directory_may_be_made_after_the_beginning(hub: LocalHub, tmp_path: Path) -> None:
    with hf_watch.watch(tmp_path / "later", DEST, create_repo=True):
        fill(tmp_path / "later", {"a": b"1"})
    assert held(hub) == ["a"]


def test_a_token_that_is_refused_ends_it_with_the_reason(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "ckpt", {"a": b"1"})
    hub.faults.add("/api/", Fault(status=401), times=None)
    assert "not published: a: 401" in left_unpublished()


def test_a_hub_that_is_down_is_waited_for_and_said(
    hub: LocalHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.faults.add("/api/", Fault(status=503), times=None)
    with hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True) as watching:
        fill(tmp_path / "ckpt", {"a": b"1"})
        with pytest.raises(NotPublishedError, match=r"1 not published: a: it was not published in time: .*503"):
            watching.flush(timeout_s=1.0)
        eventually(lambda: any("commit.deferred" in each.getMessage() for each in caplog.records), "it is said")
        hub.faults.clear()
    assert held(hub) == ["a"]


@pytest.mark.usefixtures("hub")
def test_a_host_without_logging_sees_on_standard_error_what_is_wrong(tmp_path: Path) -> None:
    code = """
from hf_watch import watch
with watch("nowhere", "hf://acme/run1"): pass
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert found.stderr.startswith("hf-watch: target.lost ")
    assert found.stderr.splitlines()[-1].endswith("NotPublishedError: not published: the watched directory is missing")


def test_mistakes_are_said_in_the_words_of_python(hub: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'quiets': did you mean 'quiet_s'"):
        hf_watch.watch(tmp_path / "ckpt", DEST, quiets=3)
    with pytest.raises(HfWatchError, match="'on_delete'"), hf_watch.watch(tmp_path / "ckpt", DEST, on_delete="all"):
        pass
    watching = hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True)
    with pytest.raises(HfWatchError, match="with statement"):
        watching.flush()
    assert repr(watching) == f"<hf-watch {tmp_path}/ckpt -> {DEST}: not watching>"
    with watching, pytest.raises(HfWatchError, match=r"has begun already: .*watching, process [0-9]+>"), watching:
        pass
    assert held(hub) == []


def test_a_marker_keeps_a_checkpoint_back_that_an_exception_cut_short(hub: LocalHub, tmp_path: Path) -> None:
    def train() -> None:
        with hf_watch.watch(tmp_path / "ckpt", DEST, create_repo=True, group="directory", ready_marker="done"):
            fill(tmp_path / "ckpt", {"step-1/model": b"1", "step-1/done": b"", "step-2/model": b"half"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert held(hub) == ["step-1/done", "step-1/model"]


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
    assert "own daemon imported what calls watch()" in found.stderr.splitlines()[-1]
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
        if b"hf_watch.embedding.beside" in command and os.fsencode(place) in command:
            found.append(command.decode(errors="replace"))
    return found
