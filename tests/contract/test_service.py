"""The process and its threads, whatever goes wrong on one of them. This file is also the program that it starts."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from hf_watch.process.jobs import Job, JobSpec
from hf_watch.process.service import Service, ServiceSpec, block_signals
from hf_watch.systemd import notify
from hf_watch.threads.pulse import Pulse
from hf_watch.threads.status import WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

TIMEOUT_S = 60.0
IN_A_WORKER = "in a worker"
FAULT = "no thread is to be had"


class Steady:
    """A job that goes on until it is told to stop."""

    failure: str | None = None
    status = WorkerStatus(destination="steady", targets=())

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def run(self, on_watching: Callable[[], None]) -> None:
        on_watching()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGHUP)
        self._stopped.wait()
        print("told to stop")  # noqa: T201  for the test

    def stop(self, by: float) -> None:  # noqa: ARG002  as the protocol has it
        self._stopped.set()

    def left(self) -> int:
        return 0

    def read_token_again(self) -> None: ...


def steady(_opened: ExitStack) -> tuple[Job, Sequence[Pulse]]:
    return Steady(), [Pulse(time.monotonic)]


class Dying(Steady):
    """A job that does not expect what happens to it."""

    def run(self, on_watching: Callable[[], None]) -> None:
        on_watching()
        raise RuntimeError(FAULT)


def dying(_opened: ExitStack) -> tuple[Job, Sequence[Pulse]]:
    return Dying(), [Pulse(time.monotonic)]


def failing(_opened: ExitStack) -> tuple[Job, Sequence[Pulse]]:
    raise RuntimeError(FAULT)


@pytest.mark.parametrize("when", ["at the start", "at a reload"])
def test_a_fault_on_the_main_thread_ends_the_process(when: str) -> None:
    command = [sys.executable, __file__, when]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines().count("told to stop") == 1
    assert "service.died" in done.stdout
    assert FAULT in done.stdout


def test_a_worker_that_dies_ends_the_process_and_the_others_finish() -> None:
    done = subprocess.run(
        [sys.executable, __file__, IN_A_WORKER], check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines().count("told to stop") == 1
    assert "worker.died" in done.stdout
    assert FAULT in done.stdout


def main(when: str) -> int:
    if when == IN_A_WORKER:
        jobs = (JobSpec("steady", None, 1, steady), JobSpec("dying", None, 1, dying))
        block_signals()
        return Service(ServiceSpec(jobs, shutdown_s=5.0, max_lag_s=300.0, state_dir=""), notify.Nobody(), None).run()
    both = ServiceSpec((JobSpec("steady", None, 1, steady), JobSpec("failing", None, 1, failing)), 5.0, 300.0, "")
    at_first = both if when == "at the start" else ServiceSpec(both.jobs[:1], 5.0, 300.0, "")
    block_signals()
    return Service(at_first, notify.Nobody(), lambda: both).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
