"""What can be told before the first file is published: a line each, with what to do about it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from hf_watch.disk import roots, walking
from hf_watch.errors import HubError, MissingRepoError, UnauthorizedError
from hf_watch.paths import printable
from hf_watch.rules.filters import Filter
from hf_watch.rules.pace import HUB_PER_HOUR
from hf_watch.threads.status import counted
from hf_watch.watches.filesystems import mount_of, mounts_below, read_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hf_watch.model import Destination
    from hf_watch.ports import Hub
    from hf_watch.targets.spec import TargetSpec

INOTIFY = Path("/proc/sys/fs/inotify")
WANTED_QUEUE = 262_144  # a burst of that many changes is seen without a gap; below it a gap costs one scan
MOST_AHEAD_S = 60.0  # a clock that is kept right is far below it
FREE_BYTES = 200 << 20  # the ledger's room; below it a commit may find no place for its intent
COUNTED_DIRECTORIES = 200_000  # counting stops there: above it the limit is what has to be looked at


class Level(Enum):
    """How a check came out; only FAIL makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it is, and what to do unless it is well."""

    name: str
    level: Level
    text: str
    remedy: str = ""


def settings(targets: int) -> Check:
    """How much is watched; a mistake in the settings never comes this far."""
    return Check("settings", Level.OK, f"{counted(targets, 'target')}; `hf-watch config` shows them")


def token(place: str, lack: str | None) -> Check:
    """Where the token is taken from, or why there is none; what it may do is asked at each destination."""
    if lack is None:
        return Check("token", Level.OK, f"from {place}")
    what, _, remedy = lack.partition(": ")
    return Check("token", Level.FAIL, what, remedy or "give this user the right to read it, or set HF_TOKEN")


def pace(per_hour: float) -> Check:
    """Whether the commits set stay below what the Hub takes."""
    if 0 < per_hour <= HUB_PER_HOUR:
        return Check("commits", Level.OK, f"at most {per_hour:g} an hour")
    text = f"commit.per_hour = {per_hour:g}: {'' if per_hour else 'any number, and '}the Hub refuses an account above"
    text += f" about {HUB_PER_HOUR} an hour, for up to an hour"
    return Check("commits", Level.WARN, text, "leave it at 100, or lower where others commit with the same account")


def shared_place(names: Sequence[str], dest: str, what_follows: str) -> Check:
    """Targets that go to one place."""
    text = f"{printable(' and '.join(names))} go to one place, {printable(dest)}; {what_follows}"
    return Check("dest", Level.WARN, text, 'a path of its own for each, or path_in_repo = "{target}/{relpath}"')


def source(spec: TargetSpec) -> Iterator[Check]:
    """The watched directory: there, readable, and how its changes are noticed."""
    name = f"source {spec.name}"
    path = os.path.realpath(spec.source)
    if roots.identity(path) is None:
        yield Check(
            name, Level.FAIL, f"{printable(spec.source)}: no such directory", "create or mount it; `run` waits for it"
        )
        return
    if not os.access(path, os.R_OK | os.X_OK):
        yield Check(name, Level.FAIL, f"{printable(path)}: may not be read", "give this user r-x on it")
        return
    yield Check(name, Level.OK, f"{printable(path)}: readable")
    yield from _written(name, path, spec)
    yield from _file_systems(name, path, spec)


def _written(name: str, path: str, spec: TargetSpec) -> Iterator[Check]:
    """The directories that files are put into or taken from."""
    emptied = [path] if spec.after_upload != "keep" or spec.quarantine_dir else []
    for place in (*emptied, spec.archive_dir, spec.quarantine_dir):
        if place and not _is_writable(_existing(Path(place))):
            text = f"{printable(place)}: cannot be written; what is published would stay where it is"
            yield Check(name, Level.FAIL, text, "give this user rwx on it; in a service's sandbox: ReadWritePaths=")


def clock(ahead_s: float) -> Check:
    """How far the clock here is ahead of the Hub's."""
    way = "ahead of" if ahead_s > 0 else "behind"
    if abs(ahead_s) > MOST_AHEAD_S:
        text = f"{abs(ahead_s):.0f} s {way} the Hub's; far enough off, no secure connection is possible"
        return Check("clock", Level.WARN, text, "set it; timedatectl set-ntp true")
    return Check("clock", Level.OK, f"within {max(abs(ahead_s), 1.0):.0f} s of the Hub's")


def _file_systems(name: str, path: str, spec: TargetSpec) -> Iterator[Check]:
    mounts = read_mounts()
    here = mount_of(path, mounts)
    blind = {below: mount for below, mount in mounts_below(path, mounts).items() if mount.blind}
    if here is not None and here.blind:
        blind[""] = here
    for below, mount in blind.items():
        text = f"{printable(os.path.join(path, below))}: {mount.kind} does not report the changes of other machines"  # noqa: PTH118  the name need not be UTF-8
        yield Check(name, Level.WARN, text, f"nothing: it is scanned every {spec.poll_s:g} s (poll_s)")
    if not blind:
        yield Check(name, Level.OK, f"{here.kind if here else 'unknown file system'}: changes are seen as they happen")


def watch_limits(specs: Sequence[TargetSpec]) -> Iterator[Check]:
    """Whether the kernel's limits let every directory be watched."""
    allowed = _limit("max_user_watches")
    if allowed is None:
        yield Check("inotify", Level.WARN, "this system has no inotify", "nothing: directories are scanned instead")
        return
    directories = sum(_directories(spec) for spec in specs)
    yield _limited(
        "watches", f"{counted(directories, 'directory', 'directories')} to watch", directories, allowed, 65_536
    )
    yield _limited("instances", counted(len(specs), "watched root"), len(specs), _limit("max_user_instances") or 0, 512)
    queue = _limit("max_queued_events") or 0
    remedy = (
        "" if queue >= WANTED_QUEUE else f"for storms of changes: sysctl fs.inotify.max_queued_events={WANTED_QUEUE}"
    )
    yield Check("inotify queue", Level.OK, f"{queue} events", remedy)


def _limited(what: str, wanted: str, needed: int, allowed: int, usual: int) -> Check:
    """Whether what the user may have is enough, with as much again for the user's other programs."""
    text = f"{wanted}, {allowed} allowed"
    if 2 * needed <= allowed:
        return Check(f"inotify {what}", Level.OK, text)
    level = Level.FAIL if needed > allowed else Level.WARN
    return Check(f"inotify {what}", level, text, f"sysctl fs.inotify.max_user_{what}={max(2 * needed, usual)}")


def _limit(name: str) -> int | None:
    try:
        return int((INOTIFY / name).read_text())
    except OSError:
        return None


def _directories(spec: TargetSpec) -> int:
    count = 0
    for _ in walking.walk(spec.source, "", Filter(hidden=True)):
        count += 1
        if count >= COUNTED_DIRECTORIES:
            break
    return count


def state_directory(path: Path) -> Check:
    """Whether the ledger can be written."""
    existing = _existing(path)
    if not _is_writable(existing):
        return Check("state", Level.FAIL, f"{path}: cannot be written", "give this user the directory, or --state-dir")
    free = shutil.disk_usage(existing).free
    if free < FREE_BYTES:
        return Check("state", Level.WARN, f"{path}: only {free >> 20} MB free", "make room: nothing is lost meanwhile")
    return Check("state", Level.OK, f"{path}: writable, {free >> 20} MB free")


def _existing(path: Path) -> Path:
    """`path` itself, or the nearest above it that is there."""
    return next((place for place in (path, *path.parents) if os.access(place, os.F_OK)), Path("/"))


def _is_writable(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)


def cache_directory(path: Path) -> Check:
    """Whether large files can be sent: their transfer keeps a cache below HF_HOME."""
    if not _is_writable(_existing(path)):
        return Check("cache", Level.FAIL, f"{path}: cannot be written; large files would fail", "set HF_HOME elsewhere")
    return Check("cache", Level.OK, f"{path}: writable")


def unasked(place: Destination) -> Check:
    """A destination when there is no token to ask with."""
    return Check(f"destination {place}", Level.WARN, "not asked: there is no token", "see `token` above")


def destination(place: Destination, hub: Hub, *, create_repo: bool, not_public: Sequence[str] = ()) -> Check:
    """Whether the token may commit there, and the targets publish there; those `not_public` not if everybody reads."""
    name = f"destination {place}"
    try:
        hub.check_write()
        state = hub.state()
    except MissingRepoError as error:
        if create_repo:
            return Check(name, Level.OK, "does not exist yet; it will be created")
        remedy = "create it, correct dest, set create_repo = true, or take a token that may see it"
        return Check(name, Level.FAIL, str(error), remedy)
    except UnauthorizedError as error:
        return Check(name, Level.FAIL, str(error), "a fine-grained token with write access to this repo: HF_TOKEN")
    except HubError as error:
        return Check(name, Level.FAIL, str(error), "the network, a proxy, HF_ENDPOINT; `run` goes on trying")
    if state.is_public and not_public:
        text = f"everybody may read this repo, and {', '.join(not_public)} is not meant for that"
        return Check(name, Level.FAIL, text, "make it private, or add `allow_public = true` to the target's table")
    return Check(name, Level.OK, "the token may write")
