"""The jobs of a service, each on a thread of its own: begun, asked to end, replaced by those that are wanted now."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hf_watch.threads.pulse import Pulse
    from hf_watch.threads.status import WorkerStatus

log = structlog.get_logger()


class Job(Protocol):
    """What a thread of the service runs. Its methods but `run` may be called from another thread."""

    status: WorkerStatus

    @property
    def failure(self) -> str | None: ...

    def run(self, on_watching: Callable[[], None]) -> None: ...

    def stop(self, by: float) -> None: ...

    def left(self) -> int: ...

    def read_token_again(self) -> None: ...


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job to be done. One that runs already goes on when its `key` stays equal."""

    name: str
    key: object
    folders: int
    assemble: Callable[[ExitStack], tuple[Job, Sequence[Pulse]]]  # what it opens is closed when its thread has ended


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

    def latest_pulse(self) -> Pulse:
        """The one that is late by most."""
        return max(self.pulses, key=lambda pulse: pulse.late_s())


class Jobs:
    """Those that run, known to one thread; `tell` wakes it from theirs when there is news of one."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.dead: list[str] = []  # whose thread ended by a fault that nobody foresaw
        self._tell = tell
        self._running: dict[str, _Running] = {}

    def follow(self, specs: Sequence[JobSpec]) -> None:
        """Let jobs end that are not wanted as they are, and start those that are, once nobody is in their place."""
        wanted = {spec.name: spec for spec in specs}
        for name, running in list(self._running.items()):
            if not running.is_leaving and (name not in wanted or wanted[name].key != running.spec.key):
                running.leave()
            if running.is_leaving and running.is_over and name not in self.dead:
                self._running.pop(name).close()
        for name, spec in wanted.items():
            if name not in self._running:
                self._start(spec)

    def _start(self, spec: JobSpec) -> None:
        with ExitStack() as opened:
            job, pulses = spec.assemble(opened)
            running = _Running(spec, job, pulses, opened.pop_all())
        running.thread = threading.Thread(target=self._run, args=(running,), name=f"worker {spec.name}")
        running.thread.start()
        self._running[spec.name] = running

    def _run(self, running: _Running) -> None:
        def watching() -> None:
            running.is_watching = True
            self._tell()

        try:
            running.job.run(watching)
        except Exception:
            log.critical("worker.died", destination=running.spec.name, exc_info=True)
            self.dead.append(running.spec.name)
        finally:
            running.is_over = True
            self._tell()

    def count(self) -> int:
        """How many there are, those that are over among them."""
        return len(self._running)

    def folders(self) -> int:
        """How many directories they are to watch."""
        return sum(each.spec.folders for each in self._running.values())

    def statuses(self) -> list[WorkerStatus]:
        """What each says of itself."""
        return [each.job.status for each in self._running.values()]

    def are_watching(self) -> bool:
        """Whether all of them watch what they are to."""
        return all(each.is_watching for each in self._running.values())

    def is_any_running(self) -> bool:
        """Whether one is not over."""
        return any(not each.is_over for each in self._running.values())

    def is_any_leaving(self) -> bool:
        """Whether one that was asked to end still holds its place."""
        return any(each.is_leaving for each in self._running.values())

    def name_hung(self, patience_s: float) -> bool:
        """Whether a job has been silent for so long; each is named once."""
        hung = False
        for running in self._running.values():
            late = running.latest_pulse()
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

    def read_token_again(self) -> None:
        """The token may be another one now."""
        for each in self._running.values():
            each.job.read_token_again()

    def stop(self, by: float) -> None:
        """Let all of them finish until a moment of the monotonic clock."""
        for each in self._running.values():
            each.job.stop(by)

    def left(self) -> int:
        """How many files wait."""
        return sum(each.job.left() for each in self._running.values())

    def failures(self) -> list[str]:
        """Why those failed that did."""
        return [each.job.failure for each in self._running.values() if each.job.failure is not None]

    def stuck(self) -> list[str]:
        """Those whose threads have not ended."""
        return sorted(each.spec.name for each in self._running.values() if not each.is_over)

    def close(self) -> None:
        """Give back what they opened, once their threads have ended."""
        for each in self._running.values():
            each.close()
