"""The command line's side of the control socket."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import httpx2

from hf_watch.control import place
from hf_watch.control.contract import (
    CommitsView,
    DoneView,
    ErrorView,
    ExplainView,
    FilesView,
    FlushView,
    QuarantineView,
    ReloadView,
    StatusView,
)
from hf_watch.errors import HfWatchError, NotRunningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from hf_watch.control.contract import FileState

PATIENCE_S = 30.0  # for an answer that waits for no worker; a machine under load
CONNECT_S = 10.0

A = TypeVar("A", bound="BaseModel")


class UnknownPathError(HfWatchError):
    """The path lies in no watched directory."""


class Client:
    """Asks one daemon. Raises NotRunningError when nobody answers, HfWatchError with what was refused."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def status(self) -> StatusView:
        """How it is doing."""
        return self._ask("GET", "/v1/status", StatusView)

    def quarantine(self, *, limit: int) -> QuarantineView:
        """What is set aside, the first of it."""
        return self._ask("GET", f"/v1/quarantine?limit={limit}", QuarantineView)

    def files(self, state: FileState, path: str | None, *, limit: int) -> FilesView:
        """Files in one state, the first of them; UnknownPathError when `path` is nowhere in a watched directory."""
        asked = {"state": state, "limit": str(limit)} | ({} if path is None else {"path": path})
        return self._ask("GET", f"/v1/files?{urlencode(asked, errors='surrogateescape')}", FilesView)

    def explain(self, path: str) -> ExplainView:
        """When a path goes, or what keeps it; UnknownPathError when it is nowhere in a watched directory."""
        return self._ask("GET", f"/v1/explain?{urlencode({'path': path}, errors='surrogateescape')}", ExplainView)

    def commits(self, *, limit: int) -> CommitsView:
        """The latest commits."""
        return self._ask("GET", f"/v1/commits?limit={limit}", CommitsView)

    def pause(self, target: str | None) -> DoneView:
        """Pause one target, or all."""
        return self._ask("POST", "/v1/pause", DoneView, {"target": target})

    def resume(self, target: str | None) -> DoneView:
        """Resume one target, or all."""
        return self._ask("POST", "/v1/resume", DoneView, {"target": target})

    def confirm_deletes(self, target: str) -> DoneView:
        """Let the deletes go that are held back."""
        return self._ask("POST", "/v1/confirm-deletes", DoneView, {"target": target})

    def reload(self) -> ReloadView:
        """Let the settings be read again."""
        return self._ask("POST", "/v1/reload", ReloadView)

    def retry(self, path: str | None) -> DoneView:
        """Try a path again, or everything; UnknownPathError when it is nowhere in a watched directory."""
        return self._ask("POST", "/v1/retry", DoneView, {} if path is None else {"path": path})

    def flush(self, *, wait: bool, timeout_s: float | None, gives_up: bool = False) -> FlushView:
        """Flush; with `wait` it takes until all is published, or `timeout_s` at the most.

        With `gives_up` it takes no longer than until only a person can help.
        """
        question = {"wait": wait, "timeout_s": timeout_s, "gives_up": gives_up}
        return self._ask("POST", "/v1/flush", FlushView, question, patient=wait)

    def _ask(
        self, method: str, path: str, answer: type[A], question: dict[str, Any] | None = None, *, patient: bool = False
    ) -> A:
        body = None if question is None else json.dumps(question)  # escapes what is not UTF-8 in a name
        timeout = httpx2.Timeout(PATIENCE_S, connect=CONNECT_S, read=None if patient else PATIENCE_S)
        try:
            response = self._http.request(method, path, content=body, timeout=timeout)
        except httpx2.ConnectError as error:
            raise NotRunningError("not running: nobody listens at the socket") from error
        except httpx2.TransportError as error:
            raise HfWatchError(f"the daemon did not answer: {error or type(error).__name__}") from error
        if response.status_code == httpx2.codes.OK:
            return answer.model_validate_json(response.content)
        refusal = ErrorView.model_validate_json(response.content).error
        if response.status_code == httpx2.codes.NOT_FOUND and refusal.startswith("path:"):
            raise UnknownPathError(refusal)
        raise HfWatchError(refusal)


@contextmanager
def connected(state_dirs: Sequence[Path]) -> Iterator[Client]:
    """A client of the daemon at the first of the state directories that has a socket; NotRunningError when none has.

    A directory of state directories will do where one daemon runs in it.
    """
    running = place.daemons(state_dirs)
    if len(running) > 1:
        lines = (f"  {each}: {_watched(each)}" for each in running)
        raise NotRunningError("\n".join(["several daemons run; say which one with --state-dir:", *lines]))
    with _client_at(running[0]) as client:
        yield client


@contextmanager
def _client_at(state_dir: Path) -> Iterator[Client]:
    with (
        place.found([state_dir]) as short,
        httpx2.Client(
            transport=httpx2.HTTPTransport(uds=short, verify=False),  # no TLS on a Unix socket: spare it the CAs
            base_url="http://hf-watch",
            trust_env=False,
        ) as http,
    ):
        yield Client(http)


def _watched(state_dir: Path) -> str:
    """What the daemon there watches, as far as it says so."""
    try:
        with _client_at(state_dir) as client:
            return ", ".join(f"{each.source} -> {each.dest}" for each in client.status().targets)
    except HfWatchError as error:
        return str(error)
