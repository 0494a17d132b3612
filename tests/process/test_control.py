"""Seeing and steering the real daemon with the real commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.control import place
from hf_watch.control.client import connected
from hf_watch.local_hub.faults import Fault
from tests.disk import numbered
from tests.eventually import eventually
from tests.running import COMMAND, environment, run, running
from tests.steered import DEST, Place, flushed_under_a_storm, held

if TYPE_CHECKING:
    from hf_watch.local_hub import LocalHub

CLIENTS = 100


def test_status_says_that_all_is_well_and_that_nothing_runs(hub: LocalHub, at: Place) -> None:
    with at.running() as daemon:
        (at.drop / "a.txt").write_text("a")
        daemon.wait_for("commit.recorded")
        assert at.say("flush", "--wait").returncode == 0
        found = at.say("status")
        assert found.returncode == 0, found.stderr
        assert b"watching" in found.stdout
        assert hub.head("dataset", "acme/drop").encode() in found.stdout
        by_names = run(
            ["status", str(at.drop), DEST, "--json"], {**at.env, "HF_WATCH_STATE_DIR": str(at.state_dir)}, at.drop
        )
        assert by_names.returncode == 0, by_names.stderr
        assert hub.head("dataset", "acme/drop").encode() in at.say("history").stdout
        assert daemon.stop() == 0
    ended = at.say("status")
    assert ended.returncode == 3
    assert b"not running" in ended.stderr
    assert at.say("flush", "--wait").returncode == 3


def test_status_is_shown_again_and_again_until_it_is_interrupted(at: Place) -> None:
    with at.running() as daemon:
        command = [sys.executable, "-m", "hf_watch", "status", "--watch", "--json", "--state-dir", str(at.state_dir)]
        with subprocess.Popen(command, env=at.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
            assert watching.stdout is not None
            for _ in range(2):
                assert json.loads(watching.stdout.readline())["health"] == "healthy"
            watching.send_signal(signal.SIGINT)
            _, said = watching.communicate(timeout=60)
        assert b"Traceback" not in said
        assert daemon.stop() == 0


def test_history_names_the_commit_that_published_a_path_last(hub: LocalHub, at: Place) -> None:
    (at.drop / "d").mkdir()
    with at.running() as daemon:
        (at.drop / "a.txt").write_text("a")
        (at.drop / "d" / "b.txt").write_text("b")
        assert at.say("flush", "--wait").returncode == 0
        first = hub.head("dataset", "acme/drop")
        (at.drop / "a.txt").write_text("another")
        assert at.say("flush", "--wait").returncode == 0
        latest = hub.head("dataset", "acme/drop")
        assert latest != first
        found = at.say("history", str(at.drop / "a.txt"))
        assert found.returncode == 0, found.stderr
        assert latest.encode() in found.stdout
        below = json.loads(at.say("history", "d", "--json").stdout)["files"]
        assert [(each["path"], each["repo_path"], each["bytes"]) for each in below] == [
            ("d/b.txt", "incoming/d/b.txt", 1)
        ]
        assert below[0]["commit"] in {
            each["commit"] for each in json.loads(at.say("history", "--json").stdout)["commits"]
        }
        assert at.say("history", "nothing").returncode == 1
        assert at.say("history", "/elsewhere").returncode == 1
        assert daemon.stop() == 0


def test_a_name_that_no_text_holds_is_asked_for_as_the_answers_name_it(at: Place) -> None:
    name = os.fsdecode(b"\xff\n\xe2\x80\xae")
    (at.drop / name).write_text("x")
    (at.drop / "%FF%0A%E2%80%AE").write_text("it looks like that one")
    with at.running() as daemon:
        [told] = daemon.wait_for("path.quarantined")
        assert told["path_encoded"] == "%FF%0A%E2%80%AE"
        assert at.say("flush", "--wait").returncode == 1
        [target] = at.status()["targets"]
        [aside] = target["quarantine"]
        assert (aside["path"], aside["path_encoded"]) == ("\\udcff\\n\\u202e", told["path_encoded"])
        assert f"--encoded {told['path_encoded']}".encode() in at.say("status").stdout
        [left] = json.loads(at.say("flush", "--wait", "--json").stdout)["left"]
        assert left["path_encoded"] == told["path_encoded"]
        for path in (aside["path_encoded"], f"{target['source_encoded']}/{aside['path_encoded']}"):
            assert b"1 path" in at.say("retry", "--encoded", path).stdout
        daemon.wait_for("path.quarantined", count=3)
        assert at.say("history", "--encoded", aside["path_encoded"]).returncode == 1
        found = json.loads(at.say("history", aside["path_encoded"], "--json").stdout)["files"]
        assert [each["path_encoded"] for each in found] == ["%25FF%250A%25E2%2580%25AE"]
        for refused in (["retry", "--encoded"], ["retry", "--encoded", "%f"], ["history", "--encoded", "a b"]):
            assert at.say(*refused).returncode == 2
        whole = f"{target['source_encoded']}/{aside['path_encoded']}"
        explained = at.say("explain", "--encoded", "--json", whole, str(at.drop), DEST)
        assert explained.returncode == 0, explained.stderr
        [explanation] = json.loads(explained.stdout)["targets"]
        assert explanation["path_encoded"] == aside["path_encoded"]
        assert "is not UTF-8" in explanation["verdict"]
        assert explanation["running"].startswith("watching")
        assert daemon.stop() == 0


def test_a_daemon_that_was_killed_does_not_run_and_the_next_one_answers(at: Place) -> None:
    with at.running() as daemon:
        daemon.kill()
        assert os.path.lexists(at.state_dir / place.NAME), "the socket was left behind"
        assert at.say("status").returncode == 3
    with at.running() as daemon:
        assert at.say("status").returncode == 0
        assert daemon.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_servers_in_its_threads_take_no_signals(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "drop").mkdir()
    state = ["--state-dir", str(tmp_path / "state")]
    env = environment("http://127.0.0.1:9", tmp_path)
    with running(["run", "drop", DEST, "--local", str(tmp_path / "hub"), *state], env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        assert run(["status", *state], env, tmp_path).returncode == 0
        daemon.signal(number)
        assert daemon.wait() == 0
        assert daemon.events("service.stopping")[0]["reason"] == number.name


def test_status_answers_while_the_hub_does_not(hub: LocalHub, at: Place) -> None:
    with at.running(env={**at.env, "HF_WATCH_HEALTH__MAX_LAG_S": "1"}) as daemon:
        eventually(lambda: hub.requests, "the Hub to be asked")
        hub.faults.add("/commit/", Fault(hang=True), times=None)
        (at.drop / "a.txt").write_text("a")
        eventually(lambda: at.status()["targets"][0]["in_flight"] == 1, "the commit under way")
        assert at.say("pause").returncode == 0
        eventually(lambda: at.status()["health"] == "late", "it to be late")
        assert at.say("status").returncode == 1
        left = at.say("flush", "--wait", "--timeout", "0.1", "--json")
        assert left.returncode == 1
        assert json.loads(left.stdout)["published"] is False
        hub.faults.clear()
        assert daemon.stop() == 0


def test_a_pause_outlives_the_daemon(hub: LocalHub, at: Place) -> None:
    with at.running() as daemon:
        assert at.say("pause", "drop").returncode == 0
        assert at.say("pause", "other").returncode == 1
        daemon.kill()
    (at.drop / "a.txt").write_text("a")
    with at.running() as daemon:
        daemon.wait_for("target.scanned")
        eventually(lambda: at.status()["targets"][0]["waiting"] == 1, "the file to be noticed")
        flush = at.say("flush", "--wait")
        assert flush.returncode == 1
        assert b"a.txt" in flush.stdout
        assert b"paused" in flush.stdout
        assert not daemon.events("commit.recorded")
        assert at.say("resume").returncode == 0
        assert at.say("flush", "--wait").returncode == 0
        assert held(hub) == {"a.txt"}
        assert daemon.stop() == 0


def test_retry_publishes_what_was_set_aside(hub: LocalHub, at: Place) -> None:
    with at.running() as daemon:
        (at.drop / "first.txt").write_text("first")
        daemon.wait_for("commit.recorded")
        hub.faults.add("/commit/", Fault(status=422, body='{"error": "this content is not allowed"}'), times=None)
        (at.drop / "bad.txt").write_text("bad")
        daemon.wait_for("path.quarantined")
        assert at.status()["targets"][0]["quarantined"] == 1
        assert at.say("status").returncode == 1
        flush = at.say("flush", "--wait")
        assert flush.returncode == 1
        assert b"not allowed" in flush.stdout
        hub.faults.clear()
        retried = run(["retry", "drop/bad.txt", "--state-dir", str(at.state_dir)], at.env, at.directory)
        assert retried.returncode == 0, retried.stderr
        assert at.say("flush", "--wait").returncode == 0
        assert held(hub) == {"first.txt", "bad.txt"}
        assert at.say("status").returncode == 0
        assert at.say("retry", "/elsewhere").returncode == 1
        for name in ("nope", "bad.txt"):
            in_vain = at.say("retry", name)
            assert (in_vain.returncode, b"nothing to try again" in in_vain.stderr) == (1, True), in_vain
        all_is_well = at.say("retry")
        assert (all_is_well.returncode, b"nothing is set aside" in all_is_well.stdout) == (0, True), all_is_well
        assert daemon.stop() == 0


def test_flush_waits_for_everything_that_was_there(hub: LocalHub, at: Place) -> None:
    flushed_under_a_storm(hub, at, times=5)


def test_a_hundred_clients_are_answered_and_the_files_go_on(hub: LocalHub, at: Place) -> None:
    with at.running() as daemon:
        for name, content in numbered(100).items():
            (at.drop / name).write_bytes(content)

        def ask(_: int) -> str:
            with connected([at.state_dir]) as client:
                return client.status().targets[0].target

        with ThreadPoolExecutor(CLIENTS) as clients:
            assert list(clients.map(ask, range(CLIENTS))) == ["drop"] * CLIENTS
        assert at.say("flush", "--wait").returncode == 0
        assert held(hub) == set(numbered(100))
        assert daemon.stop() == 0


def test_a_client_that_waits_does_not_hold_up_a_stop(hub: LocalHub, at: Place) -> None:
    with at.running() as daemon, place.found([at.state_dir]) as short, socket.socket(socket.AF_UNIX) as waiting:
        eventually(lambda: hub.requests, "the Hub to be asked")
        at.say("flush", "--wait")
        hub.faults.add("/preupload/", Fault(status=503), times=None)
        (at.drop / "a.txt").write_text("a")
        waiting.connect(short)
        waiting.sendall(b'POST /v1/flush HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"wait": true}')
        daemon.wait_for("commit.deferred")
        assert daemon.stop() == 0
        waiting.settimeout(30.0)
        answer = waiting.recv(65_536)
    assert b'"published":false' in answer
    assert b"a.txt" in answer


def test_a_flush_ends_once_only_a_person_can_help(at: Place) -> None:
    with at.running() as daemon:
        at.drop.rename(at.directory / "aside")
        daemon.wait_for("target.lost")
        flush = at.say("flush", "--wait")
        assert flush.returncode == 1
        assert b"drop: all of it  (the watched directory is missing)" in flush.stdout
        arguments = ["flush", "--wait", "--timeout", "60", "--state-dir", str(at.state_dir)]
        waiting = subprocess.Popen([*COMMAND, *arguments], env=at.env)
        eventually(lambda: _has_a_socket(waiting.pid), "it asks")
        assert at.status()["targets"][0]["state"] == "lost"
        (at.directory / "aside").rename(at.drop)
        assert waiting.wait(60.0) == 0, "a person helped meanwhile"
        assert daemon.stop() == 0


def _has_a_socket(pid: int) -> bool:
    try:
        return any(str(each.readlink()).startswith("socket:") for each in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # one was closed meanwhile
        return False


def test_a_flush_ends_where_the_hub_refuses_the_repo(at: Place) -> None:
    (at.drop / "a.txt").write_text("a")
    with at.running("--no-create-repo") as daemon:
        daemon.wait_for("destination.refused")
        flush = at.say("flush", "--wait")
        assert flush.returncode == 1
        assert b"drop: a.txt  (" in flush.stdout
