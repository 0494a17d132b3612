"""The process: it owns the workers' threads, awaits signals, and leaves in time.

Signals are blocked before the first thread starts, and awaited here; nothing runs in a signal handler. A worker's
thread tells this one of news by SIGUSR1.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

import structlog

from hf_watch import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger()

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NEWS = signal.SIGUSR1
LAST_BREATH_S = 2.0  # for threads to end after their deadline: what is stuck then is left behind
NO_DEADLINE_S = 3600.0  # sigtimedwait wants a number


class Job(Protocol):
    """What a thread of the service runs."""

    failure: str | None

    def run(self, on_watching: Callable[[], None]) -> None: ...

    def stop(self, by: float) -> None: ...

    def left(self) -> int: ...


class Service:
    """Runs each job on a thread of its own until all are done or a signal comes."""

    def __init__(self, jobs: Sequence[tuple[str, Job]], shutdown_s: float) -> None:
        self._jobs = jobs
        self._shutdown_s = shutdown_s
        self._main = threading.main_thread().ident or 0
        self._watching: set[str] = set()
        self._dead: list[str] = []
        self._over: set[str] = set()
        self._threads: list[threading.Thread] = []

    def run(self) -> int:
        """The exit code: 0 when all jobs did theirs or were told to stop, 1 when one died or failed.

        Called on the main thread, with the signals blocked by `block_signals`.
        """
        began = time.monotonic()
        for name, job in self._jobs:
            thread = threading.Thread(target=self._run_job, args=(name, job), name=f"worker {name}")
            self._threads.append(thread)
            thread.start()
        stopped_by = self._until_over()
        if stopped_by is not None or self._dead:
            self._stop(stopped_by)
        return self._end(began)

    def _run_job(self, name: str, job: Job) -> None:
        def watching() -> None:
            self._watching.add(name)
            self._tell()

        try:
            job.run(watching)
        except Exception:
            log.critical("worker.died", destination=name, exc_info=True)
            self._dead.append(name)
        finally:
            self._over.add(name)
            self._tell()

    def _tell(self) -> None:
        signal.pthread_kill(self._main, NEWS)

    def _until_over(self) -> signal.Signals | None:
        """Wait until a signal asks to stop (which one), or every job is done, or one died (None)."""
        said_started = False
        while self._is_running():
            if not said_started and len(self._watching) == len(self._jobs):
                said_started = True
                log.info("service.started", version=__version__, destinations=len(self._jobs), pid=os.getpid())
            if self._dead:
                return None
            came = self._await(NO_DEADLINE_S)
            if came is not None and came is not NEWS:
                return came
        return None

    def _await(self, timeout_s: float) -> signal.Signals | None:
        came = signal.sigtimedwait([*STOPPING, NEWS], max(timeout_s, 0.0))
        return signal.Signals(came.si_signo) if came is not None else None

    def _stop(self, reason: signal.Signals | None) -> None:
        """Give the jobs their time to finish; a second signal cuts it short."""
        deadline = time.monotonic() + self._shutdown_s
        log.info("service.stopping", reason=reason.name if reason else "a worker died", shutdown_s=self._shutdown_s)
        for _, job in self._jobs:
            job.stop(deadline)
        while self._is_running() and (left_s := deadline + LAST_BREATH_S - time.monotonic()) > 0:
            came = self._await(left_s)
            if came is not None and came is not NEWS:
                self._leave_now(came)

    def _leave_now(self, reason: signal.Signals) -> None:
        log.warning("service.stopped", reason=f"second signal, {reason.name}", left=self._left())
        _exit(1)

    def _is_running(self) -> bool:
        return len(self._over) < len(self._jobs)

    def _left(self) -> int:
        return sum(job.left() for _, job in self._jobs)

    def _end(self, began: float) -> int:
        failures = [job.failure for _, job in self._jobs if job.failure is not None]
        code = 1 if self._dead or failures else 0
        stuck = sorted({name for name, _ in self._jobs} - self._over)
        log.info(
            "service.stopped", left=self._left(), duration_s=round(time.monotonic() - began, 3), stuck=stuck or None,
            reason="; ".join(failures) or None,
        )  # fmt: skip
        if stuck:
            _exit(code)  # a request that hangs must not hold the exit; what it concerns is in doubt in the ledger
        for thread in self._threads:
            thread.join()
        return code


def block_signals() -> None:
    """Block what the service awaits; before the first thread starts, so that every thread inherits it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [*STOPPING, NEWS])


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
