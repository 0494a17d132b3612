"""The page's routes: its files, health, metrics, the drop area, and those of the control socket."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hf_watch.control.answers import answering, error_answer, refusals
from hf_watch.control.api import OPERATIONS, Api
from hf_watch.control.contract import ErrorView
from hf_watch.control.openapi import Operation, Query, document
from hf_watch.control.questions import parameters, read_question
from hf_watch.control.view import REPO_PLACES
from hf_watch.page.contract import DropsView, DropView, LimitsView, MinuteView, RecentView, UrlQuestion
from hf_watch.page.fetching import NOT_SAID, fetched
from hf_watch.page.landing import RefusedError, checked, landing
from hf_watch.paths import encoded, printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pydantic import BaseModel
    from starlette.requests import Request

    from hf_watch.control.daemon import Steered
    from hf_watch.page.drops import Drop, Drops
    from hf_watch.page.fetching import Reach
    from hf_watch.page.metrics import Metrics
    from hf_watch.page.recent import Recent

FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
    "/drop.js": ("drop.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
OPEN_PATHS = frozenset({*FILES, "/healthz"})  # they hold nothing of this daemon's
UPLOADS_AT_A_TIME = 8
MOST_CHANGES = 1_000
SILENCE_S = 30.0  # an upload of which nothing comes for so long is given up
BLOCK_BYTES = 1 << 20  # written at a time
TRUE = frozenset({"1", "true"})


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What the drop area may take."""

    max_upload_bytes: int
    reach: Reach  # how far a URL may lead


class Page:
    """Answers on the event loop of the control socket's thread; `api` is the control socket's."""

    def __init__(
        self, api: Api, *, hub_url: str, metrics: Metrics, recent: Recent, drops: Drops, limits: PageLimits
    ) -> None:
        self._api = api
        self._hub_url = hub_url
        self._metrics = metrics
        self._recent = recent
        self._drops = drops
        self._limits = limits
        self._arriving: set[tuple[str, str]] = set()  # targets and paths

    def app(self) -> Starlette:
        """The ASGI application, without the guard."""
        shown = [Route(path, _file(*of), name=of[0]) for path, of in FILES.items()]
        own = [
            Route(each.path, answering(getattr(self, each.name)), methods=[each.method], name=each.name)
            for each in PAGE_OPERATIONS
        ]
        return Starlette(
            routes=[
                *shown,
                Route("/healthz", _alive),
                Route("/readyz", self.ready),
                Route("/metrics", self.measured),
                Route("/v1/openapi.json", _openapi),
                *own,
                *self._api.routes(),
            ],
            exception_handlers={**refusals(), RefusedError: _not_taken, ClientDisconnect: _left},
        )

    async def ready(self, _: Request) -> Response:
        """Whether the Hub has everything that settled, but for what is young; 503 when not."""
        view = self._api.view()
        return JSONResponse({"health": view.health, "problems": view.problems}, 503 if view.health == "late" else 200)

    async def measured(self, request: Request) -> Response:
        """The metrics, as Prometheus reads them."""
        self._metrics.begin((each.name, str(each.destination)) for each in self._api.chosen(None))
        text, media_type = self._metrics.text(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": media_type})

    async def recent(self, _: Request) -> BaseModel:
        """What was published in the last hour, minute by minute."""
        minutes = self._recent.minutes(self._metrics.totals())
        return RecentView(
            minutes=tuple(
                MinuteView(files=each.files, bytes=each.size_bytes, latency_s=each.latency_s) for each in minutes
            )
        )

    async def limits(self, _: Request) -> BaseModel:
        """What the drop area takes."""
        return LimitsView(max_upload_bytes=self._limits.max_upload_bytes, uploads_at_a_time=UPLOADS_AT_A_TIME)

    async def drops(self, request: Request) -> BaseModel:
        """What became of the files that were dropped here."""
        try:
            since = int(request.query_params.get("since", "0"))
        except ValueError as error:
            raise HTTPException(400, "since: a number is needed") from error
        return DropsView(drops=tuple(map(self._drop_view, self._drops.since(since, MOST_CHANGES))))

    async def upload(self, request: Request) -> BaseModel:
        """Put the body at a path below a target's directory."""
        given = parameters(request)
        target = self._target(given.get("target"))
        path = checked(target, given.get("path", ""))
        may_replace = given.get("replace") in TRUE
        said = request.headers.get("content-length", "")
        expected = int(said) if said.isdecimal() else NOT_SAID
        return await self._take(target, path, _body(request), expected, may_replace=may_replace)

    async def fetch(self, request: Request) -> BaseModel:
        """Put what is at a URL at a path below a target's directory."""
        question = await read_question(request, UrlQuestion)
        target = self._target(question.target)
        path = None if question.path is None else checked(target, question.path)
        async with fetched(question.url, self._limits.reach) as found:
            path = path or checked(target, found.name)
            return await self._take(target, path, found.blocks, found.size_bytes, may_replace=question.replace)

    def _target(self, name: str | None) -> Steered:
        if name is None:
            raise HTTPException(422, "target: say which one")
        [target] = self._api.chosen(name)
        return target

    async def _take(
        self, target: Steered, path: str, blocks: AsyncIterator[bytes], expected: int, *, may_replace: bool
    ) -> DropView:
        if expected > self._limits.max_upload_bytes:
            raise self._too_large()
        with self._slot(target.name, path), landing(target.directory, max(expected, 0)) as file:
            async for block in _gathered(blocks):
                if file.size_bytes + len(block) > self._limits.max_upload_bytes:
                    raise self._too_large()
                await anyio.to_thread.run_sync(file.write, block)
            naming = self._drops.expecting(target.name, path, file.size_bytes)
            await anyio.to_thread.run_sync(partial(file.place, path, may_replace=may_replace, naming=naming))
            drop = self._drops.add(target.name, path, file.size_bytes)
        return self._drop_view(drop)

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, f"it is larger than the {self._limits.max_upload_bytes} bytes of http.max_upload_bytes"
        )

    @contextmanager
    def _slot(self, target: str, path: str) -> Iterator[None]:
        """One of few, and the only one for this file: what becomes of it is followed by its name."""
        if (target, path) in self._arriving:
            raise RefusedError(409, f"{printable(path)} is being uploaded already")
        if len(self._arriving) >= UPLOADS_AT_A_TIME:
            raise RefusedError(503, f"{UPLOADS_AT_A_TIME} uploads are under way already; try again in a moment")
        self._arriving.add((target, path))
        try:
            yield
        finally:
            self._arriving.remove((target, path))

    def _drop_view(self, drop: Drop) -> DropView:
        commit_url = file_url = None
        if drop.commit is not None:
            repo = self._repo_url(drop.target)
            commit_url = f"{repo}/commit/{drop.commit}"
            file_url = f"{repo}/resolve/{drop.commit}/{quote(drop.repo_path or '')}"
        return DropView(
            number=drop.number, target=drop.target, path=printable(drop.path), path_encoded=encoded(drop.path),
            bytes=drop.size_bytes, fate=drop.fate, commit=drop.commit, commit_url=commit_url, file_url=file_url,
            reason=drop.reason,
        )  # fmt: skip

    def _repo_url(self, name: str) -> str:
        destination = self._target(name).destination
        return f"{self._hub_url}/{REPO_PLACES[destination.repo_type]}{destination.repo_id}"


PAGE_OPERATIONS = (
    Operation("recent", "GET", "/v1/recent", RecentView),
    Operation("limits", "GET", "/v1/limits", LimitsView),
    Operation("drops", "GET", "/v1/drops", DropsView, queries=(Query("since", {"type": "integer", "minimum": 0}),)),
    Operation("upload", "POST", "/v1/upload", DropView, queries=(Query("target"), Query("path"), Query("replace"))),
    Operation("fetch", "POST", "/v1/fetch", DropView, UrlQuestion),
)


def openapi() -> dict[str, Any]:
    """The description of what is asked over HTTP: the control socket's operations, and the page's own."""
    described = [(each, Api) for each in OPERATIONS] + [(each, Page) for each in PAGE_OPERATIONS]
    summaries = {each.name: inspect.getdoc(getattr(where, each.name)) or "" for each, where in described}
    return document([each for each, _ in described], summaries, ErrorView)


async def _openapi(_: Request) -> Response:
    return JSONResponse(openapi())


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _file(name: str, media_type: str) -> Any:
    content = resources.files("hf_watch.page").joinpath("static", name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body, as long as something of it keeps coming."""
    stream = request.stream()
    while True:
        try:
            with anyio.fail_after(SILENCE_S):
                block = await anext(stream, None)
        except TimeoutError as error:
            raise RefusedError(408, f"nothing of it came for {SILENCE_S:.0f} s") from error
        if block is None:
            return
        yield block


async def _gathered(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer, larger blocks: each is written on another thread."""
    held = bytearray()
    async for block in blocks:
        held += block
        if len(held) >= BLOCK_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _not_taken(_: Request, error: Exception) -> Response:
    answer = error_answer(error.status if isinstance(error, RefusedError) else 500, str(error))
    if answer.status_code == 503:
        answer.headers["Retry-After"] = "1"
    return answer


def _left(_: Request, _error: Exception) -> Response:
    return error_answer(400, "whoever asked has left")
