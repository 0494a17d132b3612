"""The routes of the control socket. Reads never wait for a worker; commands wait for one a moment, a flush as asked."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args
from urllib.parse import parse_qsl

import structlog
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hf_watch.control import files, turn, view
from hf_watch.control.browsers import NoBrowsers
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
    LeftView,
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
from hf_watch.control.tallies import Tallies
from hf_watch.control.told import Told
from hf_watch.errors import HfWatchError
from hf_watch.paths import printable, within
from hf_watch.threads.commands import Answer, Barrier, ConfirmDeletes, Flush, Left, Pause, Resume, Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from hf_watch.control.daemon import Daemon, Steered
    from hf_watch.control.pauses import Bound
    from hf_watch.threads.commands import Command
    from hf_watch.threads.inbox import Inbox
    from hf_watch.threads.status import TargetStatus

RELOAD_S = 20.0  # reading the settings takes milliseconds, unless the place of the token hangs
ANSWER_S = 2.0  # what a worker that is not inside a call of the Hub needs is milliseconds
GRACE_S = 2.0  # for a worker to say what is left when a flush's time is up
MOST_BODY_BYTES = 64 << 10
MOST_REQUESTS = 64  # commands that wait for a worker at a time
MOST_PAGE = 1_000
USUAL_PAGE = 100
BODY_S = 10.0
UNANSWERED = Answer(left=(Left(0, "", "its worker waits for the Hub, and could not say what is left"),), left_count=1)

log = structlog.get_logger()

Q = TypeVar("Q", bound=BaseModel)


class Api:
    """Answers for one daemon, on the event loop of the control socket's thread."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._paused = daemon.paused
        self._tallies = Tallies(daemon.ledger)
        self._told = Told()
        self._feed = Feed()
        self._asked = 0

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

    async def status(self, _: Request) -> BaseModel:
        """How every target is doing, and whether all is well."""
        return self.view()

    async def targets(self, request: Request) -> BaseModel:
        """The watched directories, and how each is set up."""
        return view.targets(self.chosen(_asked(request).get("target")))

    async def files(self, request: Request) -> BaseModel:
        """Files by their state: what waits or is in flight, as it was a moment ago, is set aside, is published."""
        asked = _asked(request)
        meant = self._meant(self.chosen(asked.get("target")), asked.get("path"))
        with _understood_page():
            return files.files(self._daemon, meant, _state(asked.get("state")), asked.get("after", ""), _limit(asked))

    async def quarantine(self, request: Request) -> BaseModel:
        """What is set aside, and why."""
        asked = _asked(request)
        chosen = self.chosen(asked.get("target"))
        with _understood_page():
            return files.quarantine(self._daemon, chosen, asked.get("after", ""), _limit(asked))

    async def commits(self, request: Request) -> BaseModel:
        """The latest commits."""
        asked = _asked(request)
        return view.commits(self._daemon, self.chosen(asked.get("target")), _limit(asked))

    async def explain(self, request: Request) -> BaseModel:
        """When a path is going to be on the Hub, or what keeps it, as it was a moment ago."""
        asked = _asked(request)
        meant = self._meant(self.chosen(asked.get("target")), asked.get("path"))
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
        return await self._do([(each, Pause(each.index)) for each in chosen])

    async def resume(self, request: Request) -> BaseModel:
        """Publish a paused target again."""
        chosen = self.chosen((await read_question(request, TargetQuestion)).target)
        self._keep(self._paused - {each.bound for each in chosen})
        return await self._do([(each, Resume(each.index)) for each in chosen])

    async def confirm_deletes(self, request: Request) -> BaseModel:
        """Let the deletes of a target go that are held back, and no others."""
        chosen = self.chosen((await read_question(request, ConfirmQuestion)).target)
        return await self._do([(each, ConfirmDeletes(each.index)) for each in chosen])

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
        path = (await read_question(request, RetryQuestion)).path
        meant = self._meant(self._daemon.targets, path)
        return await self._do([(each, Retry(each.index, inside)) for each, inside in meant])

    async def flush(self, request: Request) -> BaseModel:
        """Let go at once what has settled; with `wait`, answer when all that is on disk is on the Hub."""
        question = await read_question(request, FlushQuestion)
        if question.wait:
            return await self._barrier(request, question)
        done = await self._do([(each, Flush()) for each in self._one_each()])
        return FlushView(published=None, paths=done.paths, left=(), left_count=0)

    async def _barrier(self, request: Request, question: FlushQuestion) -> FlushView:
        """A barrier for each worker. What a worker does not answer in time counts as not published."""
        timeout_s = question.timeout_s
        until = None if timeout_s is None else self._daemon.clock() + timeout_s
        asked = [(each, self._ask(each.inbox, Barrier(until, question.gives_up))) for each in self._one_each()]
        await _any_end(
            asyncio.gather(*(future for _, future in asked)),
            asyncio.ensure_future(_gone(request)),
            timeout_s=None if timeout_s is None else timeout_s + GRACE_S,
        )
        self._forget()
        left: list[LeftView] = []
        count = 0
        for each, future in asked:
            answer = future.result() if future.done() and not future.cancelled() else UNANSWERED
            left.extend(view.left(self._sharing(each.inbox), answer.left))
            count += answer.left_count
        return FlushView(published=not count, paths=0, left=tuple(left), left_count=count)

    async def _do(self, commands: Sequence[tuple[Steered, Command]]) -> DoneView:
        """Ask the workers. One that is inside a call of the Hub will do it when the call is over."""
        asked = [(each, self._ask(each.inbox, command)) for each, command in commands]
        await asyncio.wait([future for _, future in asked], timeout=ANSWER_S)
        self._forget()
        return DoneView(
            targets=tuple(each.name for each, _ in asked),
            paths=sum(future.result().paths for _, future in asked if future.done()),
            pending=tuple(each.name for each, future in asked if not future.done()),
        )

    def _forget(self) -> None:
        """What a command may have changed is looked up anew."""
        self._tallies.forget()
        self._told.forget()

    def _ask(self, inbox: Inbox, command: Command) -> asyncio.Future[Answer]:
        if self._asked >= MOST_REQUESTS:
            raise HTTPException(503, "too many requests wait for a worker already")
        self._asked += 1
        future = asyncio.wrap_future(inbox.ask(command))
        future.add_done_callback(self._answered)
        return future

    def _answered(self, _: asyncio.Future[Answer]) -> None:
        self._asked -= 1

    def _keep(self, paused: frozenset[Bound]) -> None:
        self._daemon.pauses.save(paused)  # first: what is answered for must outlive the process
        self._paused = paused

    def chosen(self, name: str | None) -> Sequence[Steered]:
        """The target of this name, all of them without one; HTTPException 404 when there is none."""
        chosen = [each for each in self._daemon.targets if name is None or each.name == name]
        if not chosen:
            known = ", ".join(each.name for each in self._daemon.targets)
            raise HTTPException(404, f"target: {name!r} is unknown; there are: {known}")
        return chosen

    def _meant(self, targets: Sequence[Steered], path: str | None) -> Sequence[tuple[Steered, str]]:
        """Each target that a path may lie in, with the path relative to its root."""
        meant = [(each, inside) for each in targets if (inside := _inside(each, path)) is not None]
        if not meant:
            raise HTTPException(404, "path: it lies in no watched directory")
        return meant

    def _one_each(self) -> Sequence[Steered]:
        """One target of each worker."""
        return list({each.inbox: each for each in self._daemon.targets}.values())

    def _sharing(self, inbox: Inbox) -> Sequence[Steered]:
        return [each for each in self._daemon.targets if each.inbox is inbox]


LIMIT = Query("limit", {"type": "integer", "minimum": 1, "maximum": MOST_PAGE, "default": USUAL_PAGE})
TARGET = Query("target")
STATE = Query("state", {"type": "string", "enum": list(get_args(FileState))})
OPERATIONS = (
    Operation("status", "GET", "/v1/status", StatusView),
    Operation("targets", "GET", "/v1/targets", TargetsView, queries=(TARGET,)),
    Operation("files", "GET", "/v1/files", FilesView, queries=(TARGET, STATE, Query("path"), Query("after"), LIMIT)),
    Operation("quarantine", "GET", "/v1/quarantine", QuarantineView, queries=(TARGET, Query("after"), LIMIT)),
    Operation("commits", "GET", "/v1/commits", CommitsView, queries=(TARGET, LIMIT)),
    Operation("explain", "GET", "/v1/explain", ExplainView, queries=(TARGET, Query("path"))),
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


def answering(
    handle: Callable[[Request], Awaitable[BaseModel | Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """A route's endpoint around what gives a model, or answers itself."""

    async def answer(request: Request) -> Response:
        found = await handle(request)
        return found if isinstance(found, Response) else _json(found, 200)

    return answer


def _json(model: BaseModel, code: int) -> Response:
    return Response(model.model_dump_json(), code, media_type="application/json")


async def read_question(request: Request, model: type[Q]) -> Q:
    """The body as a question; HTTPException when it does not come or is no JSON, ValidationError when it is wrong."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY_BYTES:
                    raise HTTPException(413, "the body is too long")
    except TimeoutError as error:
        raise HTTPException(408, "the body did not come") from error
    try:
        return model.model_validate(json.loads(body or b"{}"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise HTTPException(400, "the body is no JSON") from error


def _asked(request: Request) -> dict[str, str]:
    """The parameters of a GET; a name in them need not be UTF-8."""
    text = os.fsdecode(request.scope["query_string"])
    return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))


def _state(text: str | None) -> FileState | None:
    for each in get_args(FileState):
        if each == text:
            return cast("FileState", each)
    if text is None:
        return None
    raise HTTPException(400, f"state: there are {', '.join(get_args(FileState))}")


@contextmanager
def _understood_page() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise HTTPException(400, "after: give what the page before said as next") from error


def _limit(asked: Mapping[str, str]) -> int:
    text = asked.get("limit")
    try:
        limit = USUAL_PAGE if text is None else int(text)
    except ValueError as error:
        raise HTTPException(400, "limit: a number is needed") from error
    if not 1 <= limit <= MOST_PAGE:
        raise HTTPException(400, f"limit: it should be between 1 and {MOST_PAGE}")
    return limit


def _inside(target: Steered, path: str | None) -> str | None:
    """The path relative to the target's root, `""` for all of it; None when it lies elsewhere."""
    if path is None:
        return ""
    normal = os.path.normpath(path)
    if not os.path.isabs(normal):  # noqa: PTH117  the name need not be UTF-8
        return None if normal.split("/")[0] == ".." else normal.removeprefix(".")
    for root in (target.directory, os.path.realpath(target.directory)):
        if within(normal, root.rstrip("/")):
            return normal[len(root.rstrip("/")) :].lstrip("/")
    return None


async def _gone(request: Request) -> None:
    """Return when whoever asked has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _any_end(*futures: asyncio.Future[Any], timeout_s: float | None) -> None:
    """Wait for the first of them to end, at most `timeout_s`, and cancel the others."""
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for future in futures:
        future.cancel()
    await asyncio.wait(futures)


def error_answer(code: int, text: str) -> Response:
    """A refusal, in the API's words."""
    return _json(ErrorView(error=printable(text)), code)


def refusals() -> dict[Any, Callable[[Request, Exception], Response]]:
    """What becomes of the exceptions that routes raise."""
    return {
        HTTPException: _refused, ValidationError: _invalid, HfWatchError: _unavailable, OSError: _unavailable,
        Exception: _failed,
    }  # fmt: skip


def _refused(_: Request, error: Exception) -> Response:
    return error_answer(getattr(error, "status_code", 400), str(getattr(error, "detail", error)))


def _invalid(_: Request, error: Exception) -> Response:
    mistakes = error.errors(include_url=False, include_input=False) if isinstance(error, ValidationError) else []
    return error_answer(422, "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in mistakes))


def _unavailable(_: Request, error: Exception) -> Response:
    return error_answer(503, str(error))


def _failed(request: Request, error: Exception) -> Response:
    log.error("control.failed", path=request.url.path, exc_info=error)
    return error_answer(500, "an error that nobody foresaw; the log says more")
