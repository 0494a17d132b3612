"""Tells others what happened: a command of the user's, or a web address, gets it as JSON.

Nothing here is ever in the way of publishing: what is to be told waits in a queue with an end, for a thread of its own.
A command gets the JSON on standard input, an environment without the token, and the signals as a shell would give them:
this process has blocked some, and a child inherits that. Its standard output goes nowhere; its standard error is ours.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx2
import structlog

from hf_watch.logs.repeats import Repeats
from hf_watch.paths import encoded, printable
from hf_watch.rules.pace import backoff_s
from hf_watch.threads.measured import SetAside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hf_watch.afterwards.receipts import FileReceipt
    from hf_watch.logs.repeats import Repeated
    from hf_watch.threads.measured import Measured

log = structlog.get_logger()

MOST_WAITING = 1_000  # what happens while so much is to be told is told to nobody
LOOK_AT_HEALTH_S = 5.0
LAST_TELLING_S = 5.0  # after the last commit, for what is still to be told
WEBHOOK_ATTEMPTS = 6  # about a minute of a server that does not answer
WEBHOOK_TIMEOUT_S = 10.0
FAILED = "hook.failed"
NOT_THEIRS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "CREDENTIALS_DIRECTORY", "_HF_WATCH_BESIDE")

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HookSpec:
    """What is to be run or told: argument lists by the event's name, and a web address, if any."""

    commands: Mapping[str, Sequence[str]]
    webhook: str
    timeout_s: float


class Hooks:
    """Two threads, one for commands and one for the web address, while the context lasts. Safe from any thread.

    `problems` tells what a person should look at; it is asked every few seconds.
    """

    def __init__(
        self, spec: HookSpec, problems: Callable[[], Sequence[str]] = tuple, look_s: float = LOOK_AT_HEALTH_S
    ) -> None:
        self._problems = problems
        self._told: frozenset[str] = frozenset()
        self._couriers: list[Courier] = []
        if any(spec.commands.values()):
            self._couriers.append(Courier("hooks", _Commands(spec.commands, spec.timeout_s), self._look, look_s))
        if spec.webhook:
            self._couriers.append(
                Courier("webhook", _Webhook(spec.webhook), ignore if self._couriers else self._look, look_s)
            )

    def __enter__(self) -> Self:
        for courier in self._couriers:
            courier.start()
        return self

    def __exit__(self, *_: object) -> None:
        until = time.monotonic() + LAST_TELLING_S
        for courier in self._couriers:
            courier.stop(until)

    def published(self, receipts: Sequence[FileReceipt]) -> None:
        """Files of one target are on the Hub, all by one commit."""
        if not self._couriers:
            return
        first = receipts[0]
        files = [each.as_json() for each in receipts]
        self._tell({
            "event": "published", "target": first.target, "commit": first.commit, "url": first.url, "files": files,
        })  # fmt: skip

    def __call__(self, event: Measured) -> None:
        """As an observer: what went to quarantine."""
        if isinstance(event, SetAside):
            path = {"path": printable(event.path), "path_encoded": encoded(event.path)}
            self._tell({"event": "quarantined", "target": event.target, **path, "reason": event.reason})

    def _look(self) -> None:
        """A problem that was not there before is told, with all that there are."""
        problems = tuple(self._problems())
        if set(problems) - self._told:
            self._tell({"event": "degraded", "problems": list(problems)})
        self._told = frozenset(problems)

    def _tell(self, event: Event) -> None:
        for courier in self._couriers:
            courier.take(event)


def ignore() -> None:
    """Somebody else looks."""


class Courier:
    """One thread that delivers events, one after the other."""

    def __init__(self, name: str, deliver: _Commands | _Webhook, look: Callable[[], None], look_s: float) -> None:
        self._name = name
        self._deliver = deliver
        self._look = look
        self._look_s = look_s
        self._waiting: queue.Queue[Event | None] = queue.Queue(MOST_WAITING)  # None: it may be time to end
        self._is_stopping = threading.Event()
        self._has_dropped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)  # a command may hang for its time-out

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def take(self, event: Event) -> None:
        """Never waits: when too much is to be told already, this is not."""
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            if not self._has_dropped:
                log.warning("hook.dropped", hook=self._name, reason=f"{MOST_WAITING} events wait already")
            self._has_dropped = True
        else:
            self._has_dropped = False

    def stop(self, until: float) -> None:
        """Deliver what waits, as far as the time allows, and end."""
        self._is_stopping.set()
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(max(0.0, until - time.monotonic()))
        if left := self._waiting.qsize():
            log.warning("hook.dropped", hook=self._name, files=left, reason="the process ends")
        self._deliver.close()

    def _run(self) -> None:
        while True:
            event = self._next()
            try:
                if event is not None:
                    self._deliver(event, self._is_stopping)
                elif self._is_stopping.is_set():
                    return
                else:
                    self._look()
            except Exception:
                log.exception(FAILED, hook=self._name, reason="a fault that nobody foresaw")

    def _next(self) -> Event | None:
        """The next event; None after some time, or when it may be time to end."""
        try:
            return self._waiting.get(timeout=0.05 if self._is_stopping.is_set() else self._look_s)
        except queue.Empty:
            return None


class _Failures:
    """What one thread could not deliver: the like of what was told often enough becomes a line with a count."""

    def __init__(self) -> None:
        self._repeats = Repeats()

    def tell(self, hook: str, reason: str, **where: object) -> None:
        now = time.monotonic()
        if self._repeats.tells(FAILED, reason, hook, now):
            log.warning(FAILED, hook=hook, reason=reason, **where)
        self._sum_up(self._repeats.due(now))

    def close(self) -> None:
        """Tell all counts."""
        self._sum_up(self._repeats.rest())

    def _sum_up(self, sums: Iterable[Repeated]) -> None:
        for each in sums:
            log.warning(FAILED, hook=each.path, reason=each.reason, repeated=each.count)


class _Commands:
    """Runs the event's command, with the event on its standard input."""

    def __init__(self, commands: Mapping[str, Sequence[str]], timeout_s: float) -> None:
        self._commands = commands
        self._timeout_s = timeout_s
        self._failures = _Failures()

    def __call__(self, event: Event, _is_stopping: threading.Event) -> None:
        command = self._commands.get(event["event"], ())
        if not command:
            return
        try:
            code = run(command, event, self._timeout_s)
        except OSError as error:
            self._failures.tell(event["event"], error.strerror or str(error), path=command[0])
            return
        if code is None:
            self._failures.tell(event["event"], f"not done within {self._timeout_s:g} s")
        elif code:
            self._failures.tell(event["event"], f"it ended with {code}")

    def close(self) -> None:
        """Say what was not said yet."""
        self._failures.close()


def run(command: Sequence[str], event: Event, timeout_s: float) -> int | None:
    """Run a command to its end: its exit code, -N for signal N; None when it took too long and was killed.

    Raises OSError when it cannot be started.
    """
    environment = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
    with tempfile.TemporaryFile() as given:  # a pipe would hold up this thread when the command does not read
        given.write(json.dumps(event).encode() + b"\n")
        given.seek(0)
        pid = os.posix_spawnp(
            command[0], list(command), environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, given.fileno(), 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0, setsigmask=[], setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )  # fmt: skip
    is_done = _ended(pid, timeout_s)
    if not is_done:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) if is_done else None


def _ended(pid: int, timeout_s: float) -> bool:
    """Whether a child ends within a time; it is not reaped."""
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(fd)


class _Webhook:
    """Posts each event; what is not answered well is tried again, later each time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx2.Client(timeout=WEBHOOK_TIMEOUT_S)
        self._failures = _Failures()

    def __call__(self, event: Event, is_stopping: threading.Event) -> None:
        for attempt in range(1, WEBHOOK_ATTEMPTS + 1):
            reason = self._posted(event)
            if reason is None:
                return
            if is_stopping.wait(backoff_s(attempt, 0.5)):
                break
        self._failures.tell("webhook", reason or "the process ends", host=urlsplit(self._url).hostname)

    def _posted(self, event: Event) -> str | None:
        """Why it is to be tried again; None when it arrived."""
        try:
            answer = self._http.post(self._url, json=event)
        except httpx2.HTTPError as error:
            return str(error) or type(error).__name__
        return None if answer.is_success else f"{answer.status_code} {answer.reason_phrase}"

    def close(self) -> None:
        """Let go of its connections, and say what was not said yet."""
        self._http.close()
        self._failures.close()
