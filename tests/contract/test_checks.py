"""What `check` says of the disk, the kernel's limits and the destination, and what is to be done about it."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import pytest

from hf_watch.cli.console import any_failed, checks_json, checks_text
from hf_watch.errors import HubError, RetryableError, UnauthorizedError
from hf_watch.hub import clock
from hf_watch.inspection import checks
from hf_watch.inspection.checks import Check, Level
from hf_watch.local_hub import LocalHub
from tests.engine import DESTINATION, target_spec
from tests.fake_hub import FakeHub, Fault


def test_a_directory_that_is_there_is_well_and_one_that_is_not_fails(tmp_path: Path) -> None:
    assert next(check.level for check in checks.source(target_spec(tmp_path))) is Level.OK
    (missing,) = checks.source(target_spec(tmp_path / "missing"))
    assert missing.level is Level.FAIL
    assert "create or mount it" in missing.remedy


def test_the_watches_that_are_needed_are_counted(tmp_path: Path) -> None:
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
    watches = next(checks.watch_limits([target_spec(tmp_path)]))
    assert watches.text.startswith("4 directories to watch")


def test_a_root_each_takes_an_instance(tmp_path: Path) -> None:
    allowed = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    for roots, level in ((1, Level.OK), (allowed // 2 + 1, Level.WARN), (allowed + 1, Level.FAIL)):
        _, instances, _ = checks.watch_limits([target_spec(tmp_path)] * roots)
        assert (instances.name, instances.level) == ("inotify instances", level)
        assert instances.text == f"{roots} watched root{'s' if roots > 1 else ''}, {allowed} allowed"
    assert instances.remedy.startswith("sysctl fs.inotify.max_user_instances=")


def test_where_state_or_cache_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    assert checks.state_directory(tmp_path / "new/state").level is not Level.FAIL
    assert checks.cache_directory(tmp_path).level is Level.OK
    (tmp_path / "file").touch(mode=0o777)
    assert checks.state_directory(tmp_path / "file/state").level is Level.FAIL
    assert checks.cache_directory(tmp_path / "file/cache").level is Level.FAIL


def test_a_drop_folder_that_is_emptied_must_be_writable(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (tmp_path / "file").touch()
    archive = {"after_upload": "archive", "archive_dir": str(tmp_path / "archive")}
    assert all(check.level is Level.OK for check in checks.source(target_spec(drop, **archive)))
    assert not (tmp_path / "archive").exists(), "a check makes nothing"
    spec = target_spec(drop, **{**archive, "archive_dir": str(tmp_path / "file/archive")})
    [failed] = [check for check in checks.source(spec) if check.level is Level.FAIL]
    assert "file/archive: cannot be written" in failed.text
    assert "ReadWritePaths=" in failed.remedy


@pytest.mark.parametrize(
    ("ahead_s", "level"), [(0.2, Level.OK), (-59.0, Level.OK), (90.0, Level.WARN), (-7e5, Level.WARN)]
)
def test_a_clock_that_is_off_is_named(ahead_s: float, level: Level) -> None:
    assert checks.clock(ahead_s).level is level


def test_the_hub_s_clock_is_read_from_its_answers(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        for off_s in (0.0, 3600.0):
            ahead_s = clock.ahead_s(hub.url, lambda: time.time() + off_s)  # noqa: B023  used at once
            assert ahead_s is not None
            assert off_s - 1.0 <= ahead_s < off_s + 60.0, "a date has no parts of a second"
    assert clock.ahead_s(hub.url, time.time) is None


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (UnauthorizedError("403: no"), "a fine-grained token with write access"),
        (RetryableError("no answer"), "the network, a proxy, HF_ENDPOINT"),
    ],
)
def test_a_destination_that_refuses_says_what_to_do(error: HubError, remedy: str) -> None:
    hub = FakeHub()
    hub.script["check_write"] = deque([Fault(error)])
    found = checks.destination(DESTINATION, hub, create_repo=False)
    assert (found.level, found.text) == (Level.FAIL, str(error))
    assert remedy in found.remedy


def test_a_missing_repo_fails_unless_it_will_be_created() -> None:
    hub = FakeHub()
    hub.exists = False
    assert "create_repo = true" in checks.destination(DESTINATION, hub, create_repo=False).remedy
    assert checks.destination(DESTINATION, hub, create_repo=True).level is Level.OK
    hub.exists = True
    assert checks.destination(DESTINATION, hub, create_repo=False).text == "the token may write"


def test_a_check_is_a_line_with_its_remedy_and_the_same_in_json() -> None:
    found = [Check("state", Level.OK, "writable"), Check("source a\nb", Level.FAIL, "gone", "create it")]
    assert list(checks_text(found)) == ["ok    state: writable", "fail  source a\\nb: gone  → create it"]
    assert checks_json(found)["checks"][0] == {"check": "state", "level": "ok", "text": "writable", "remedy": None}
    assert any_failed(found)
    assert not any_failed(found[:1])


@pytest.mark.parametrize(
    ("per_hour", "level"), [(100, Level.OK), (128, Level.OK), (129, Level.WARN), (1e5, Level.WARN), (0, Level.WARN)]
)
def test_more_commits_than_the_hub_takes_are_named(per_hour: float, level: Level) -> None:
    found = checks.pace(per_hour)
    assert found.level is level
    assert bool(found.remedy) == (level is Level.WARN)
