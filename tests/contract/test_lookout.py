"""A watch that is kept running: real watches on real files, over a kernel that fails when the test says so."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.model import Shortage
from hf_watch.targets import lookout as lo
from hf_watch.targets.lookout import Lookout
from hf_watch.threads.shortfall import Shortfall
from hf_watch.watches import RootWatch, limits
from hf_watch.watches import kernel as k
from tests.disk import fill, without_privileges
from tests.engine import Engine, target_spec
from tests.eventually import eventually
from tests.fake_hub import FakeHub
from tests.faulty import Faulty
from tests.mirror import Mirror, seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hf_watch.ports import Sink
    from hf_watch.targets.spec import TargetSpec

NEVER_S = 1e9


@pytest.fixture
def watch(root: Path, faulty: Faulty) -> Iterator[RootWatch]:
    watch = RootWatch(str(root), Mirror(str(root)), open_kernel=faulty.open, retry_s=0.01)
    yield watch
    watch.stop()


def crash(watch: RootWatch, faulty: Faulty, root: Path) -> None:
    faulty.failure = OSError(errno.EIO, "broken")
    (root / "f").write_text("x")
    eventually(lambda: not watch.is_alive(), "the watch crashed")
    faulty.failure = None


def test_a_root_that_cannot_be_watched_is_named_once(watch: RootWatch, root: Path) -> None:
    lookout = Lookout(watch, "drop", Shortfall())
    with capture_logs() as logs:
        for _ in range(2):
            root.rmdir()
            assert [lookout.start() for _ in range(3)] == [False] * 3
            root.mkdir()
            assert lookout.start()
            lookout.stop()
    assert [each["event"] for each in logs] == ["watch.refused"] * 2


def test_a_watch_that_ended_is_started_anew_at_first_at_once_then_more_and_more_slowly(
    watch: RootWatch, faulty: Faulty, root: Path
) -> None:
    lookout = Lookout(watch, "drop", Shortfall())
    assert lookout.start()
    now, pauses = 1_000.0, []
    with capture_logs() as logs:
        for _ in range(8):
            crash(watch, faulty, root)
            assert lookout.polled() == ("",)
            began = now
            if (moment := lookout.next_start()) is not None and moment > now:
                assert not lookout.tend(now)
                now = moment
            assert lookout.tend(now)
            pauses.append(now - began)
            assert watch.is_alive()
            assert lookout.next_start() is None
    assert pauses == [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert [each["event"] for each in logs if each["event"] != "watch.crashed"] == ["watch.restarted"] * 8
    crash(watch, faulty, root)
    assert lookout.tend(now + lo.STEADY_S + lo.LONGEST_PAUSE_S)  # it ran well for long: at once again


def test_a_crash_loses_nothing(tmp_path: Path, root: Path, faulty: Faulty) -> None:
    def watch_of(spec: TargetSpec, sink: Sink) -> RootWatch:
        return RootWatch(spec.source, sink, open_kernel=faulty.open)

    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(root, rescan_s=NEVER_S, poll_s=NEVER_S)], hub, watch_of=watch_of)
    with capture_logs() as logs, engine.running() as running:
        running.go_on(10.0)
        faulty.failure = OSError(errno.EIO, "broken")
        fill(root, {"unseen": b"unseen"})
        eventually(lambda: [each for each in logs if each["event"] == "watch.crashed"], "the crash")
        faulty.failure = None

        def published(name: str) -> bool:
            running.turn()
            return f"incoming/{name}" in hub.repo.files

        eventually(lambda: published("unseen"), "what the crash hid")
        fill(root, {"later": b"later"})
        eventually(lambda: published("later"), "what the new watch saw")
        for target in running.worker._targets:
            target.stop()
    events = [each["event"] for each in logs]
    assert events.count("watch.restarted") == 1
    assert "target.lost" not in events


def test_a_root_that_may_not_be_listed_is_named_once_and_taken_up_when_it_may(tmp_path: Path, root: Path) -> None:
    def watch_of(spec: TargetSpec, sink: Sink) -> RootWatch:
        return RootWatch(spec.source, sink)

    fill(root, {"a": b"a"})
    root.chmod(0)
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(root)], hub, watch_of=watch_of)
    with capture_logs() as logs, without_privileges(), engine.running() as running:
        running.go_on(3_600.0)
        said = [each["event"] for each in logs]
        assert (said.count("watch.refused"), said.count("target.lost")) == (1, 1)
        root.chmod(0o700)
        running.go_on(10.0)
        assert hub.repo.files == {"incoming/a": b"a"}
        for target in running.worker._targets:
            target.stop()


def test_missing_watches_are_named_in_figures_until_they_are_to_be_had(
    watch: RootWatch, faulty: Faulty, root: Path
) -> None:
    (root / "full" / "below").mkdir(parents=True)
    faulty.refused = {"full": errno.ENOSPC}
    lookout = Lookout(watch, "drop", Shortfall())
    with capture_logs() as logs:
        lookout.start()
        assert lookout.polled() == ("full",)
        assert lookout.tend(0.0)  # a scan is asked for, once, to count the directories
        assert not lookout.tend(1.0)
        for _ in range(3):
            lookout.weigh(3)
        shortage = limits.of_watches()
        assert logs == [
            {
                "event": "watch.limited", "log_level": "warning", "target": "drop", "setting": shortage.setting,
                "reason": "no inotify watches left; what has none is polled", "limit": shortage.limit, "missing": 2,
                "needed": shortage.limit + 2,
            }
        ]  # fmt: skip
        lookout.weigh(5)  # twice as many
        assert [each["missing"] for each in logs] == [2, 4]
        faulty.refused = {}
        eventually(lambda: not watch.polled(), "it is watched")
        assert not lookout.tend(2.0)
        assert logs[-1]["event"] == "watch.restored"


def test_a_missing_instance_is_asked_for_again(root: Path, faulty: Faulty) -> None:
    left: list[k.Kernel] = []

    def open_kernel() -> k.Kernel:
        if not left:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return left.pop()

    mirror = Mirror(str(root))
    watch = RootWatch(str(root), mirror, open_kernel=open_kernel)
    lookout = Lookout(watch, "drop", Shortfall())
    with capture_logs() as logs:
        lookout.start()
        lookout.weigh(1)
        assert lookout.polled() == ("",)
        for now in (0.0, 30.0, 60.0):
            lookout.tend(now)
        assert len(mirror.hints) == 1  # said once
        left.append(faulty.open())
        assert lookout.tend(90.0)
        assert lookout.polled() == ()
        (root / "f").write_text("x")
        seen(mirror, "f")
    watch.stop()
    assert [each["event"] for each in logs] == ["watch.limited", "watch.restored"]
    assert logs[0]["missing"] == 1


def test_what_several_targets_lack_is_named_together(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two", "three")]
    shortfall = Shortfall()
    watches = []
    for root in roots:
        (root / "full" / "below").mkdir(parents=True)
        faulty = Faulty()
        faulty.refused = {"full": errno.ENOSPC}
        watches.append((RootWatch(str(root), Mirror(str(root)), open_kernel=faulty.open, retry_s=0.01), faulty))
    lookouts = [Lookout(watch, root.name, shortfall) for root, (watch, _) in zip(roots, watches, strict=True)]
    with capture_logs() as logs:
        for each in lookouts:
            each.start()
            each.weigh(3)
        assert [each["missing"] for each in logs] == [2, 4, 6]
        assert [each["needed"] - each["limit"] for each in logs] == [2, 4, 6]
        first, faulty = watches[0]
        faulty.refused = {}
        eventually(lambda: not first.polled(), "it is watched")
        lookouts[0].tend(0.0)
        lookouts[1].stop()  # a target that a reload took away
        lookouts[2].weigh(5)
        assert logs[-1]["missing"] == 4
    for each in lookouts:
        each.stop()


def test_of_two_limits_the_lower_one_is_named(tmp_path: Path) -> None:
    for name, value in {"fs/inotify/max_user_watches": 8192, "user/max_inotify_watches": 15}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    assert limits.of_watches(tmp_path) == Shortage("watches", "user.max_inotify_watches", 15)
    (tmp_path / "user/max_inotify_watches").write_text("8192\n")
    assert limits.of_watches(tmp_path) == Shortage("watches", "fs.inotify.max_user_watches", 8192)


def test_a_right_that_is_given_later_is_noticed(watch: RootWatch, faulty: Faulty, root: Path) -> None:
    (root / "closed").mkdir()
    faulty.refused = {"closed": errno.EACCES}
    mirror = watch._sink
    assert isinstance(mirror, Mirror)
    watch.start()
    eventually(lambda: "closed" in mirror.gaps(), "the gap")
    faulty.refused = {}  # without an event: by a group, an ACL, a mount option
    eventually(lambda: mirror.gaps()["closed"] == "directory became readable", "it is tried again")
    (root / "closed" / "f").write_text("x")
    seen(mirror, "closed/f")
