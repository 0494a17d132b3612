"""The process: it awaits signals, tells its supervisor how the jobs do, puts new settings into force, leaves in time.

Signals are blocked before the first thread starts, and awaited here; nothing runs in a signal handler. A worker's
thread tells this one of news by SIGUSR1.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from hf_watch.errors import ConfigError, LedgerError
from hf_watch.process.jobs import Jobs
from hf_watch.systemd import notify
from hf_watch.threads.status import counted, sentence
from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.process.jobs import JobSpec

log = structlog.get_logger()

STOPPING = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP
NEWS = signal.SIGUSR1
LAST_BREATH_S = 2.0  # for threads to end after their deadline: what is stuck then is left behind
NO_DEADLINE_S = 3600.0  # sigtimedwait wants a number
STATUS_S = 10.0  # how old the sentence may be that a supervisor shows
BEATS = 4  # signs of life in the time after which silence would end the process
STARTING_S = 60.0  # how much longer a start may take that gets on


class Supervisor(Protocol):
    """Who watches over this process; see notify."""

    listens: bool
    watchdog_s: float | None

    def tell(self, *states: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What the service is told."""

    jobs: tuple[JobSpec, ...]
    shutdown_s: float
    max_lag_s: float
    state_dir: str  # what it is found by: `--state-dir` of the commands that talk to it


class Service:
    """Has each job done on a thread of its own until all are done or a signal comes."""

    def __init__(
        self, spec: ServiceSpec, supervisor: Supervisor, reread: Callable[[], ServiceSpec] | None = None
    ) -> None:
        """`reread` tells the service anew what to do, or raises ConfigError; without it SIGHUP ends the process."""
        self._spec = spec
        self._supervisor = supervisor
        self._reread = reread
        self._main = threading.main_thread().ident or 0
        self._had_terminal = sys.stderr.isatty()
        self._jobs = Jobs(self._tell)
        self._has_died = False
        self._is_started = False
        self._refused: str | None = None  # why the settings in force are not those of the file
        self._said: str | None = None
        self._waiting_for_reload: deque[Future[str | None]] = deque()

    def run(self) -> int:
        """The exit code: 0 when all jobs did theirs or were told to stop, 1 when one died or failed.

        Called on the main thread, with the signals blocked by `block_signals`.
        """
        began = time.monotonic()
        self._supervisor.tell(notify.status("opening the ledger"))
        try:
            stopped_by = self._work()
        except Exception:  # else the jobs' threads would keep the process, and nobody would hear a signal any more
            log.critical("service.died", exc_info=True)
            self._has_died = True
            stopped_by = None
        if stopped_by is not None or self._has_died or self._jobs.dead:
            self._stop(stopped_by)
        return self._end(began)

    def _work(self) -> signal.Signals | None:
        self._jobs.follow(self._spec.jobs)
        return self._until_over()

    def ask_reload(self) -> Future[str | None]:
        """Read the settings again; from any thread. The answer: why what was in force stays so, or None."""
        answer: Future[str | None] = Future()
        self._waiting_for_reload.append(answer)
        signal.pthread_kill(self._main, RELOAD)
        return answer

    def _tell(self) -> None:
        signal.pthread_kill(self._main, NEWS)

    def _until_over(self) -> signal.Signals | None:
        """Wait until a signal asks to stop (which one), or every job is done, or one died (None)."""
        while self._is_busy():
            self._report()
            if self._jobs.dead:
                return None
            came = self._await(self._interval_s())
            if came is RELOAD and self._reread is not None and not self._is_hung_up():
                self._reload(self._reread)
            elif came is not None and came is not NEWS:
                return came
            self._jobs.follow(self._spec.jobs)
        return None

    def _await(self, timeout_s: float) -> signal.Signals | None:
        came = signal.sigtimedwait([*STOPPING, RELOAD, NEWS], max(timeout_s, 0.0))
        return signal.Signals(came.si_signo) if came is not None else None

    def _interval_s(self) -> float:
        """How long nothing need be reported."""
        if not self._supervisor.listens:
            return NO_DEADLINE_S
        return STATUS_S if self._supervisor.watchdog_s is None else min(STATUS_S, self._supervisor.watchdog_s / BEATS)

    def _is_hung_up(self) -> bool:
        """Whether the terminal that this was started on is gone: there SIGHUP means what it always meant."""
        return self._had_terminal and not sys.stderr.isatty()

    def _report(self) -> None:
        """Say how it goes, and that it goes on, which a job that hangs keeps from being said."""
        states = []
        if not self._is_started and self._jobs.are_watching():
            self._is_started = True
            states.append(notify.READY)
            log.info(
                "service.started", version=__version__, destinations=self._jobs.count(), pid=os.getpid(),
                state_dir=self._spec.state_dir,
            )  # fmt: skip
        if (sentence := self._sentence()) != self._said:
            states.append(notify.status(sentence))
            self._said = sentence
        if not self._jobs.name_hung((self._supervisor.watchdog_s or NO_DEADLINE_S) / 2):
            states.append(notify.ALIVE if self._is_started else notify.extension(STARTING_S))
        if states:
            self._supervisor.tell(*states)

    def _sentence(self) -> str:
        if not self._is_started:
            said = f"beginning to watch {counted(self._jobs.folders(), 'folder')}"
        else:
            said = sentence(self._jobs.statuses(), time.monotonic(), self._spec.max_lag_s, _clock_time)
        return said + (f"; settings not reloaded: {self._refused}" if self._refused else "")

    def _reload(self, reread: Callable[[], ServiceSpec]) -> None:
        """Do from now on what the settings say now; what they do not change goes on undisturbed."""
        asked = [self._waiting_for_reload.popleft() for _ in range(len(self._waiting_for_reload))]
        self._supervisor.tell(*notify.reloading(time.monotonic()))
        try:
            spec = reread()
        except (ConfigError, LedgerError) as error:  # the pace of commits is read from the ledger
            self._refused = str(error)
        else:
            self._refused = None
            self._take(spec)
        if self._refused is not None:
            log.error("settings.refused", reason=self._refused)
        for answer in asked:
            if answer.set_running_or_notify_cancel():
                answer.set_result(self._refused)
        self._said = self._sentence()
        self._supervisor.tell(notify.READY, notify.status(self._said))

    def _take(self, spec: ServiceSpec) -> None:
        log.info("settings.reloaded", **_differences(self._spec, spec))
        self._spec = spec
        self._jobs.read_token_again()
        self._jobs.follow(spec.jobs)

    def _stop(self, reason: signal.Signals | None) -> None:
        """Give the jobs their time to finish; a second signal cuts it short."""
        shutdown_s = self._spec.shutdown_s
        deadline = time.monotonic() + shutdown_s
        log.info("service.stopping", reason=reason.name if reason else "a thread died", shutdown_s=shutdown_s)
        self._supervisor.tell(
            notify.STOPPING, notify.status(f"stopping, {counted(self._jobs.left(), 'file')} waiting"),
            notify.extension(shutdown_s + 2 * LAST_BREATH_S),
        )  # fmt: skip
        self._jobs.stop(deadline)
        while self._jobs.is_any_running() and (left_s := deadline + LAST_BREATH_S - time.monotonic()) > 0:
            came = self._await(min(left_s, self._interval_s()))
            self._supervisor.tell(notify.ALIVE)
            if came in STOPPING:
                self._leave_now(came)

    def _leave_now(self, reason: signal.Signals) -> None:
        log.warning("service.stopped", reason=f"second signal, {reason.name}", left=self._jobs.left())
        _exit(1)

    def _is_busy(self) -> bool:
        """Whether a job runs, or one is to take the place of one that ended."""
        return self._jobs.is_any_running() or self._jobs.is_any_leaving()

    def _end(self, began: float) -> int:
        failures, stuck = self._jobs.failures(), self._jobs.stuck()
        code = 1 if self._has_died or self._jobs.dead or failures else 0
        log.info(
            "service.stopped", left=self._jobs.left(), duration_s=round(time.monotonic() - began, 3),
            stuck=stuck or None, reason="; ".join(failures) or None,
        )  # fmt: skip
        if stuck:
            _exit(code)  # a request that hangs must not hold the exit; what it concerns is in doubt in the ledger
        self._jobs.close()
        return code


def _clock_time(moment: float) -> str:
    """A monotonic time of a moment ago, as the clock on the wall showed it."""
    return time.strftime("%H:%M", time.localtime(time.time() - (time.monotonic() - moment)))


def _differences(before: ServiceSpec, after: ServiceSpec) -> dict[str, int]:
    """How many destinations a reload adds, removes and changes."""
    old, new = ({spec.name: spec.key for spec in each.jobs} for each in (before, after))
    return {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": sum(old[name] != new[name] for name in old.keys() & new.keys()),
    }


def block_signals() -> None:
    """Block what the service awaits; before the first thread starts, so that every thread inherits it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [*STOPPING, RELOAD, NEWS])
    faulthandler.enable()  # a watchdog ends with SIGABRT what hangs: every thread's traceback tells where


def _exit(code: int) -> None:
    logging.shutdown()  # shows what waits to be shown; os._exit asks nobody
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
