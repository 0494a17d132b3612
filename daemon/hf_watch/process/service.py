"""The process: it owns the workers' threads, awaits signals, watches over them, and leaves in time.

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
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from hf_watch.errors import ConfigError, LedgerError
from hf_watch.systemd import notify
from hf_watch.threads.status import counted, sentence
from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.threads.pulse import Pulse
    from hf_watch.threads.status import WorkerStatus

log = structlog.get_logger()

STOPPING = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP
NEWS = signal.SIGUSR1
LAST_BREATH_S = 2.0  # for threads to end after their deadline: what is stuck then is left behind
NO_DEADLINE_S = 3600.0  # sigtimedwait wants a number
STATUS_S = 10.0  # how old the sentence may be that a supervisor shows
BEATS = 4  # signs of life in the time after which silence would end the process
STARTING_S = 60.0  # how much longer a start may take that gets on


class Job(Protocol):
    """What a thread of the service runs. Its methods but `run` may be called from another thread."""

    status: WorkerStatus

    @property
    def failure(self) -> str | None: ...

    def run(self, on_watching: Callable[[], None]) -> None: ...

    def stop(self, by: float) -> None: ...

    def left(self) -> int: ...

    def read_token_again(self) -> None: ...


class Supervisor(Protocol):
    """Who watches over this process; see notify."""

    listens: bool
    watchdog_s: float | None

    def tell(self, *states: str) -> None: ...


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job to be done. One that runs already goes on when its `key` stays equal."""

    name: str
    key: object
    folders: int
    assemble: Callable[[ExitStack], tuple[Job, Sequence[Pulse]]]  # what it opens is closed when its thread has ended


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What the service is told."""

    jobs: tuple[JobSpec, ...]
    shutdown_s: float
    max_lag_s: float
    state_dir: str  # what it is found by: `--state-dir` of the commands that talk to it


@dataclass(slots=True)
class _Running:
    """A job on its thread; the flags are set by one thread and read by the other."""

    spec: JobSpec
    job: Job
    pulses: Sequence[Pulse]
    opened: ExitStack
    thread: threading.Thread = field(default_factory=threading.Thread)
    is_watching: bool = False
    is_leaving: bool = False
    is_over: bool = False
    is_named_hung: bool = False

    def leave(self) -> None:
        """Ask it to end after the call that it may be in."""
        self.is_leaving = True
        self.job.stop(time.monotonic())

    def close(self) -> None:
        self.thread.join()
        self.opened.close()


class Service:
    """Runs each job on a thread of its own until all are done or a signal comes."""

    def __init__(
        self, spec: ServiceSpec, supervisor: Supervisor, reread: Callable[[], ServiceSpec] | None = None
    ) -> None:
        """`reread` tells the service anew what to do, or raises ConfigError; without it SIGHUP ends the process."""
        self._spec = spec
        self._supervisor = supervisor
        self._reread = reread
        self._main = threading.main_thread().ident or 0
        self._had_terminal = sys.stderr.isatty()
        self._running: dict[str, _Running] = {}
        self._dead: list[str] = []
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
            self._dead.append("service")
            stopped_by = None
        if stopped_by is not None or self._dead:
            self._stop(stopped_by)
        return self._end(began)

    def _work(self) -> signal.Signals | None:
        for spec in self._spec.jobs:
            self._start(spec)
        return self._until_over()

    def ask_reload(self) -> Future[str | None]:
        """Read the settings again; from any thread. The answer: why what was in force stays so, or None."""
        answer: Future[str | None] = Future()
        self._waiting_for_reload.append(answer)
        signal.pthread_kill(self._main, RELOAD)
        return answer

    def _start(self, spec: JobSpec) -> None:
        with ExitStack() as opened:
            job, pulses = spec.assemble(opened)
            running = _Running(spec, job, pulses, opened.pop_all())
        running.thread = threading.Thread(target=self._run_job, args=(running,), name=f"worker {spec.name}")
        running.thread.start()
        self._running[spec.name] = running

    def _run_job(self, running: _Running) -> None:
        def watching() -> None:
            running.is_watching = True
            self._tell()

        try:
            running.job.run(watching)
        except Exception:
            log.critical("worker.died", destination=running.spec.name, exc_info=True)
            self._dead.append(running.spec.name)
        finally:
            running.is_over = True
            self._tell()

    def _tell(self) -> None:
        signal.pthread_kill(self._main, NEWS)

    def _until_over(self) -> signal.Signals | None:
        """Wait until a signal asks to stop (which one), or every job is done, or one died (None)."""
        while self._is_busy():
            self._report()
            if self._dead:
                return None
            came = self._await(self._interval_s())
            if came is RELOAD and self._reread is not None and not self._is_hung_up():
                self._reload(self._reread)
            elif came is not None and came is not NEWS:
                return came
            self._follow_spec()
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
        if not self._is_started and all(each.is_watching for each in self._running.values()):
            self._is_started = True
            states.append(notify.READY)
            log.info(
                "service.started", version=__version__, destinations=len(self._running), pid=os.getpid(),
                state_dir=self._spec.state_dir,
            )  # fmt: skip
        if (sentence := self._sentence()) != self._said:
            states.append(notify.status(sentence))
            self._said = sentence
        if not self._name_hung():
            states.append(notify.ALIVE if self._is_started else notify.extension(STARTING_S))
        if states:
            self._supervisor.tell(*states)

    def _sentence(self) -> str:
        if not self._is_started:
            folders = sum(each.spec.folders for each in self._running.values())
            said = f"beginning to watch {counted(folders, 'folder')}"
        else:
            statuses = [each.job.status for each in self._running.values()]
            said = sentence(statuses, time.monotonic(), self._spec.max_lag_s, _clock_time)
        return said + (f"; settings not reloaded: {self._refused}" if self._refused else "")

    def _name_hung(self) -> bool:
        """Whether a job hangs; each is named once."""
        patience_s = (self._supervisor.watchdog_s or NO_DEADLINE_S) / 2
        hung = False
        for running in self._running.values():
            late = max((pulse for pulse in running.pulses), key=lambda pulse: pulse.late_s())
            if running.is_over or late.late_s() < patience_s:
                continue
            hung = True
            if not running.is_named_hung:
                running.is_named_hung = True
                log.error(
                    "worker.hung", destination=running.spec.name, reason=late.latest.doing,
                    duration_s=round(late.late_s(), 1),
                )  # fmt: skip
        return hung

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
        for running in self._running.values():
            running.job.read_token_again()
        self._follow_spec()

    def _follow_spec(self) -> None:
        """Let jobs end that are not wanted as they are, and start those that are, once nobody is in their place."""
        wanted = {spec.name: spec for spec in self._spec.jobs}
        for name, running in list(self._running.items()):
            if not running.is_leaving and (name not in wanted or wanted[name].key != running.spec.key):
                running.leave()
            if running.is_leaving and running.is_over and name not in self._dead:
                self._running.pop(name).close()
        for name, spec in wanted.items():
            if name not in self._running:
                self._start(spec)

    def _stop(self, reason: signal.Signals | None) -> None:
        """Give the jobs their time to finish; a second signal cuts it short."""
        shutdown_s = self._spec.shutdown_s
        deadline = time.monotonic() + shutdown_s
        log.info("service.stopping", reason=reason.name if reason else "a thread died", shutdown_s=shutdown_s)
        self._supervisor.tell(
            notify.STOPPING, notify.status(f"stopping, {counted(self._left(), 'file')} waiting"),
            notify.extension(shutdown_s + 2 * LAST_BREATH_S),
        )  # fmt: skip
        for running in self._running.values():
            running.job.stop(deadline)
        while self._is_any_running() and (left_s := deadline + LAST_BREATH_S - time.monotonic()) > 0:
            came = self._await(min(left_s, self._interval_s()))
            self._supervisor.tell(notify.ALIVE)
            if came in STOPPING:
                self._leave_now(came)

    def _leave_now(self, reason: signal.Signals) -> None:
        log.warning("service.stopped", reason=f"second signal, {reason.name}", left=self._left())
        _exit(1)

    def _is_busy(self) -> bool:
        """Whether a job runs, or one is to take the place of one that ended."""
        return self._is_any_running() or any(running.is_leaving for running in self._running.values())

    def _is_any_running(self) -> bool:
        return any(not running.is_over for running in self._running.values())

    def _left(self) -> int:
        return sum(running.job.left() for running in self._running.values())

    def _end(self, began: float) -> int:
        failures = [each.job.failure for each in self._running.values() if each.job.failure is not None]
        code = 1 if self._dead or failures else 0
        stuck = sorted(each.spec.name for each in self._running.values() if not each.is_over)
        log.info(
            "service.stopped", left=self._left(), duration_s=round(time.monotonic() - began, 3), stuck=stuck or None,
            reason="; ".join(failures) or None,
        )  # fmt: skip
        if stuck:
            _exit(code)  # a request that hangs must not hold the exit; what it concerns is in doubt in the ledger
        for running in self._running.values():
            running.close()
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
