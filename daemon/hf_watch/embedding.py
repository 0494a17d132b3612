"""`watch` for Python programs: the daemon beside the program that asks for it, in a process of its own.

So the host keeps its signal mask, its logging, its HTTP client and its interpreter to itself (docs/decisions/0004).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import platformdirs

from hf_watch.control.client import connected
from hf_watch.errors import HfWatchError, NotRunningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hf_watch.control.contract import FlushView, StatusView

LOOK_AGAIN_S = 0.05
START_S = 120.0  # a large directory on a slow disk is watched by then
STOP_S = 60.0
SHOWN_LEFT = 5
COMMAND = (sys.executable, "-P", "-m", "hf_watch.beside")  # -P: a module of the host's directory is not the daemon's
INSIDE = "_HF_WATCH_BESIDE"  # set for the daemon: a module that it imports all the same may call `watch`


class NotPublishedError(HfWatchError):
    """Something that was on the disk is not on the Hub; the text says what and why. The next `watch` finds it again."""


class Watching:
    """A directory that is being published. Safe from any thread; made by `watch`."""

    def __init__(self, process: subprocess.Popen[bytes], state_dir: Path, log: IO[bytes]) -> None:
        self._process = process
        self._state_dir = state_dir
        self._log = log

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when all that is in the directory now is on the Hub.

        Raises NotPublishedError when it is not within `timeout_s`, or will not be by waiting; HfWatchError when the
        daemon ended.
        """
        with self._told_why(), connected([self._state_dir]) as client:
            found = client.flush(wait=True, timeout_s=timeout_s)
        if not found.published:
            raise NotPublishedError(_left(found))

    def status(self) -> StatusView:
        """How it is doing; HfWatchError when the daemon ended."""
        with self._told_why(), connected([self._state_dir]) as client:
            return client.status()

    def _begin(self) -> None:
        """Return when it watches: what is written from now on is noticed."""
        until = time.monotonic() + START_S
        while True:
            if self._watches():
                return
            if self._process.poll() is not None:
                raise HfWatchError(self._last_words())
            if time.monotonic() >= until:
                raise HfWatchError(f"it did not begin to watch within {START_S:.0f} s: {self._last_words()}")
            time.sleep(LOOK_AGAIN_S)

    def _watches(self) -> bool:
        """Whether the daemon, this one and no other, has begun."""
        try:
            with connected([self._state_dir]) as client:
                found = client.status()
        except NotRunningError:
            return False
        return found.pid == self._process.pid and all(each.state != "starting" for each in found.targets)

    def _end(self) -> None:
        """Let the daemon publish what it can, and see it end."""
        if self._process.stdin is not None:
            self._process.stdin.close()  # it takes that for the end of its host
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def _told_why(self) -> Iterator[None]:
        try:
            yield
        except NotRunningError as error:
            raise HfWatchError(f"the daemon ended: {self._last_words()}") from error

    def _last_words(self) -> str:
        """The end of what the daemon wrote."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextmanager
def watch(
    source: str | os.PathLike[str],
    dest: str,
    *,
    flush_timeout_s: float | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    **settings: object,
) -> Iterator[Watching]:
    """Publish what settles in the directory `source` to `dest`, an `hf://` URI, while the context lasts.

    At its end everything that is there is published, within `flush_timeout_s` if given; NotPublishedError says what is
    not. An exception of the body is raised all the same, with a note if something was not published.

    `settings` are those of a target, as options of `hf-watch run` have them: `create_repo=True`, `quiet_s=5`,
    `exclude=["*.tmp"]`; what is not given comes from the environment, as for the command. What was published is
    remembered in `state_dir`, by default one of the user's for this source and dest: a second process that watches the
    same raises HfWatchError. A daemon whose host was killed publishes what has settled, and ends.
    """
    if INSIDE in os.environ:
        raise HfWatchError("hf-watch's own daemon imported the module that calls watch(): its name hides another one's")
    place = Path(state_dir) if state_dir is not None else _own_place(source, dest)
    command = [*COMMAND, "run", *_options(settings), "--state-dir", str(place)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*command, "--", os.fspath(source), dest], stdin=subprocess.PIPE, stdout=log, stderr=log,
            env={**os.environ, INSIDE: "1"}, start_new_session=True,  # a Ctrl-C is the host's to handle: it flushes
        )  # fmt: skip
        watching = Watching(process, place, log)
        try:
            watching._begin()  # noqa: SLF001  its other half
            yield from _until_flushed(watching, flush_timeout_s)
        finally:
            watching._end()  # noqa: SLF001  as above


def _until_flushed(watching: Watching, timeout_s: float | None) -> Iterator[Watching]:
    try:
        yield watching
    except BaseException as error:
        try:
            watching.flush(timeout_s)
        except HfWatchError as failure:
            error.add_note(f"hf-watch: {failure}")
        raise
    watching.flush(timeout_s)


def _own_place(source: str | os.PathLike[str], dest: str) -> Path:
    key = os.fsencode(os.path.realpath(source)) + b"\0" + dest.encode()
    return platformdirs.user_state_path("hf-watch") / f"python-{hashlib.sha256(key).hexdigest()[:12]}"


def _options(settings: Mapping[str, object]) -> Iterator[str]:
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
            continue
        if isinstance(value, dict):
            yield f"--{flag}={json.dumps(value)}"
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            yield f"--{flag}={each}"


def _left(flush: FlushView) -> str:
    shown = "; ".join(f"{each.path}: {each.reason}" for each in flush.left[:SHOWN_LEFT])
    more = f"; and {flush.left_count - SHOWN_LEFT} more" if flush.left_count > SHOWN_LEFT else ""
    return f"{flush.left_count} not published: {shown}{more}"
