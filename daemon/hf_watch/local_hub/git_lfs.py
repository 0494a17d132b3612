"""Git LFS: the batch of objects wanted, and their upload in one piece or in parts."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from .refusals import Refusal, bad_request
from .state import URL_PREFIX

if TYPE_CHECKING:
    from starlette.requests import Request

    from .state import State

MEDIA_TYPE = "application/vnd.git-lfs+json"
PART_BYTES = 20_000_000  # larger objects go in parts of this size
SHA256 = re.compile(r"[0-9a-f]{64}")


class GitLfs:
    """The routes of Git LFS."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        routes = [
            Route("/lfs/{oid}", self.put, methods=["PUT"]),
            Route("/lfs/{oid}", self.get, methods=["GET"]),
            Route("/lfs/{oid}/verify", self.verify, methods=["POST"]),
            Route("/lfs/{oid}/parts", self.join, methods=["POST"]),
            Route("/lfs/{oid}/parts/{number:int}", self.put_part, methods=["PUT"]),
        ]
        for kind, prefix in URL_PREFIX.items():
            path = f"/{prefix}{{namespace}}/{{name}}/info/lfs/objects/batch"
            routes.append(Route(path, _batch(self, kind), methods=["POST"]))
        return routes

    async def batch(self, request: Request, kind: str) -> Response:
        request.path_params["kind"] = kind
        wanted = await request.json()
        if wanted.get("operation") == "upload":
            self._state.repo(request)
            self._state.access.check_contribute(self._state.visitor(request))  # it may be for a pull request
            objects = [self._upload(each, wanted.get("transfers", [])) for each in wanted["objects"]]
        else:
            self._state.repo(request)
            objects = [self._download(each) for each in wanted["objects"]]
        transfer = "multipart" if any("chunk_size" in _header(each) for each in objects) else "basic"
        return JSONResponse({"transfer": transfer, "objects": objects}, media_type=MEDIA_TYPE)

    def _upload(self, wish: dict[str, Any], transfers: list[str]) -> dict[str, Any]:
        oid, size_bytes = str(wish["oid"]), int(wish["size"])
        answer: dict[str, Any] = {"oid": oid, "size": size_bytes, "authenticated": True}
        if not SHA256.fullmatch(oid):
            return {**answer, "error": {"code": 422, "message": "not a sha256"}}
        if self._state.objects.has(oid):
            return answer
        href = f"{self._state.url}/lfs/{oid}"
        upload: dict[str, Any] = {"href": href}
        if "multipart" in transfers and size_bytes > PART_BYTES:
            count = math.ceil(size_bytes / PART_BYTES)
            parts = {str(number): f"{href}/parts/{number}" for number in range(1, count + 1)}
            upload = {"href": f"{href}/parts", "header": {"chunk_size": str(PART_BYTES), **parts}}
        return {**answer, "actions": {"upload": upload, "verify": {"href": f"{href}/verify"}}}

    def _download(self, wish: dict[str, Any]) -> dict[str, Any]:
        oid = str(wish["oid"])
        if not self._state.objects.has(oid):
            return {**wish, "error": {"code": 404, "message": "Object does not exist"}}
        return {**wish, "actions": {"download": {"href": f"{self._state.url}/lfs/{oid}"}}}

    async def put(self, request: Request) -> Response:
        await self._state.objects.receive_large(_oid(request), request.stream())
        return Response()

    async def get(self, request: Request) -> Response:
        oid = _oid(request)
        if not self._state.objects.has(oid):
            raise Refusal(404, "Object does not exist")
        return FileResponse(self._state.objects.large(oid))

    async def put_part(self, request: Request) -> Response:
        place = self._part(_oid(request), request.path_params["number"])
        with self._state.objects.writing(place) as file:
            async for block in request.stream():
                file.write(block)
        return Response(headers={"ETag": f'"{place.name}"'})

    async def join(self, request: Request) -> Response:
        oid = _oid(request)
        numbers = sorted(int(part["partNumber"]) for part in (await request.json())["parts"])
        places = [self._part(oid, number) for number in numbers]
        if not all(place.is_file() for place in places):
            raise bad_request("a part is missing")
        await run_in_threadpool(self._state.objects.join_parts, oid, places)
        for place in places:
            place.unlink()
        return JSONResponse({})

    async def verify(self, request: Request) -> Response:
        oid = _oid(request)
        if not self._state.objects.has(oid):
            raise Refusal(404, "Object does not exist")
        if (await request.json()).get("size") != self._state.objects.large(oid).stat().st_size:
            raise bad_request("the object has another size")
        return JSONResponse({})

    def _part(self, oid: str, number: int) -> Any:
        return self._state.objects.place / "parts" / f"{oid}-{number}"


def _oid(request: Request) -> str:
    oid = str(request.path_params["oid"])
    if not SHA256.fullmatch(oid):
        raise bad_request("not a sha256")
    return oid


def _header(answer: dict[str, Any]) -> dict[str, str]:
    header: dict[str, str] = answer.get("actions", {}).get("upload", {}).get("header", {})
    return header


def _batch(lfs: GitLfs, kind: str) -> Any:
    async def batch(request: Request) -> Response:
        return await lfs.batch(request, kind)

    return batch
