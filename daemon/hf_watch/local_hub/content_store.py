"""The Xet content store over HTTP: it takes xorbs and shards, says what it has, and how files are put together."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from . import shards
from .reconstruction import reconstruct
from .refusals import Refusal, bad_request
from .state import AT, REPO, opens_pull_request

if TYPE_CHECKING:
    from starlette.requests import Request

    from .state import State

TOKEN_LIFE_S = 3_600
HASH = re.compile(r"[0-9a-f]{64}")
ONE_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class ContentStore:
    """The routes of the content store, and of the tokens for it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(f"{REPO}/xet-write-token/{AT}", self.write_token),
            Route(f"{REPO}/xet-read-token/{AT}", self.read_token),
            Route("/v1/xorbs/default/{hash}", self.take_xorb, methods=["POST"]),
            Route("/v1/xorbs/default/{hash}", self.give_xorb),
            Route("/v1/shards", self.shard, methods=["POST"]),
            Route("/v1/chunks/default/{hash}", self.chunk),
            Route("/v1/reconstructions/{hash}", self.reconstruction),
            Route("/v1/telemetry", self.telemetry, methods=["POST"]),
        ]

    async def write_token(self, request: Request) -> Response:
        repo, _ = self._state.contributable(request)
        if not opens_pull_request(request):  # whose branch has no name yet: the client says "None" for it
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

    async def take_xorb(self, request: Request) -> Response:
        self._check_token(request)
        is_new, size_bytes = await self._state.objects.receive_xorb(_hash(request), request.stream())
        self._state.xet_bytes += size_bytes
        return JSONResponse({"was_inserted": is_new})

    async def give_xorb(self, request: Request) -> Response:
        """Parts of a xorb. Its address is the permission, as with the signed ones that the Hub hands out."""
        place = self._state.objects.xorb(_hash(request))
        if not place.is_file():
            raise Refusal(404, "no such xorb")
        return FileResponse(place)

    async def shard(self, request: Request) -> Response:
        self._check_token(request)
        try:
            files, xorbs = shards.parse_shard(await request.body())
        except shards.FormatError as error:
            raise bad_request(str(error)) from error
        named = {segment.xorb for file in files for segment in file.segments} | {xorb.hash for xorb in xorbs}
        if missing := [each for each in named if not self._state.objects.has_xorb(each)]:
            raise bad_request(f"xorb {missing[0]} was never uploaded")
        self._state.xet.add([file for file in files if file.sha256 is not None], xorbs)
        return JSONResponse({"result": 1})

    async def reconstruction(self, request: Request) -> Response:
        """How to put a file, or the range of it that is asked for, together."""
        self._check_token(request)
        segments = self._state.xet.segments(_hash(request))
        if segments is None:
            raise Refusal(404, "no such file")
        asked = ONE_RANGE.fullmatch(request.headers.get("range", ""))
        first, last = (int(asked[1]), int(asked[2])) if asked else (0, None)
        if first >= sum(segment.size_bytes for segment in segments):
            raise Refusal(416, "the file ends before")
        at = f"{self._state.url}/v1/xorbs/default/"
        return JSONResponse(reconstruct(segments, self._state.objects.chunks, at, first, last))

    async def chunk(self, request: Request) -> Response:
        """Which xorb holds a chunk already; a client that knows need not send it again."""
        self._check_token(request)
        record = self._state.xet.xorb_with(_hash(request))
        if record is None:
            return Response(status_code=404)
        return Response(shards.shard_of(record), media_type="application/octet-stream")

    async def telemetry(self, request: Request) -> Response:
        await request.body()
        return JSONResponse({})


def _hash(request: Request) -> str:
    found = str(request.path_params["hash"])
    if not HASH.fullmatch(found):
        raise bad_request("not a hash")
    return found
