"""A consumer that looks only where hints tell it to: what it knows of the disk is as good as the watch is."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hf_watch.model import Change, Gap
from hf_watch.paths import join, within
from hf_watch.watches import RootWatch
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Files = dict[str, tuple[int, int, int, int]]


def files_below(root: str, directory: str = "") -> Files:
    """Inode, size and both times of every regular file, by path relative to `root`; links are not followed."""
    found: Files = {}
    pending = [directory]
    while pending:
        at = pending.pop()
        try:
            entries = list(os.scandir(f"{root}/{at}"))
        except OSError:
            continue
        for entry in entries:
            path = join(at, entry.name)
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            else:
                _look(root, path, found)
    return found


def directories_below(root: str) -> list[str]:
    """Every directory, `root` among them, as absolute paths."""
    return [at for at, _, _ in os.walk(root)]


def _look(root: str, path: str, found: Files) -> bool:
    """Note the regular file at `path`; whether a directory is there instead."""
    try:
        now = os.lstat(f"{root}/{path}")
    except OSError:
        return False
    if stat.S_ISREG(now.st_mode):
        found[path] = (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
    return stat.S_ISDIR(now.st_mode)


class Mirror:
    """A ports.Sink, and the files of one root as its hints have shown them. `scan` stands for the first scan."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: Files = {}
        self.hints: list[Change | Gap] = []  # all of them, ever
        self._lock = threading.Lock()
        self._applied = 0

    def put(self, hint: Change | Gap) -> None:
        with self._lock:
            self.hints.append(hint)

    def scan(self) -> None:
        self.files = files_below(self.root)

    def catch_up(self) -> None:
        """Look where the hints since the last time point to."""
        with self._lock:
            fresh = self.hints[self._applied :]
            self._applied = len(self.hints)
        gaps = dict.fromkeys(hint.path for hint in fresh if isinstance(hint, Gap))
        for path in dict.fromkeys(hint.path for hint in fresh if isinstance(hint, Change)):
            self.files.pop(path, None)
            if _look(self.root, path, self.files) or path not in self.files:
                gaps[path] = None
        if gaps:
            self._scan_below(set(gaps))

    def _scan_below(self, gaps: set[str]) -> None:
        self.files = {path: file for path, file in self.files.items() if not _is_below(path, gaps)}
        for path in gaps:
            if not _look(self.root, path, self.files) and path:
                continue  # a directory no more
            if not any(within(path, other) for other in gaps if other != path):
                self.files.update(files_below(self.root, path))

    def agrees(self) -> bool:
        """Whether all that is on the disk is known, and nothing else."""
        self.catch_up()
        return self.files == files_below(self.root)

    def changes(self) -> list[Change]:
        return [hint for hint in list(self.hints) if isinstance(hint, Change)]

    def kinds(self, path: str) -> list[str]:
        return [change.kind.value for change in self.changes() if change.path == path]

    def gaps(self) -> dict[str, str]:
        """The latest reason by path."""
        return {hint.path: hint.reason for hint in list(self.hints) if isinstance(hint, Gap)}


def _is_below(path: str, gaps: set[str]) -> bool:
    while path:
        if path in gaps:
            return True
        path = path.rpartition("/")[0]
    return "" in gaps


@contextmanager
def mirrored(root: str, make: Callable[[str, Mirror], RootWatch] = RootWatch) -> Iterator[tuple[Mirror, RootWatch]]:
    """A watch on `root` and the mirror that it feeds; watched first, then scanned."""
    mirror = Mirror(root)
    watch = make(root, mirror)
    watch.start()
    try:
        mirror.scan()
        yield mirror, watch
    finally:
        watch.stop()


def seen(mirror: Mirror, *paths: str) -> None:
    eventually(lambda: all("closed" in mirror.kinds(path) for path in paths), f"writes to {paths!a} are seen")


def watched(watch: RootWatch, directories: int) -> None:
    eventually(lambda: watch.figures().watched == directories, f"{directories} directories are watched, and no other")


def agree(*mirrors: Mirror) -> None:
    for mirror in mirrors:
        eventually(mirror.agrees, f"what is known of {mirror.root!a} agrees with the disk")
