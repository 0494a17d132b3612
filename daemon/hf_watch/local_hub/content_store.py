"""The Xet content store over HTTP: it takes xorbs and shards; what a commit names is put together from them.

It never answers that it knows a chunk, so deduplication happens within what one client remembers. Files are read back
by `resolve`.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import shards
from .refusals import Refusal, bad_request

if TYPE_CHECKING:
    from starlette.requests import Request

    from .state import State

TOKEN_LIFE_S = 3_600


class ContentStore:
    """The routes of the content store, and of the tokens for it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        repo = "/api/{kind:kind}/{namespace}/{name}"
        return [
            Route(f"{repo}/xet-write-token/{{revision:revision}}", self.write_token),
            Route(f"{repo}/xet-read-token/{{revision:revision}}", self.read_token),
            Route("/v1/xorbs/default/{hash}", self.xorb, methods=["POST"]),
            Route("/v1/shards", self.shard, methods=["POST"]),
            Route("/v1/chunks/default/{hash}", self.chunk),
            Route("/v1/telemetry", self.telemetry, methods=["POST"]),
        ]

    async def write_token(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        self._state.revision(request, repo)
        return self._token()

    async def read_token(self, request: Request) -> Response:
        self._state.repo(request)
        return self._token()

    def _token(self) -> Response:
        token = "xet_" + secrets.token_hex(20)
        expires = int(time.time()) + TOKEN_LIFE_S
        self._state.xet_tokens.add(token)
        headers = {
            "X-Xet-Cas-Url": self._state.url,
            "X-Xet-Access-Token": token,
            "X-Xet-Token-Expiration": str(expires),
        }
        return JSONResponse({"casUrl": self._state.url, "exp": expires, "accessToken": token}, headers=headers)

    def _check_token(self, request: Request) -> None:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        if token not in self._state.xet_tokens:
            raise Refusal(401, "Invalid token")

    async def xorb(self, request: Request) -> Response:
        self._check_token(request)
        place = self._state.objects.xorb(request.path_params["hash"])
        is_new = not place.is_file()
        with self._state.objects.writing(place) as file:
            async for block in request.stream():
                self._state.xet_bytes += len(block)
                file.write(block)
        await run_in_threadpool(_check_xorb, place.read_bytes())
        return JSONResponse({"was_inserted": is_new})

    async def shard(self, request: Request) -> Response:
        self._check_token(request)
        try:
            files = shards.parse_shard(await request.body())
        except shards.FormatError as error:
            raise bad_request(str(error)) from error
        for file in files:
            if file.sha256 is not None:
                segments = json.dumps([[each.xorb, each.first, each.last] for each in file.segments])
                self._state.store.add_xet_file(file.sha256, file.hash, segments)
        return JSONResponse({"result": 1})

    async def chunk(self, request: Request) -> Response:
        self._check_token(request)
        return Response(status_code=404)

    async def telemetry(self, request: Request) -> Response:
        await request.body()
        return JSONResponse({})


def _check_xorb(content: bytes) -> None:
    try:
        shards.chunk_spans(content)
    except shards.FormatError as error:
        raise bad_request(str(error)) from error
