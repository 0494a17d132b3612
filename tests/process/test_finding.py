"""Which daemon a command talks to, by what it was started with or by nothing at all."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.running import environment, run, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hf_watch.local_hub import LocalHub
    from tests.running import Running

DEST = "hf://datasets/acme/drop"


@contextmanager
def _daemon(*arguments: str, env: dict[str, str], log: Path) -> Iterator[Running]:
    with running(["run", *arguments, "--create-repo", "--quiet-s", "0.1"], env, log) as daemon:
        daemon.wait_for("service.started")
        yield daemon


def test_the_one_daemon_of_a_user_is_found_by_nothing_at_all(hub: LocalHub, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    for name in ("drop", "other", "elsewhere"):
        (tmp_path / name).mkdir()
    nothing = run(["status"], env, elsewhere)
    assert (nothing.returncode, b"not running" in nothing.stderr) == (3, True), nothing.stderr
    with _daemon("drop", DEST, env=env, log=tmp_path / "killed") as killed:
        killed.kill()  # its socket stays
    with _daemon("other", DEST, env=env, log=tmp_path / "log") as daemon:
        for command in (["pause", "other"], ["resume"], ["retry"], ["history"], ["reload"], ["status"]):
            found = run(command, env, elsewhere)
            assert found.returncode == 0, (command, found.stderr)
        state_dir = daemon.events("service.started")[0]["state_dir"]
        assert json.loads(run(["status", "--json"], env, elsewhere).stdout)["state_dir"] == state_dir
        assert state_dir.encode() in run(["status"], env, elsewhere).stdout
        with _daemon("drop", DEST, env=env, log=tmp_path / "log2") as second:
            several = run(["status"], env, elsewhere)
            assert several.returncode == 3
            for said in (b"--state-dir", state_dir.encode(), b"other -> hf://", b"drop -> hf://"):
                assert said in several.stderr
            assert run(["status", "--state-dir", state_dir], env, elsewhere).returncode == 0
            assert second.stop() == 0
        assert daemon.stop() == 0


def test_a_mistake_in_the_file_hides_no_daemon_and_is_refused_by_it(hub: LocalHub, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    (tmp_path / "drop").mkdir()
    config = tmp_path / "hf-watch.toml"
    right = f'[[target]]\nsource = "drop"\ndest = "{DEST}"\ncreate_repo = true\n'
    config.write_text(right)
    with running(["run"], env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        wrong = (right + "quiet_s = -1\n", "log_levle = 'info'\n" + right, "quiet_s = 1\n" + right, right + "[[")
        for count, text in enumerate(wrong, 1):
            config.write_text(text)
            for command in (["status"], ["flush"], ["pause"], ["resume"]):
                found = run(command, env, tmp_path)
                assert found.returncode == 0, (text, command, found.stderr)
            refused = run(["reload"], env, tmp_path)
            assert (refused.returncode, b"hf-watch.toml" in refused.stderr) == (1, True), refused.stderr
            assert "hf-watch.toml" in daemon.wait_for("settings.refused", count=count)[-1]["reason"]
        assert daemon.stop() == 0
    unreadable = run(["status"], env, tmp_path)
    assert (unreadable.returncode, b"not TOML" in unreadable.stderr) == (78, True), unreadable.stderr
    config.write_text(right + "quiet_s = -1\n")
    assert run(["status"], env, tmp_path).returncode == 3
    absent = run(["status", "--config", "nowhere.toml"], env, tmp_path)
    assert (absent.returncode, b"cannot be read" in absent.stderr) == (78, True), absent.stderr


def test_a_mistake_in_a_dotenv_hides_no_daemon(hub: LocalHub, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    for name in ("drop", "elsewhere"):
        (tmp_path / name).mkdir()
    (elsewhere / ".env").write_text("HF_WATCH_QUIET_S 3\n")
    with _daemon("drop", DEST, env=env, log=tmp_path / "log") as daemon:
        for command in (["status"], ["flush"], ["pause"], ["resume"]):
            found = run(command, env, elsewhere)
            assert found.returncode == 0, (command, found.stderr)
        assert daemon.stop() == 0
    nobody = run(["status"], env, elsewhere)
    assert (nobody.returncode, b".env: line 1 cannot be read" in nobody.stderr) == (78, True), nobody.stderr
