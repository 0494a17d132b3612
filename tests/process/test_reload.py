"""SIGHUP: new settings for a process that goes on."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.eventually import eventually
from tests.running import COMMAND, environment, run, running

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.local_hub import LocalHub


def _target(directory: Path, repo: str, **more: object) -> str:
    directory.mkdir(exist_ok=True)
    values = {
        "source": str(directory),
        "dest": f"hf://datasets/acme/{repo}",
        "quiet_s": 0.1,
        "create_repo": True,
        **more,
    }
    return "[[target]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def test_a_reload_puts_new_settings_into_force_and_refuses_wrong_ones(hub: LocalHub, tmp_path: Path) -> None:
    config = tmp_path / "hf-watch.toml"
    one, two = tmp_path / "one", tmp_path / "two"
    config.write_text(_target(one, "one"))
    env = environment(hub.url, tmp_path)
    with running(["run", "--config", str(config)], env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        config.write_text(_target(one, "one") + _target(two, "two"))
        (two / "b").write_text("b")
        daemon.signal(signal.SIGHUP)
        assert daemon.wait_for("settings.reloaded")[0]["added"] == 1
        eventually(lambda: daemon.published() == 1, "the new target's file")

        config.write_text(_target(one, "one", quiet_s=-1) + 'log_level = "loud"\n')
        daemon.signal(signal.SIGHUP)
        assert "quiet_s" in daemon.wait_for("settings.refused")[0]["reason"]
        (one / "a").write_text("a")
        eventually(lambda: daemon.published() == 2, "the old settings hold")

        config.write_text(f"state_dir = {json.dumps(str(tmp_path / 'elsewhere'))}\n" + _target(one, "one"))
        daemon.signal(signal.SIGHUP)
        assert "restart" in daemon.wait_for("settings.refused", count=2)[1]["reason"]

        refused = run(["reload", "--state-dir", str(tmp_path / ".local/state/hf-watch")], env, tmp_path)
        assert (refused.returncode, b"state_dir" in refused.stderr) == (1, True)
        config.write_text(_target(two, "two"))
        assert run(["reload", "--config", str(config)], env, tmp_path).returncode == 0
        assert daemon.wait_for("settings.reloaded", count=2)[1]["removed"] == 1
        assert daemon.stop() == 0
    assert "a" in hub.files("dataset", "acme/one")
    assert "b" in hub.files("dataset", "acme/two")


def test_a_terminal_that_goes_away_ends_what_was_started_on_it(hub: LocalHub, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    arguments = [*COMMAND, "run", str(drop), "hf://datasets/acme/drop", "--create-repo", "--quiet-s", "0.1"]
    env = environment(hub.url, tmp_path)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(COMMAND[0], arguments, env)  # noqa: S606  a terminal of its own needs a fork
    told = b""
    while b"service.started" not in told:
        told += os.read(terminal, 10_000)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ([*COMMAND, "config", "--example"], 1),
        # What the interpreter would flush at its end, as `run` leaves it there: 120 is its code for that.
        (
            [
                sys.executable,
                "-c",
                "import sys; from hf_watch.cli import main as m; sys.stdout.write('1'); m._let_go_of(sys.stdout)",
            ],
            0,
        ),
    ],
)
def test_a_terminal_that_is_gone_is_no_error_to_tell_of(tmp_path: Path, command: list[str], code: int) -> None:
    env = environment("", tmp_path)
    env.pop("PYTHONUNBUFFERED", None)  # it would leave nothing for the end
    master, slave = pty.openpty()
    os.close(master)
    try:
        done = subprocess.run(command, stdout=slave, stderr=subprocess.PIPE, cwd=tmp_path, env=env, check=False)
    finally:
        os.close(slave)
    assert (done.returncode, done.stderr) == (code, b"")
