"""`watch` for Python programs: the daemon beside the program that asks for it, in a process of its own.

So the host keeps its signal mask, its logging, its HTTP client and its interpreter to itself (docs/decisions/0005).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import platformdirs

from hf_watch.control.client import connected
from hf_watch.embedding.companion import INSIDE, Companion
from hf_watch.errors import HfWatchError, NotRunningError
from hf_watch.settings.settings import TargetSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hf_watch.control.contract import FlushView, StatusView

LOOK_AGAIN_S = 0.05
START_S = 120.0  # a large directory on a slow disk is watched by then
SHOWN_LEFT = 5
KEYWORDS = {*TargetSettings.model_fields, "config", "local", "log_level"} - {"source", "dest"}


class NotPublishedError(HfWatchError):
    """Something that was on the disk is not on the Hub; the text says what and why. The next `watch` finds it again."""


class Watching:
    """A directory that is published while its `with` block lasts. Safe from any thread; made by `watch`."""

    def __init__(
        self, source: str, dest: str, state_dir: Path, settings: Mapping[str, object], flush_timeout_s: float | None
    ) -> None:
        self._source = source
        self._dest = dest
        self._state_dir = state_dir
        self._settings = settings
        self._flush_timeout_s = flush_timeout_s
        self._companion: Companion | None = None
        self._opened = ExitStack()

    def __repr__(self) -> str:
        how = "not watching" if self._companion is None else f"watching, process {self._companion.pid}"
        return f"<hf-watch {self._source} -> {self._dest}: {how}>"

    def __enter__(self) -> Self:
        """Return when it watches: what is written from now on is noticed. Raises HfWatchError when it cannot."""
        if INSIDE in os.environ:
            raise HfWatchError("hf-watch's own daemon imported what calls watch(): that module's name hides another's")
        if self._companion is not None:
            raise HfWatchError(f"it has begun already: {self!r}")
        options = [*_options(self._settings), "--state-dir", str(self._state_dir)]
        with ExitStack() as opened:
            companion = opened.enter_context(Companion(["run", *options, "--", self._source, self._dest]))
            self._await_beginning(companion)
            self._companion, self._opened = companion, opened.pop_all()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        with self._opened:
            try:
                self.flush(self._flush_timeout_s)
            except HfWatchError as failure:
                if error is None:
                    raise
                error.add_note(f"hf-watch: {failure}")
            finally:
                self._companion = None

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when all that is in the directory now is on the Hub.

        Raises NotPublishedError when it is not within `timeout_s`, or will not be by waiting: the directory is missing,
        the Hub refuses the token or the repo, a file cannot be published. A Hub that does not answer is waited for.
        HfWatchError when the daemon ended.
        """
        with self._told_why(), connected([self._state_dir]) as client:
            found = client.flush(wait=True, timeout_s=timeout_s, gives_up=True)
        if not found.published:
            raise NotPublishedError(_left(found))

    def status(self) -> StatusView:
        """How it is doing; HfWatchError when the daemon ended."""
        with self._told_why(), connected([self._state_dir]) as client:
            return client.status()

    def _await_beginning(self, companion: Companion) -> None:
        until = time.monotonic() + START_S
        while not self._watches(companion):
            if companion.has_ended():
                raise HfWatchError(_as_keywords(companion.last_words(), self._settings))
            if time.monotonic() >= until:
                raise HfWatchError(f"it did not begin to watch within {START_S:.0f} s: {companion.last_words()}")
            time.sleep(LOOK_AGAIN_S)

    def _watches(self, companion: Companion) -> bool:
        """Whether the daemon, this one and no other, has begun."""
        try:
            with connected([self._state_dir]) as client:
                found = client.status()
        except NotRunningError:
            return False
        return found.pid == companion.pid and all(each.state != "starting" for each in found.targets)

    @contextmanager
    def _told_why(self) -> Iterator[None]:
        companion = self._companion
        if companion is None:
            raise HfWatchError("it watches inside of a with statement only: `with watch(...) as w:`")
        try:
            yield
        except NotRunningError as error:
            raise HfWatchError(f"the daemon ended: {companion.last_words()}") from error


def watch(
    source: str | os.PathLike[str],
    dest: str,
    *,
    flush_timeout_s: float | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    **settings: object,
) -> Watching:
    """Publish what settles in the directory `source` to `dest`, an `hf://` URI, while a `with` block of it lasts.

    At its end everything that is there is published, within `flush_timeout_s` if given; NotPublishedError says what is
    not. An exception of the body is raised all the same, with a note if something was not published.

    `settings` are those of a target, as options of `hf-watch run` have them: `create_repo=True`, `quiet_s=5`,
    `exclude=["*.tmp"]`; TypeError for a name that is none. What is not given comes from the environment, as for the
    command. What was published is remembered in `state_dir`, by default one of the user's for this source and dest: a
    second process that watches the same raises HfWatchError. A daemon whose host was killed publishes what has settled,
    and ends.

    With `group="directory"` a directory is one commit, but only its writer knows when it is complete: after an
    exception or a kill a half-written one is published as it is. Only `ready_marker`, the name of the file that comes
    last in each, prevents that.

    What the daemon warns of is said by the logger `hf_watch`.
    """
    for name in settings:
        if name not in KEYWORDS:
            like = "".join(f": did you mean {each!r}?" for each in difflib.get_close_matches(name, KEYWORDS, 1))
            raise TypeError(f"watch() got an unexpected keyword argument {name!r}{like}")
    place = Path(state_dir) if state_dir is not None else _own_place(source, dest)
    return Watching(os.fspath(source), dest, place, settings, flush_timeout_s)


def _own_place(source: str | os.PathLike[str], dest: str) -> Path:
    key = os.fsencode(os.path.realpath(source)) + b"\0" + dest.encode()
    return platformdirs.user_state_path("hf-watch") / f"python-{hashlib.sha256(key).hexdigest()[:12]}"


def _options(settings: Mapping[str, object]) -> Iterator[str]:
    for name, value in settings.items():
        flag = _flag(name)
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
            continue
        if isinstance(value, dict):
            yield f"--{flag}={json.dumps(value)}"
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            yield f"--{flag}={each}"


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _as_keywords(text: str, names: Iterable[str]) -> str:
    """A complaint of the command line in the words of Python."""
    for name in names:
        text = text.replace(f"--{_flag(name)}", name)
    return text


def _left(flush: FlushView) -> str:
    """What is not on the Hub, each reason once."""
    paths: dict[str, list[str]] = {}
    for each in flush.left[:SHOWN_LEFT]:
        paths.setdefault(each.reason, []).extend([each.path] if each.path else [])
    shown = "; ".join(f"{', '.join(sorted(of))}: {reason}" if of else reason for reason, of in paths.items())
    more = f"; and {flush.left_count - SHOWN_LEFT} more" if flush.left_count > SHOWN_LEFT else ""
    return (
        f"{flush.left_count} not published: {shown}{more}" if any(paths.values()) else f"not published: {shown}{more}"
    )
