"""The daemon in a process of its own, beside a Python program: started, heard, and ended with it.

Its log goes to a file without a name, so that a host that stands still does not hold it up. What is a warning or worse
there is said again in the host, by its logger `hf_watch`: a host that has set up no logging sees it on standard error.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = (
    sys.executable,
    "-P",
    "-m",
    "hf_watch.embedding.beside",
)  # -P: a module of the host's directory is not the daemon's
INSIDE = "_HF_WATCH_BESIDE"  # set for the daemon: a module that it imports all the same may call `watch`
STOP_S = 60.0
LISTEN_S = 0.5
BLOCK_BYTES = 1 << 16
COMPLAINT = "hf-watch: "
UNSAID = {"event", "level", "timestamp", "logger"}

log = logging.getLogger("hf_watch")


class Companion:
    """One daemon, while the context lasts: at the end it publishes what it can. `arguments` are the command's."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._is_over = threading.Event()
        self._said_bytes = 0
        self._rest = b""
        self._listener = threading.Thread(target=self._listen, name="hf-watch log", daemon=True)  # a host may just exit
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._log = opened.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(  # noqa: S603  our own command
                [*COMMAND, *self._arguments], stdin=subprocess.PIPE, stdout=self._log, stderr=self._log,
                env={**os.environ, INSIDE: "1"}, start_new_session=True,  # a Ctrl-C is the host's to handle: it flushes
            )  # fmt: skip
            opened.callback(self._end)
            self._listener.start()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _end(self) -> None:
        """Let it publish what it can, and hear it out."""
        if self._process.stdin is not None:
            self._process.stdin.close()  # it takes that for the end of its host
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._is_over.set()
            self._listener.join()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """What it complained of at its end, else the last that it wrote, in a line."""
        written = os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0)
        lines = [line for line in written.decode(errors="replace").splitlines() if line.strip()]
        complaints = [line.removeprefix(COMPLAINT) for line in lines if line.startswith(COMPLAINT)]
        if complaints:
            return "; ".join(complaints)
        if not lines:
            return "it said nothing"
        event = _event(lines[-1])
        return lines[-1] if event is None else _sentence(event)

    def _listen(self) -> None:
        while not self._is_over.wait(LISTEN_S):
            self._say_again()
        self._say_again()

    def _say_again(self) -> None:
        """Say what came since, by whole lines."""
        while block := os.pread(self._log.fileno(), BLOCK_BYTES, self._said_bytes):
            self._said_bytes += len(block)
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                _say(line)


def _say(line: bytes) -> None:
    event = _event(line)
    if event is None:
        return
    level = logging.getLevelNamesMapping().get(str(event.get("level")).upper(), logging.NOTSET)
    if level >= logging.WARNING:
        log.log(level, "%s%s", COMPLAINT, _sentence(event))


def _event(line: str | bytes) -> dict[str, Any] | None:
    """A line of the log; None for what others write there."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _sentence(event: dict[str, Any]) -> str:
    fields = "".join(
        f" {name}={json.dumps(value, ensure_ascii=False)}" for name, value in event.items() if name not in UNSAID
    )
    return f"{event['event']}{fields}"
