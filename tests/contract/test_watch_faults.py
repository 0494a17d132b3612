"""ports.Watch when the kernel refuses, forgets or fails, and when the consumer does; the files are real."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import SourceError
from hf_watch.watches import ObserverName, RootWatch, reasons
from hf_watch.watches import kernel as k
from hf_watch.watches.filesystems import Mount
from tests.eventually import eventually
from tests.faulty import Faulty, event
from tests.mirror import Mirror, agree, mirrored, seen, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.model import Change, Gap


def write(path: Path) -> None:
    path.write_text("x")


def test_at_rest_it_sleeps_until_woken(root: Path, faulty: Faulty) -> None:
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, _):
        write(root / "f")
        (root / "d").mkdir()
        (root / "d").rmdir()
        seen(mirror, "f")
        eventually(lambda: faulty.patience[-1] is None, "nothing is left to be done by time")


def test_one_hint_a_path_for_each_read(root: Path, faulty: Faulty) -> None:
    (root / "d").mkdir()
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, _):
        here, below = faulty.watched["root"], faulty.watched["d"]
        faulty.before = b"".join(
            [
                event(here, k.IN_CREATE, b"a"),
                event(below, k.IN_MODIFY, b"b"),
                *[event(here, k.IN_MODIFY, b"a")] * 100,
                event(here, k.IN_CLOSE_WRITE, b"a"),
                event(below, k.IN_MODIFY, b"b"),
                event(here, k.IN_ATTRIB, b"a"),  # metadata does not hide content
                event(12345, k.IN_MODIFY, b"c"),  # from a watch that was given up
            ]
        )
        (root / "end").touch()
        seen(mirror, "end")
        assert mirror.kinds("a") == ["closed"]
        assert mirror.kinds("d/b") == ["written"]
        assert not mirror.kinds("c")


def test_no_hint_at_a_place_that_is_not_known(root: Path, faulty: Faulty) -> None:
    (root / "d").mkdir()
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, _):
        here, below = faulty.watched["root"], faulty.watched["d"]
        faulty.before = event(below, k.IN_MODIFY, b"f") + event(here, k.IN_MOVED_FROM | k.IN_ISDIR, b"d")
        (root / "end").touch()
        seen(mirror, "end")
        assert {hint.path for hint in mirror.hints} == {"d", "end"}


def fill_the_queue(directory: Path) -> None:
    """More events than the kernel holds: two files in turn, since equal ones in a row count once."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii"))
    with (directory / "one").open("wb", 0) as one, (directory / "two").open("wb", 0) as two:
        for _ in range(limit // 2 + 10):
            one.write(b"x")
            two.write(b"x")


class Slow(Mirror):
    """A consumer that takes as long as the test likes."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.go_on = threading.Event()
        self.go_on.set()

    def put(self, hint: Change | Gap) -> None:
        super().put(hint)
        self.go_on.wait(60)


def test_a_real_overflow(root: Path) -> None:
    (root / "old" / "below").mkdir(parents=True)
    (root / "doomed").mkdir()
    slow = Slow(str(root))
    watch = RootWatch(str(root), slow)
    watch.start()
    slow.scan()
    slow.go_on.clear()
    write(root / "first")
    eventually(lambda: slow.hints, "the consumer is busy")
    fill_the_queue(root)
    (root / "new" / "deep").mkdir(parents=True)
    write(root / "new" / "deep" / "f")
    (root / "old").rename(root / "moved")
    shutil.rmtree(root / "doomed")
    write(root / "moved" / "below" / "f")
    slow.go_on.set()
    eventually(lambda: slow.gaps().get("") == reasons.OVERFLOW, "the overflow is told")
    agree(slow)
    for directory in ("", "new/deep/", "moved/below/"):
        write(root / directory / "later")
        seen(slow, f"{directory}later")
    assert watch.figures().overflows == 1
    watched(watch, 5)
    watch.stop()


def test_an_overflow_gives_up_no_watch(root: Path, faulty: Faulty) -> None:
    for name in ("a", "b"):
        (root / name).mkdir()
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, watch):
        before = dict(faulty.watched)
        faulty.losing = True
        (root / "c").mkdir()
        write(root / "c" / "f")
        eventually(lambda: watch.figures().overflows, "an overflow")
        faulty.losing = False
        eventually(lambda: mirror.gaps().get("") == reasons.OVERFLOW, "it is told")
        agree(mirror)
        assert before.items() <= faulty.watched.items()
        write(root / "c" / "g")
        seen(mirror, "c/g")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOMEM])
def test_no_watch_left_for_some_directories(root: Path, faulty: Faulty, number: int) -> None:
    (root / "a" / "full" / "below").mkdir(parents=True)
    (root / "b").mkdir()
    faulty.refused = {"full": number, "also": number}
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, watch):
        assert watch.polled() == ("a/full",)
        reason = f"no inotify watches left: {errno.errorcode[number]}"
        eventually(lambda: mirror.gaps().get("a/full") == reason, "the gap")
        (root / "b" / "also").mkdir()
        eventually(lambda: watch.polled() == ("a/full", "b/also"), "a new directory without a watch")
        assert mirror.gaps()["b/also"] == reason
        for path in ("f", "a/f", "b/f"):
            write(root / path)
            seen(mirror, path)
        (root / "a").rename(root / "c")
        eventually(lambda: watch.polled() == ("b/also", "c/full"), "it is polled where it is now")
        shutil.rmtree(root / "b")
        eventually(lambda: watch.polled() == ("c/full",), "what is gone is not polled")
        faulty.refused = {}
        (root / "c" / "full").rename(root / "c" / "free")
        eventually(lambda: watch.polled() == (), "it is watched as soon as it can be")
        agree(mirror)
        write(root / "c" / "free" / "below" / "f")
        seen(mirror, "c/free/below/f")


def test_no_watch_left_for_the_root(root: Path, faulty: Faulty) -> None:
    faulty.refused = {"root": errno.ENOSPC}
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, watch):
        assert watch.polled() == ("",)
        assert watch.is_alive()
        eventually(lambda: mirror.gaps() == {"": "no inotify watches left: ENOSPC"}, "the gap")


def no_instance() -> k.Kernel:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize("observer", ["auto", "inotify"])
def test_no_instance_left(root: Path, observer: ObserverName) -> None:
    mirror = Mirror(str(root))
    watch = RootWatch(str(root), mirror, observer=observer, open_kernel=no_instance)
    watch.start()
    assert watch.polled() == ("",)
    assert watch.is_alive()
    assert mirror.gaps() == {"": "no inotify instance left: EMFILE"}


def no_inotify() -> k.Kernel:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def forbidden_inotify() -> k.Kernel:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))  # a sandbox's filter of system calls


@pytest.mark.parametrize(("open_kernel", "name"), [(no_inotify, "ENOSYS"), (forbidden_inotify, "EPERM")])
def test_a_system_without_inotify_is_polled_and_it_is_said(
    root: Path, open_kernel: Callable[[], k.Kernel], name: str
) -> None:
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=open_kernel)) as (mirror, watch):
        assert watch.polled() == ("",)
        assert watch.is_alive()
        assert watch.shortage() is None
        assert mirror.gaps() == {"": f"no inotify on this system: {name}"}
    assert not watch.is_alive()
    assert watch.polled() == ()


def test_a_system_without_inotify_says_what_is_missing(root: Path) -> None:
    with pytest.raises(SourceError, match="no inotify on this system"):
        RootWatch(str(root), Mirror(str(root)), observer="inotify", open_kernel=no_inotify).start()


def test_polling_asks_the_kernel_nothing(root: Path) -> None:
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, observer="polling", open_kernel=no_inotify)) as (
        _,
        watch,
    ):
        assert watch.polled() == ("",)


def test_an_unreadable_directory(root: Path, faulty: Faulty) -> None:
    (root / "secret").mkdir()
    faulty.refused = {"secret": errno.EACCES}
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, watch):
        eventually(lambda: mirror.gaps() == {"secret": reasons.UNREADABLE}, "the gap")
        assert watch.polled() == ()
        faulty.refused = {}
        (root / "secret").chmod(0o700)
        eventually(lambda: mirror.gaps() == {"secret": reasons.READABLE}, "it is tried again")
        write(root / "secret" / "f")
        seen(mirror, "secret/f")


class Failing(Mirror):
    """A consumer that breaks its promise never to raise."""

    failing = False

    def put(self, hint: Change | Gap) -> None:
        if self.failing:
            raise RuntimeError("no room")
        super().put(hint)


def test_a_consumer_that_raises(root: Path) -> None:
    failing = Failing(str(root))
    watch = RootWatch(str(root), failing)
    watch.start()
    failing.scan()
    failing.failing = True
    (root / "d").mkdir()
    write(root / "d" / "lost")
    before = watch.figures().rounds
    write(root / "lost")
    eventually(lambda: watch.figures().rounds > before, "the hint was refused")
    assert watch.is_alive()
    failing.failing = False
    eventually(lambda: failing.gaps().get("") == reasons.HINTS_LOST, "that hints were lost")
    agree(failing)
    write(root / "d" / "later")
    seen(failing, "d/later")
    watch.stop()


def test_a_crash_is_told(root: Path, faulty: Faulty) -> None:
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, watch):
        faulty.failure = OSError(errno.EIO, "broken")
        write(root / "f")
        eventually(lambda: mirror.gaps() == {"": "watch crashed: OSError"}, "the gap")
        assert not watch.is_alive()
        watch.stop()
        faulty.failure = None
        watch.start()
        write(root / "g")
        seen(mirror, "g")


class Asking(Mirror):
    """A consumer that asks, when it hears of the root, whether the watch is alive."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.watch: RootWatch | None = None
        self.was_alive: list[bool] = []

    def put(self, hint: Change | Gap) -> None:
        if not hint.path and self.watch is not None:
            self.was_alive.append(self.watch.is_alive())
        super().put(hint)


def test_whoever_hears_of_a_loss_finds_the_watch_ended(root: Path) -> None:
    asking = Asking(str(root))
    asking.watch = watch = RootWatch(str(root), asking)
    watch.start()
    root.rename(root.parent / "renamed")
    eventually(lambda: asking.was_alive, "the loss is told")
    assert asking.was_alive == [False]
    watch.stop()


def test_the_root_is_unmounted(root: Path, faulty: Faulty) -> None:
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, watch):
        wd = faulty.watched["root"]
        faulty.before = event(wd, k.IN_UNMOUNT) + event(wd, k.IN_IGNORED)
        write(root / "f")
        eventually(lambda: mirror.gaps() == {"": reasons.ROOT_UNMOUNTED}, "the loss is told")
        assert not watch.is_alive()


def test_a_directory_below_is_unmounted(root: Path, faulty: Faulty) -> None:
    (root / "sub").mkdir()
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open)) as (mirror, watch):
        faulty.before = event(faulty.watched["sub"], k.IN_UNMOUNT)
        write(root / "f")
        eventually(lambda: mirror.gaps() == {"sub": reasons.UNMOUNTED}, "the gap")
        write(root / "sub" / "f")
        seen(mirror, "sub/f")
        assert watch.is_alive()


def mounts_of(*mounts: tuple[Path, str]) -> tuple[Mount, ...]:
    return (Mount("/", "ext4"), *(Mount(str(point), kind) for point, kind in mounts))


def test_a_network_mount_below_the_root_is_polled(root: Path) -> None:
    (root / "a" / "net" / "below").mkdir(parents=True)
    (root / "local").mkdir()
    mounts = mounts_of((root / "a" / "net", "nfs4"), (root / "local", "tmpfs"))
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, read_mounts=lambda: mounts)) as (mirror, watch):
        assert watch.polled() == ("a/net",)
        assert watch.figures().watched == 3
        write(root / "a" / "net" / "below" / "f")
        write(root / "local" / "f")
        seen(mirror, "local/f")
        assert mirror.kinds("a/net/below/f") == []


def test_a_network_mount_that_comes_and_goes(root: Path, faulty: Faulty) -> None:
    (root / "a" / "net").mkdir(parents=True)
    mounts = [mounts_of()]
    with mirrored(
        str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open, read_mounts=lambda: mounts[-1])
    ) as (mirror, watch):
        assert watch.polled() == ()
        mounts.append(mounts_of((root / "a" / "net", "nfs4")))
        faulty.remountings.append(True)
        write(root / "f")
        eventually(lambda: watch.polled() == ("a/net",), "it is polled")
        eventually(lambda: mirror.gaps() == {"a/net": reasons.REMOUNTED}, "the gap")
        mounts.append(mounts_of())
        faulty.remountings.append(True)
        write(root / "f")
        eventually(lambda: watch.polled() == (), "it is watched")
        write(root / "a" / "net" / "f")
        seen(mirror, "a/net/f")


def test_a_mount_over_the_root(root: Path, faulty: Faulty) -> None:
    mounts = [mounts_of()]
    with mirrored(
        str(root), lambda at, sink: RootWatch(at, sink, open_kernel=faulty.open, read_mounts=lambda: mounts[-1])
    ) as (mirror, watch):
        mounts.append(mounts_of((root, "tmpfs")))
        faulty.remountings.append(True)
        write(root / "f")
        eventually(lambda: mirror.gaps() == {"": reasons.ROOT_REMOUNTED}, "the loss is told")
        assert not watch.is_alive()


def test_a_root_on_a_network_mount_is_polled(root: Path) -> None:
    mounts = mounts_of((root.parent, "fuse.sshfs"))
    with mirrored(
        str(root), lambda at, sink: RootWatch(at, sink, read_mounts=lambda: mounts, open_kernel=no_inotify)
    ) as (_, watch):
        assert watch.polled() == ("",)


def test_inotify_by_choice_trusts_the_kernel_everywhere(root: Path) -> None:
    (root / "net").mkdir()
    mounts = mounts_of((root.parent, "nfs4"), (root / "net", "cifs"))
    with mirrored(str(root), lambda at, sink: RootWatch(at, sink, observer="inotify", read_mounts=lambda: mounts)) as (
        mirror,
        watch,
    ):
        assert watch.polled() == ()
        write(root / "net" / "f")
        seen(mirror, "net/f")
