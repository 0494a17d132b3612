"""The routes of the control socket. Reads never wait for a worker; commands wait for one a moment, a flush as asked."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hf_watch.control import files, turn, view
from hf_watch.control.answers import answering, refusals
from hf_watch.control.asking import Asking
from hf_watch.control.browsers import NoBrowsers
from hf_watch.control.choosing import holding, named
from hf_watch.control.contract import (
    CommitsView,
    ConfirmQuestion,
    DoneView,
    ErrorView,
    EventView,
    ExplainView,
    FileState,
    FilesView,
    FlushQuestion,
    FlushView,
    QuarantineView,
    ReloadQuestion,
    ReloadView,
    RetryQuestion,
    StatusView,
    TargetQuestion,
    TargetsView,
)
from hf_watch.control.events import MEDIA_TYPE, EventStream, Feed
from hf_watch.control.openapi import Operation, Query, document
from hf_watch.control.questions import (
    MOST_PAGE,
    USUAL_PAGE,
    limit_in,
    parameters,
    path_in,
    read_question,
    state_in,
    understood_page,
)
from hf_watch.control.tallies import Tallies
from hf_watch.control.told import Told
from hf_watch.paths import ENCODED
from hf_watch.threads.commands import ConfirmDeletes, Pause, Resume, Retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from hf_watch.control.daemon import Daemon, Steered
    from hf_watch.control.pauses import Bound
    from hf_watch.threads.status import TargetStatus

RELOAD_S = 20.0  # reading the settings takes milliseconds, unless the place of the token hangs


class Api:
    """Answers for one daemon, on the event loop of the control socket's thread."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._paused = daemon.paused
        self._tallies = Tallies(daemon.ledger)
        self._told = Told()
        self._feed = Feed()
        self._asking = Asking(daemon, self._forget)

    def app(self) -> ASGIApp:
        """The ASGI application of the control socket."""
        described = Route("/v1/openapi.json", _openapi)
        return NoBrowsers(Starlette(routes=[*self.routes(), described], exception_handlers=refusals()))

    def routes(self) -> list[Route]:
        """The operations, to be served elsewhere too."""
        return [
            Route(each.path, answering(getattr(self, each.name)), methods=[each.method], name=each.name)
            for each in OPERATIONS
        ]

    def end_streams(self) -> None:
        """End the answers that have no end of their own, from another thread."""
        self._feed.close()

    def view(self) -> StatusView:
        """How every target is doing, a moment ago at the most; LedgerError when the ledger cannot be read."""
        targets = self._daemon.targets
        about = (targets, self._paused, tuple(each.status().committed_at for each in targets))
        return self._told.again(about, self._daemon.clock(), self._look)

    def _look(self) -> StatusView:
        return view.status(self._daemon, self._tallies, self._paused, datetime.now(UTC).astimezone())

    def workers(self) -> list[TargetStatus]:
        """What the workers say of their targets."""
        return [each.status().targets[each.index] for each in self._daemon.targets]

    def chosen(self, name: str | None) -> Sequence[Steered]:
        """The target of this name, all of them without one; HTTPException 404 when there is none."""
        return named(self._daemon.targets, name)

    async def status(self, _: Request) -> BaseModel:
        """How every target is doing, and whether all is well."""
        return self.view()

    async def targets(self, request: Request) -> BaseModel:
        """The watched directories, and how each is set up."""
        return view.targets(self.chosen(parameters(request).get("target")))

    async def files(self, request: Request) -> BaseModel:
        """Files by their state: what waits or is in flight, as it was a moment ago, is set aside, is published."""
        asked = parameters(request)
        meant = holding(self.chosen(asked.get("target")), path_in(asked))
        with understood_page():
            return files.files(self._daemon, meant, state_in(asked), asked.get("after", ""), limit_in(asked))

    async def quarantine(self, request: Request) -> BaseModel:
        """What is set aside, and why."""
        asked = parameters(request)
        chosen = self.chosen(asked.get("target"))
        with understood_page():
            return files.quarantine(self._daemon, chosen, asked.get("after", ""), limit_in(asked))

    async def commits(self, request: Request) -> BaseModel:
        """The latest commits."""
        asked = parameters(request)
        return view.commits(self._daemon, self.chosen(asked.get("target")), limit_in(asked))

    async def explain(self, request: Request) -> BaseModel:
        """When a path is going to be on the Hub, or what keeps it, as it was a moment ago."""
        asked = parameters(request)
        meant = holding(self.chosen(asked.get("target")), path_in(asked))
        if not all(path for _, path in meant):
            raise HTTPException(400, "path: say which one below the watched directory")
        return turn.explain(self._daemon, meant, self._paused)

    async def events(self, request: Request) -> Response:
        """What is logged from now on, one JSON object a line, until whoever asked leaves."""
        return Response(media_type=MEDIA_TYPE) if request.method == "HEAD" else EventStream(self._feed)

    async def pause(self, request: Request) -> BaseModel:
        """Go on watching, and publish nothing of a target until it is resumed, across restarts."""
        chosen = self.chosen((await read_question(request, TargetQuestion)).target)
        self._keep(self._paused | {each.bound for each in chosen})
        return await self._asking.do([(each, Pause(each.index)) for each in chosen])

    async def resume(self, request: Request) -> BaseModel:
        """Publish a paused target again."""
        chosen = self.chosen((await read_question(request, TargetQuestion)).target)
        self._keep(self._paused - {each.bound for each in chosen})
        return await self._asking.do([(each, Resume(each.index)) for each in chosen])

    async def confirm_deletes(self, request: Request) -> BaseModel:
        """Let the deletes of a target go that are held back, and no others."""
        chosen = self.chosen((await read_question(request, ConfirmQuestion)).target)
        return await self._asking.do([(each, ConfirmDeletes(each.index)) for each in chosen])

    async def reload(self, request: Request) -> BaseModel:
        """Read the settings again; a mistake in them changes nothing."""
        await read_question(request, ReloadQuestion)
        try:
            async with asyncio.timeout(RELOAD_S):
                return ReloadView(refused=await asyncio.wrap_future(self._daemon.ask_reload()))
        except TimeoutError as error:
            raise HTTPException(503, "the settings were not read in time; the log says what becomes of it") from error

    async def retry(self, request: Request) -> BaseModel:
        """Take files out of quarantine, and try them again at once, whatever was waited for."""
        question = await read_question(request, RetryQuestion)
        meant = holding(self.chosen(question.target), question.meant)
        return await self._asking.do([(each, Retry(each.index, inside)) for each, inside in meant])

    async def flush(self, request: Request) -> BaseModel:
        """Let go at once what has settled; with `wait`, answer when all that is on disk is on the Hub."""
        question = await read_question(request, FlushQuestion)
        if question.wait:
            return await self._asking.barrier(request, question)
        return await self._asking.let_go()

    def _forget(self) -> None:
        """What a command may have changed is looked up anew."""
        self._tallies.forget()
        self._told.forget()

    def _keep(self, paused: frozenset[Bound]) -> None:
        self._daemon.pauses.save(paused)  # first: what is answered for must outlive the process
        self._paused = paused


LIMIT = Query("limit", {"type": "integer", "minimum": 1, "maximum": MOST_PAGE, "default": USUAL_PAGE})
TARGET = Query("target")
PATHS = (
    Query("path", description="a file or directory: absolute, or relative to the watched directory; any bytes"),
    Query("path_encoded", {"type": "string", "pattern": ENCODED}, "the same as answers name it, and instead of it"),
)
STATE = Query("state", {"type": "string", "enum": list(get_args(FileState))})
OPERATIONS = (
    Operation("status", "GET", "/v1/status", StatusView),
    Operation("targets", "GET", "/v1/targets", TargetsView, queries=(TARGET,)),
    Operation("files", "GET", "/v1/files", FilesView, queries=(TARGET, STATE, *PATHS, Query("after"), LIMIT)),
    Operation("quarantine", "GET", "/v1/quarantine", QuarantineView, queries=(TARGET, Query("after"), LIMIT)),
    Operation("commits", "GET", "/v1/commits", CommitsView, queries=(TARGET, LIMIT)),
    Operation("explain", "GET", "/v1/explain", ExplainView, queries=(TARGET, *PATHS)),
    Operation("events", "GET", "/v1/events", EventView, media_type=MEDIA_TYPE),
    Operation("pause", "POST", "/v1/pause", DoneView, TargetQuestion),
    Operation("resume", "POST", "/v1/resume", DoneView, TargetQuestion),
    Operation("confirm_deletes", "POST", "/v1/confirm-deletes", DoneView, ConfirmQuestion),
    Operation("reload", "POST", "/v1/reload", ReloadView, ReloadQuestion),
    Operation("retry", "POST", "/v1/retry", DoneView, RetryQuestion),
    Operation("flush", "POST", "/v1/flush", FlushView, FlushQuestion),
)


def openapi() -> dict[str, Any]:
    """The API's description."""
    summaries = {each.name: inspect.getdoc(getattr(Api, each.name)) or "" for each in OPERATIONS}
    return document(OPERATIONS, summaries, ErrorView)


async def _openapi(_: Request) -> Response:
    return JSONResponse(openapi())
