"""The real command when the Hub hangs, or the state directory is not what it should be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hf_watch.local_hub import Fault, LocalHub, Token
from tests.eventually import eventually
from tests.running import environment, run, running

if TYPE_CHECKING:
    from pathlib import Path

DEST = "hf://datasets/acme/drop/incoming"


@pytest.fixture(name="hub")
def _hub(hub: LocalHub) -> LocalHub:
    hub.create_repo("dataset", "acme/drop", private=True)
    return hub


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "a").write_bytes(b"a")
    return drop


def _arguments(verb: str, drop: Path, tmp_path: Path) -> list[str]:
    return [verb, str(drop), DEST, "--quiet-s", "0.1", "--state-dir", str(tmp_path / "state")]


@pytest.mark.parametrize("route", ["/commit/", "/preupload/"])
def test_a_stop_does_not_wait_for_a_hub_that_hangs_and_the_next_start_publishes(
    hub: LocalHub, drop: Path, tmp_path: Path, route: str
) -> None:
    """The client's own time-out is 120 s; a process that waited for it would not be gone within a test's patience."""
    env = environment(hub.url, tmp_path, HF_WATCH_SHUTDOWN_S="0.5")
    hub.faults.add(route, Fault(hang=True), times=None)
    with running(_arguments("run", drop, tmp_path), env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        eventually(lambda: hub.faults.met, "a request that hangs")
        assert daemon.stop() == 0
        (stopped,) = daemon.events("service.stopped")
        assert stopped["left"] == 1
        assert stopped["stuck"] == ["hf://datasets/acme/drop@main"]
    hub.faults.clear()
    assert run(_arguments("sync", drop, tmp_path), env, tmp_path).returncode == 0
    assert hub.read("dataset", "acme/drop", "incoming/a") == b"a"


def test_a_stop_does_not_wait_for_the_rules_of_a_first_start(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    """Compiling them takes seconds, a minute on a busy machine."""
    env = environment(hub.url, tmp_path, HF_WATCH_SHUTDOWN_S="0.1")
    del env["KF_RULE_CACHE_DIR"]  # where the tests have theirs
    with running(_arguments("run", drop, tmp_path), env, tmp_path / "log") as daemon:
        daemon.wait_for("target.scanned")
        eventually(lambda: any("/auth-check" in each.path for each in hub.requests), "files are about to be read")
        assert daemon.stop() == 0
        assert daemon.events("service.stopped")[0].get("stuck") is None
    with running(_arguments("run", drop, tmp_path), env, tmp_path / "log") as daemon:
        eventually(lambda: "incoming/a" in hub.files("dataset", "acme/drop"), "it is published", 200.0)
        assert daemon.stop() == 0


@pytest.mark.parametrize("fault", [Fault(hang=True), Fault(status=503)])
def test_a_pass_that_is_stopped_has_failed_unless_all_is_published(
    hub: LocalHub, drop: Path, tmp_path: Path, fault: Fault
) -> None:
    env = environment(hub.url, tmp_path, HF_WATCH_SHUTDOWN_S="0.5")
    hub.faults.add("/commit/", fault, times=None)
    with running(_arguments("sync", drop, tmp_path), env, tmp_path / "log") as stopped:
        eventually(lambda: hub.faults.met, "a commit that does not get through")
        assert stopped.stop() == 1
        assert "stopped before" in stopped.events("service.stopped")[0]["reason"]
    hub.faults.clear()
    assert run(_arguments("sync", drop, tmp_path), env, tmp_path).returncode == 0


def test_a_token_that_is_renewed_in_its_file_is_read_again(drop: Path, tmp_path: Path) -> None:
    good, place = "hf_" + "g" * 32, tmp_path / "token"
    place.write_text("hf_" + "b" * 32)
    with LocalHub(tmp_path / "hub", tokens={good: Token("acme")}) as hub:
        hub.create_repo("dataset", "acme/drop", private=True)
        env = environment(hub.url, tmp_path, HF_TOKEN_PATH=str(place))
        del env["HF_TOKEN"]
        with running(_arguments("run", drop, tmp_path), env, tmp_path / "log") as daemon:
            (refused,) = daemon.wait_for("destination.refused")
            assert refused["level"] == "error"
            place.write_text(good)
            retry = ["retry", "--state-dir", str(tmp_path / "state")]  # else it is tried again in a minute
            assert run(retry, env, tmp_path).returncode == 0
            eventually(lambda: "incoming/a" in hub.files("dataset", "acme/drop"), "it is published")
            assert daemon.stop() == 0


def test_a_ledger_of_a_newer_release_is_not_touched(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    (tmp_path / "state").mkdir()
    with closing(sqlite3.connect(tmp_path / "state/ledger.sqlite3")) as ledger:
        ledger.execute("PRAGMA user_version = 1000")
    for verb in ("run", "sync", "plan"):
        ended = run(_arguments(verb, drop, tmp_path), env, tmp_path)
        assert ended.returncode == 78
        assert b"newer hf-watch" in ended.stderr


def test_a_corrupt_ledger_costs_no_upload(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    for number in range(60):
        (drop / f"{number}").write_bytes(b"%d" % number)
    assert run(_arguments("sync", drop, tmp_path), env, tmp_path).returncode == 0
    (tmp_path / "state/ledger.sqlite3").write_bytes(b"no ledger")
    asked = len(hub.requests)
    ended = run(_arguments("sync", drop, tmp_path), env, tmp_path)
    assert ended.returncode == 0
    assert b"ledger.set_aside" in ended.stderr
    assert not [each for each in hub.requests[asked:] if "/commit/" in each.path or "/preupload/" in each.path]


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_a_new_hub_on_the_port_of_one_that_is_gone_gets_everything(
    drop: Path, tmp_path: Path, *, is_forgotten: bool
) -> None:
    """What the first one got, the client would take for sent: it remembers that for an address, on the disk."""
    content = os.urandom(1 << 20)
    (drop / "large.bin").write_bytes(content)
    hub = LocalHub(tmp_path / "hub", open_namespaces=True)

    def is_published() -> bool:
        repos = ("dataset", "acme/drop")
        return "incoming/large.bin" in hub.files(*repos) and hub.read(*repos, "incoming/large.bin") == content

    with hub:
        env = environment(hub.url, tmp_path)
        arguments = [*_arguments("run", drop, tmp_path), "--create-repo", "--rescan-s", "1"]
        with running(arguments, env, tmp_path / "log") as daemon:
            daemon.wait_for("commit.recorded")
            assert daemon.stop() == 0
    shutil.rmtree(tmp_path / "hub")
    if is_forgotten:
        shutil.rmtree(tmp_path / "state")
    with hub, running(arguments, env, tmp_path / "log") as daemon:
        daemon.wait_for("commit.recorded")
        eventually(is_published, "the large file is on the Hub")
        assert not daemon.events("path.quarantined")
        assert daemon.stop() == 0


def test_a_local_hub_that_is_removed_takes_with_it_what_the_client_remembers(drop: Path, tmp_path: Path) -> None:
    (drop / "large.bin").write_bytes(os.urandom(1 << 20))
    local = [*_arguments("sync", drop, tmp_path), "--local", str(tmp_path / "hub")]
    env = environment("http://nobody.invalid", tmp_path)
    assert run(local, env, tmp_path).returncode == 0
    assert list((tmp_path / "hub").rglob("shard-cache/*"))
    assert not list((tmp_path / "hf").rglob("shard-cache/*"))


def test_a_restart_asks_a_hub_nothing_that_asked_to_be_left_alone_until_somebody_says_retry(
    hub: LocalHub, drop: Path, tmp_path: Path
) -> None:
    env = environment(hub.url, tmp_path)
    hub.faults.add("/commit/", Fault(429, headers=(("Retry-After", "3600"),)))
    with running(_arguments("run", drop, tmp_path), env, tmp_path / "log") as daemon:
        daemon.wait_for("commit.deferred")
        daemon.kill()
    asked = len(hub.requests)
    with running(_arguments("run", drop, tmp_path), env, tmp_path / "log") as daemon:
        (deferred,) = daemon.wait_for("commit.deferred")
        assert 3_000.0 < deferred["not_before_s"] <= 3_601.0
        assert len(hub.requests) == asked
        assert run(["retry", "--state-dir", str(tmp_path / "state")], env, tmp_path).returncode == 0
        eventually(lambda: "incoming/a" in hub.files("dataset", "acme/drop"), "it is published")
        assert daemon.stop() == 0
