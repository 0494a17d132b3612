"""Commands and web addresses that are told what happened: real processes, a real server."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from hf_watch.afterwards import hooks
from hf_watch.afterwards.hooks import Hooks, HookSpec
from hf_watch.local_hub import LocalHub
from hf_watch.logs.repeats import TOLD_FIRST
from hf_watch.threads.measured import Missed, SetAside
from tests.disk import fill
from tests.eventually import eventually
from tests.running import environment, run
from tests.serving import Handler, website

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ASIDE = SetAside("drop", "a", "too large")
WRITE = """
import json, os, signal, sys
with open(sys.argv[1], "a") as out:
    blocked = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    secrets = [name for name in os.environ if name == "HF_TOKEN"]
    print(json.dumps({"given": json.load(sys.stdin), "blocked": blocked, "secrets": secrets}), file=out)
"""


def writing(file: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", WRITE, str(file))


def told(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def quarantined(*command: str, timeout_s: float = 60.0) -> HookSpec:
    return HookSpec({"quarantined": command}, "", timeout_s)


def test_a_command_gets_the_event_without_our_signals_or_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
    try:
        with Hooks(quarantined(*writing(tmp_path / "out"))) as running:
            running(Missed("drop", "not for hooks"))
            running(ASIDE)
            eventually(lambda: told(tmp_path / "out"), "the command has run")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    event = {"event": "quarantined", "target": "drop", "path": "a", "path_encoded": "a", "reason": "too large"}
    assert told(tmp_path / "out") == [{"given": event, "blocked": [], "secrets": []}]


def test_what_a_command_prints_is_not_mixed_into_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    says = "import sys; print('for nobody'); print('a complaint', file=sys.stderr)"
    assert hooks.run((sys.executable, "-c", says), {"event": "published"}, 60.0) == 0
    assert tuple(capfd.readouterr()) == ("", "a complaint\n")


def test_what_waits_is_told_before_the_end(tmp_path: Path) -> None:
    with Hooks(quarantined(*writing(tmp_path / "out"))) as running:
        running(ASIDE)
        running(ASIDE)
    assert len(told(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/nonexistent/command",), "No such file"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "it ended with 3"),
        ((sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"), "it ended with -9"),
    ],
)
def test_a_command_that_fails_is_named(command: tuple[str, ...], said: str) -> None:
    with capture_logs() as log, Hooks(quarantined(*command)) as running:
        running(ASIDE)
    assert [said in each["reason"] for each in log if each["event"] == "hook.failed"] == [True]


def test_a_command_that_always_fails_is_a_few_lines_and_a_count() -> None:
    with capture_logs() as log, Hooks(quarantined("/nonexistent/command")) as running:
        for _ in range(200):
            running(ASIDE)
    lines = [each for each in log if each["event"] == "hook.failed"]
    assert len(lines) == TOLD_FIRST + 1
    assert lines[-1]["repeated"] == 200 - TOLD_FIRST


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {pid_file}; wait"
    assert hooks.run(("sh", "-c", script), {}, 2.0) is None
    child = int(pid_file.read_text())
    eventually(lambda: not _runs(child), "its child has ended")


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123  one look
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    event = {"files": ["x" * 1000] * 1000}
    assert hooks.run((sys.executable, "-c", ""), event, 60.0) == 0
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_queue_holds_is_dropped_and_said(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    courier = hooks.Courier("hooks", hooks._Commands({"quarantined": ("cat", str(fifo))}, 60.0), hooks.ignore, 1.0)
    with capture_logs() as log:
        for _ in range(hooks.MOST_WAITING + 5):
            courier.take({"event": "quarantined"})
    assert [each["event"] for each in log] == ["hook.dropped"]


def test_a_new_problem_is_told_once(tmp_path: Path) -> None:
    found: list[str] = []
    spec = HookSpec({"degraded": writing(tmp_path / "out")}, "", 60.0)
    with Hooks(spec, lambda: tuple(found), look_s=0.01):
        found.append("drop: it is lost")
        eventually(lambda: told(tmp_path / "out"), "the first is told")
        found.append("drop: deletes are held back")
        eventually(lambda: len(told(tmp_path / "out")) == 2, "the second is told")
    assert [each["given"]["problems"] for each in told(tmp_path / "out")] == [found[:1], found]


@contextmanager
def server(answers: list[int]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server that answers with these codes, in turn, and with 200 afterwards."""
    got: list[dict[str, Any]] = []

    class Told(Handler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

    with website(Told) as address:
        yield f"{address}/told", got


def test_a_web_address_is_posted_the_event_and_tried_again() -> None:
    with server([503, 429]) as (url, got), Hooks(HookSpec({}, url, 60.0)) as running:
        running(ASIDE)
        eventually(lambda: len(got) == 3, "the third attempt")
    assert {json.dumps(each) for each in got} == {
        json.dumps({"event": "quarantined", "target": "drop", "path": "a", "path_encoded": "a", "reason": "too large"})
    }


def test_the_real_command_tells_of_a_commit(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1", "b": b"2"})
    command = json.dumps(list(writing(tmp_path / "out")))
    (tmp_path / "hf-watch.toml").write_text(
        f'[[target]]\nsource = "{tmp_path}/drop"\ndest = "hf://datasets/acme/drop"\ncreate_repo = true\n'
        f"[hooks]\non_published = {command}\n"
    )
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        done = run(["sync", "--state-dir", "state"], environment(hub.url, tmp_path), tmp_path)
        assert done.returncode == 0, done.stderr
        (event,) = [each["given"] for each in told(tmp_path / "out")]
        assert event["commit"] == hub.commits("dataset", "acme/drop")[-1].id
    assert sorted(each["repo_path"] for each in event["files"]) == ["a", "b"]
