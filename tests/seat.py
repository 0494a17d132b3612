"""A daemon of one target behind a real control socket; the worker's side of its inbox is in the test's hands."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import httpx2

from hf_watch.control import place
from hf_watch.control.client import Client, connected
from hf_watch.control.daemon import Daemon, Roster, Steered
from hf_watch.control.pauses import Pauses
from hf_watch.control.server import Bounds, serving
from hf_watch.model import Destination, Digest
from hf_watch.rules.mapping import Mapping
from hf_watch.settings.settings import TargetSettings
from hf_watch.threads.inbox import Inbox
from hf_watch.threads.status import TargetState, TargetStatus, WorkerStatus
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hf_watch.threads.commands import Answer, Command, Request

DESTINATION = Destination("https://hub.example", "dataset", "acme/drop", "main")
DIGEST = Digest(b"a" * 32, b"b" * 20)
ALL_IS_WELL = WorkerStatus(str(DESTINATION), (TargetStatus("drop", TargetState.WATCHING),))


@dataclass
class Seat:
    """A daemon of one target; the test is its worker."""

    directory: Path
    status: WorkerStatus = ALL_IS_WELL
    inbox: Inbox = field(default_factory=Inbox)
    clock: Callable[[], float] = time.monotonic
    refused: str | None = None  # what becomes of a reload
    group: Literal["none", "directory"] = "none"
    also: tuple[str, ...] = ()  # more targets of the same directory

    @property
    def drop(self) -> Path:
        return self.directory / "drop"

    @property
    def ledger_file(self) -> Path:
        return self.directory / "ledger.sqlite3"

    def settings(self) -> TargetSettings:
        return TargetSettings(
            source=self.drop, dest=f"{DESTINATION}/in", commit_message="hf_" + "t" * 32, group=self.group
        )  # fmt: skip

    def daemon(self) -> Daemon:
        pauses = Pauses(self.directory / "paused.json")
        roster = Roster(tuple(self._target(*each) for each in enumerate(("drop", *self.also))))
        return Daemon(
            roster, self.ledger_file, pauses, pauses.load(), DESTINATION.endpoint, 300.0, self.clock, self.ask_reload
        )

    def _target(self, index: int, name: str) -> Steered:
        mapping = Mapping("in" if index == 0 else name)
        return Steered(
            name, str(self.drop), mapping, DESTINATION, index, self.inbox, lambda: self.status, self.settings()
        )

    def ask_reload(self) -> Future[str | None]:
        answer: Future[str | None] = Future()
        answer.set_result(self.refused)
        return answer

    @contextmanager
    def serving(self, bounds: Bounds | None = None) -> Iterator[Client]:
        with serving(self.daemon(), self.directory, {}, bounds), connected([self.directory]) as client:
            yield client

    @contextmanager
    def answering(self, answer: Answer) -> Iterator[list[Command]]:
        """Do what a worker does, and keep what was asked."""
        asked: list[Command] = []
        is_over = threading.Event()

        def work() -> None:
            while not is_over.is_set():
                self.inbox.take(None)
                for request in self.inbox.requests():
                    asked.append(request.command)
                    request.answer(answer)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield asked
        finally:
            is_over.set()
            self.inbox.wake()
            thread.join()

    def next_request(self) -> Request:
        return eventually(self.inbox.requests, "a request")[0]


def raw(seat: Seat, method: str, path: str, **more: Any) -> httpx2.Response:
    """A request as another program would make it."""
    with (
        place.found([seat.directory]) as short,
        httpx2.Client(transport=httpx2.HTTPTransport(uds=short), base_url="http://x") as http,
    ):
        return http.request(method, path, **more)
