"""The real command against the local Hub: from a dropped file to its bytes in the repo, across stops and kills."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hf_watch.local_hub import LocalHub
from tests.contents import contents
from tests.eventually import eventually
from tests.running import environment, run, running

DEST = "hf://datasets/acme/drop/incoming"
QUICK = ["--quiet-s", "0.1", "--create-repo"]


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    drop.mkdir()
    return drop


def _held(hub: LocalHub) -> dict[str, bytes]:
    """What the repo holds below incoming/, by relative path."""
    return contents(hub, "dataset", "acme/drop", "incoming/")


def _on_disk(drop: Path) -> dict[str, bytes]:
    return {str(path.relative_to(drop)): path.read_bytes() for path in drop.rglob("*") if path.is_file()}


def test_dropped_files_arrive_byte_for_byte_and_a_restart_asks_for_nothing_more(
    hub: LocalHub, drop: Path, tmp_path: Path
) -> None:
    env = environment(hub.url, tmp_path)
    arguments = ["run", str(drop), DEST, *QUICK]
    (drop / "before.txt").write_bytes(b"there already")
    with running(arguments, env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        (drop / "sub").mkdir()
        (drop / "sub/small.bin").write_bytes(os.urandom(2_000))
        (drop / "large.bin").write_bytes(os.urandom(12 << 20))
        os.rename(_written(tmp_path / "aside", b"renamed"), drop / "renamed.txt")  # noqa: PTH104  said as it happens
        eventually(lambda: daemon.published() >= 4, "4 files published")
        assert daemon.stop() == 0
        assert daemon.events("service.stopped")[0]["left"] == 0
    assert _held(hub) == _on_disk(drop)
    commits = len(hub.commits("dataset", "acme/drop"))
    asked = len(hub.requests)
    with running(arguments, env, tmp_path / "log2") as daemon:
        daemon.wait_for("target.scanned")
        assert daemon.stop() == 0
        assert not daemon.events("commit.recorded")
    assert len(hub.commits("dataset", "acme/drop")) == commits
    assert [request.method for request in hub.requests[asked:]] == ["GET", "GET"]


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_what_changed_while_it_was_down_is_found(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    arguments = ["sync", str(drop), DEST, *QUICK, "--on-delete", "mirror"]
    for name in ("a", "b", "c"):
        (drop / name).write_text(name)
    assert run(arguments, env, tmp_path).returncode == 0
    (drop / "a").write_text("changed")
    (drop / "b").unlink()
    (drop / "d").write_text("new")
    assert run(arguments, env, tmp_path).returncode == 0
    assert _held(hub) == _on_disk(drop) == {"a": b"changed", "c": b"c", "d": b"new"}


def test_a_rename_is_one_commit_in_a_mirror(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    (drop / "old").write_text("content")
    (drop / "stays").write_text("content")
    arguments = ["run", str(drop), DEST, *QUICK, "--on-delete", "mirror"]
    with running(arguments, environment(hub.url, tmp_path), tmp_path / "log") as daemon:
        eventually(lambda: daemon.published() == 2, "both published")
        before = len(hub.commits("dataset", "acme/drop"))
        (drop / "old").rename(drop / "new")
        eventually(lambda: daemon.published() == 4, "the rename published")
        assert daemon.stop() == 0
    assert _held(hub) == {"new": b"content", "stays": b"content"}
    assert len(hub.commits("dataset", "acme/drop")) == before + 1


def test_killed_at_random_moments_it_converges(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    chance = random.Random(20_260)  # noqa: S311  a plan of kills
    env = environment(hub.url, tmp_path)
    arguments = ["run", str(drop), DEST, "--quiet-s", "0.05", "--create-repo", "--on-delete", "mirror"]
    for life in range(8):
        with running(arguments, env, tmp_path / f"log{life}") as daemon:
            events = chance.choice(["service.started", "target.scanned", "commit.recorded"])
            _churn(drop, chance)
            daemon.wait_for(events)
            _churn(drop, chance)
            wanted = chance.randrange(3)
            eventually(lambda: len(daemon.log()) >= wanted, "some progress")  # noqa: B023  used at once
            daemon.kill()
    assert run(["sync", *arguments[1:]], env, tmp_path).returncode == 0
    assert _held(hub) == _on_disk(drop)
    batches = [commit.description for commit in hub.commits("dataset", "acme/drop") if "batch" in commit.description]
    assert len(batches) == len(set(batches))


def _churn(drop: Path, chance: random.Random) -> None:
    for _ in range(12):
        path = drop / f"d{chance.randrange(3)}" / f"f{chance.randrange(10)}"
        path.parent.mkdir(exist_ok=True)
        match chance.randrange(4):
            case 0:
                path.unlink(missing_ok=True)
            case 1 if path.exists():
                path.rename(path.with_name(f"f{chance.randrange(10)}"))
            case _:
                path.write_bytes(chance.randbytes(chance.randrange(1, 3_000)))


def test_sigterm_publishes_what_has_settled_and_a_second_signal_leaves_at_once(
    hub: LocalHub, drop: Path, tmp_path: Path
) -> None:
    env = environment(hub.url, tmp_path)
    with running(["run", str(drop), DEST, *QUICK, "--quiet-s", "1"], env, tmp_path / "log") as daemon:
        daemon.wait_for("target.scanned")
        (drop / "last.txt").write_text("written just before the end")
        assert daemon.stop() == 0
    assert _held(hub) == {"last.txt": b"written just before the end"}
    with running(["run", str(drop), DEST, *QUICK, "--quiet-s", "50"], env, tmp_path / "log2") as daemon:
        daemon.wait_for("target.scanned")
        (drop / "late.txt").write_text("not quiet for a long time")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for("service.stopping")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 1
        assert "second signal" in daemon.events("service.stopped")[0]["reason"]


def test_a_second_daemon_is_refused(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    with running(["run", str(drop), DEST, *QUICK], env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        second = run(["run", str(drop), DEST], env, tmp_path)
        assert second.returncode == 1
        assert f"process {daemon.process.pid}".encode() in second.stderr
        assert run(["plan", str(drop), DEST], env, tmp_path).returncode == 0
        assert daemon.stop() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--quiet-s", "-1"],
        ["--on-delete", "mirror", "--commit-message", "{nonsense}"],
    ],
)
def test_bad_settings_exit_78_with_one_line(hub: LocalHub, drop: Path, tmp_path: Path, arguments: list[str]) -> None:
    ended = run(["run", str(drop), DEST, *arguments], environment(hub.url, tmp_path), tmp_path)
    assert ended.returncode == 78
    assert ended.stderr.count(b"\n") == 1


def test_bad_places_exit_78(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.toml").write_text("[[target]\n")
    for arguments in (
        ["run", str(tmp_path / "file"), DEST],
        ["run", str(drop), "hf://buckets/acme/b"],
        ["run", str(drop), DEST, "--state-dir", str(drop / "state")],
        ["run", "--config", str(tmp_path / "broken.toml")],
        ["sync"],
    ):
        assert run(arguments, env, tmp_path).returncode == 78, arguments
    assert run(["run", str(drop), DEST], {**env, "HF_TOKEN": ""}, tmp_path).returncode == 78


def test_a_missing_root_fails_a_pass_and_is_waited_for_by_the_daemon(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    drop.rmdir()
    assert run(["sync", str(drop), DEST, *QUICK], env, tmp_path).returncode == 1
    assert run(["check", str(drop), DEST], env, tmp_path).returncode == 1
    with running(["run", str(drop), DEST, *QUICK], env, tmp_path / "log") as daemon:
        daemon.wait_for("target.lost")
        drop.mkdir()
        (drop / "a").write_text("a")
        daemon.wait_for("target.found")
        eventually(lambda: daemon.published() == 1, "the file published")
        shutil.rmtree(drop)
        daemon.wait_for("target.lost", count=2)
        assert daemon.stop() == 0
    assert _held(hub) == {"a": b"a"}


def test_a_refused_destination_waits_and_the_others_work(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "hf-watch.toml").write_text(
        f'[[target]]\nsource = "{drop}"\ndest = "hf://datasets/acme/missing"\nquiet_s = 0.1\n'
        f'[[target]]\nsource = "{other}"\ndest = "{DEST}"\nquiet_s = 0.1\ncreate_repo = true\n'
    )
    (drop / "a").write_text("a")
    (other / "b").write_text("b")
    env = environment(hub.url, tmp_path)
    with running(["run"], env, tmp_path / "log") as daemon:
        eventually(lambda: daemon.published() == 1, "the other one published")
        assert httpx2.get(f"{hub.url}/api/datasets/acme/drop").status_code == 401  # strangers see nothing of it
        refused = daemon.wait_for("destination.refused")
        assert "acme/missing" in refused[0]["destination"]
        assert daemon.stop() == 0
    assert _held(hub) == {"b": b"b"}
    assert run(["sync"], env, tmp_path).returncode == 1


def _answer(arguments: list[str], env: dict[str, str]) -> Any:
    return json.loads(run(arguments, env, Path(env["HOME"])).stdout)


@pytest.mark.parametrize(
    ("arguments", "more", "code", "said"),
    [
        (["check", "drop", DEST], {"HF_ENDPOINT": "hub.example"}, 78, "HF_ENDPOINT = 'hub.example'"),
        (["run", "drop", "hf://datasets/acme/drop/\udcff"], {}, 78, "is not UTF-8"),
        (["run", "", DEST], {}, 78, "names no directory"),
        (["push", "caf\udce9", "hf://datasets/acme/drop/"], {}, 1, "caf\\udce9: the name is not UTF-8"),
        (["push", "ftp://host/x", "hf://datasets/acme/drop/"], {}, 1, "only http:// and https://"),
        (["sync", "drop", DEST, "--state-dir", "file/state"], {}, 1, "no state can be kept there"),
        (["sync", "drop", DEST, "--local", "file/hub"], {}, 1, "no local Hub can run there"),
        (["hub", "file/hub"], {}, 1, "no local Hub can run there"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    hub: LocalHub, tmp_path: Path, arguments: list[str], more: dict[str, str], code: int, said: str
) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("")
    ended = run(arguments, {**environment(hub.url, tmp_path), **more}, tmp_path)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr.decode()
    assert ended.stderr.count(b"\n") == 1


def test_a_local_hub_takes_every_target_of_a_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    (tmp_path / "hf-watch.toml").write_text(
        '[[target]]\nsource = "one"\ndest = "hf://datasets/acme/one"\nquiet_s = 0.1\n'
        '[[target]]\nsource = "two"\ndest = "hf://acme/two/below"\nquiet_s = 0.1\n'
    )
    ended = run(["sync", "--local", str(tmp_path / "hub")], environment("", tmp_path), tmp_path)
    assert ended.returncode == 0, ended.stderr
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        assert hub.read("dataset", "acme/one", "a") == b"one"
        assert hub.read("model", "acme/two", "below/a") == b"two"


def test_elsewhere_than_on_linux_it_says_so_in_one_line() -> None:
    code = "import sys; sys.platform = 'darwin'; from hf_watch.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"hf-watch: it runs on Linux only")
    assert ended.stderr.count(b"\n") == 1


def test_the_shell_completes_directories_files_and_choices(tmp_path: Path) -> None:
    def offered(words: str) -> str:
        words_env = {"_HF_WATCH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return run([], environment("", tmp_path, **words_env), tmp_path).stdout.decode().strip()

    assert offered("hf-watch pl") == "plain,plan"
    assert offered("hf-watch run dr") == "dir,dr"
    assert offered("hf-watch push re") == "file,re"
    assert offered("hf-watch run --on-delete m") == "plain,mirror"


def test_plan_check_push_and_config_say_what_they_do(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    (drop / "a.txt").write_text("a")
    (drop / "b.tmp").write_text("b")
    (drop / "link").symlink_to("a.txt")
    assert (
        run(["push", str(drop / "a.txt"), "hf://datasets/acme/drop/", "--create-repo"], env, tmp_path).returncode == 0
    )
    pushed = run(["push", "-", "hf://datasets/acme/drop/piped.txt", "--json"], env, tmp_path, stdin=b"piped")
    answer = json.loads(pushed.stdout)
    assert answer["sha256"] == hashlib.sha256(b"piped").hexdigest()
    assert hub.read("dataset", "acme/drop", "piped.txt") == b"piped"
    planned = json.loads(run(["plan", str(drop), DEST, "--json"], env, tmp_path).stdout)
    assert [item["repo_path"] for item in planned["targets"][0]["upload"]] == ["incoming/a.txt"]
    assert {item["path"] for item in planned["targets"][0]["skip"]} == {"b.tmp", "link"}
    assert planned["total"]["commits"] == 1
    checked = run(["check", str(drop), DEST], env, tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert b"the token may write" in checked.stdout
    levels = {each["check"]: each["level"] for each in _answer(["check", str(drop), DEST, "--json"], env)["checks"]}
    assert levels["settings"] == levels["token"] == levels[f"destination {DEST.removesuffix('/incoming')}@main"] == "ok"
    shown = json.loads(run(["config", str(drop), DEST], env, tmp_path).stdout)
    assert shown["target"][0]["dest"] == DEST
    assert run(["--version"], env, tmp_path).stdout.startswith(b"hf-watch ")


def test_the_commits_of_the_last_hour_count_for_the_next_process(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path, HF_WATCH_COMMIT__BURST="1", HF_WATCH_COMMIT__PER_HOUR="1")
    arguments = [str(drop), DEST, "--create-repo", "--state-dir", str(tmp_path / "state")]
    waits_s = []
    for name in ("a", "b"):
        (drop / name).write_text(name)
        waits_s.append(_answer(["plan", *arguments, "--json"], env)["total"]["next_commit_s"])
        if name == "a":
            assert run(["sync", *arguments, "--quiet-s", "0"], env, tmp_path).returncode == 0
    assert waits_s[0] == 0.0
    assert 0.0 < waits_s[1] <= 3_600.0


def test_the_token_is_nowhere_to_be_seen(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    env = environment(hub.url, tmp_path)
    token = env["HF_TOKEN"].encode()
    (drop / "a").write_text("a")
    with running(["run", str(drop), DEST, *QUICK, "--log-level", "debug"], env, tmp_path / "log") as daemon:
        eventually(lambda: daemon.published() == 1, "published")
        assert daemon.stop() == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file() and tmp_path / "hub" not in path.parents]
    assert (tmp_path / "log") in written
    assert not [path for path in written if token in path.read_bytes()]


def test_a_hub_that_is_down_at_start_is_waited_for(drop: Path, tmp_path: Path) -> None:
    (drop / "a").write_text("a")
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        port = hub.port
    env = environment(f"http://127.0.0.1:{port}", tmp_path)
    with running(["run", str(drop), DEST, *QUICK], env, tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        daemon.wait_for("commit.deferred", count=2)
        with LocalHub(tmp_path / "hub", port=port, open_namespaces=True) as hub:
            eventually(lambda: daemon.published() == 1, "the file published", timeout_s=90.0)
            assert daemon.stop() == 0
            assert _held(hub) == {"a": b"a"}
