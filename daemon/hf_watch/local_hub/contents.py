"""What a repo holds: listed, looked up, and read."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from . import refusals
from .answers import directory_item, file_item, last_commit, next_page, path_as_sent
from .bodies import is_set, parsed_object, whole_number
from .refusals import Refusal, bad_request
from .repo_paths import parents
from .state import AT, REPO, URL_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request

    from .records import File, Repo, Revision
    from .state import State

MOST_PATHS = 1_000  # of one paths-info
ONE_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
BEHIND_ALL = "\U0010ffff"  # sorts behind every name


class Contents:
    """The routes that read."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        routes = [
            Route(f"{REPO}/paths-info/{AT}", self.paths_info, methods=["POST"]),
            Route(f"{REPO}/tree/{AT}", self.tree),
            Route(f"{REPO}/tree/{AT}/{{path:repo_path}}", self.tree),
        ]
        for kind, prefix in URL_PREFIX.items():
            path = f"/{prefix}{{namespace}}/{{name}}/resolve/{AT}/{{path:repo_path}}"
            routes.append(Route(path, self._resolver(kind)))
        return routes

    async def paths_info(self, request: Request) -> Response:
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        paths, expand = await _wanted_paths(request)
        if len(paths) > MOST_PATHS:
            raise Refusal(413, "too many parameters")
        found = [item for path in paths if (item := self._item(repo, revision, path)) is not None]
        return JSONResponse(self._expanded(repo, revision, found) if expand else found)

    def _item(self, repo: Repo, revision: Revision, path: str) -> dict[str, Any] | None:
        file = self._state.past.file(repo, revision, path)
        if file is not None:
            return self._file_item(file)
        if self._state.past.files(repo, revision, path, "", 1):
            return directory_item(path)
        return None

    def _file_item(self, file: File) -> dict[str, Any]:
        return file_item(file, self._state.xet_hash(file))

    def _expanded(self, repo: Repo, revision: Revision, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        change = self._state.past.last_change
        return [{**item, "lastCommit": last_commit(change(repo, revision, item["path"]))} for item in items]

    async def tree(self, request: Request) -> Response:
        query = request.query_params
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        prefix = request.path_params.get("path", "").strip("/")
        limit = min(whole_number(query.get("limit"), self._state.page_size), self._state.page_size)
        after = _read_cursor(query.get("cursor", ""))
        if prefix and not self._state.past.files(repo, revision, prefix, "", 1):
            raise refusals.entry_not_found(f"{prefix} does not exist", commit=revision.id)
        page = self._all_below if is_set(query.get("recursive")) else self._directly_in
        items, last = page(repo, revision, prefix, after, limit)
        if is_set(query.get("expand")):
            items = self._expanded(repo, revision, items)
        return JSONResponse(items, headers=next_page(request, cursor=_cursor(last)) if last is not None else {})

    def _all_below(
        self, repo: Repo, revision: Revision, prefix: str, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` files with the directories that hold them, and the path to go on behind, if there is more."""
        files = self._state.past.files(repo, revision, prefix, after, limit + 1)
        seen = {*parents(after), prefix, *parents(prefix)}
        items: list[dict[str, Any]] = []
        for file in files[:limit]:
            fresh = [directory for directory in reversed(parents(file.path)) if directory not in seen]
            seen.update(fresh)
            items += [*map(directory_item, fresh), self._file_item(file)]
        return items, files[limit - 1].path if len(files) > limit else None

    def _directly_in(
        self, repo: Repo, revision: Revision, prefix: str, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` files and directories of one directory, and as above."""
        items: list[dict[str, Any]] = []
        while len(items) < limit and (files := self._state.past.files(repo, revision, prefix, after, 1)):
            rest = files[0].path[len(prefix) + 1 :] if prefix else files[0].path
            name, slash, _ = rest.partition("/")
            path = f"{prefix}/{name}" if prefix else name
            items.append(directory_item(path) if slash else self._file_item(files[0]))
            after = f"{path}/{BEHIND_ALL}" if slash else path
        more = self._state.past.files(repo, revision, prefix, after, 1)
        return items, after if more else None

    def _resolver(self, kind: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def resolve(request: Request) -> Response:
            request.path_params["kind"] = kind
            return self._resolve(request)

        return resolve

    def _resolve(self, request: Request) -> Response:
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        file = self._state.past.file(repo, revision, request.path_params["path"])
        if file is None:
            raise refusals.entry_not_found(commit=revision.id)
        headers = {"X-Repo-Commit": revision.id, "ETag": f'"{file.content_id}"', "Accept-Ranges": "bytes"}
        if file.sha256 is None:
            return _ranged(self._state.past.content(file), headers, request.headers.get("range", ""))
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size_bytes)}
        headers |= self._xet_headers(repo, revision, file)
        if "stored" in request.query_params:
            return FileResponse(self._state.objects.large(file.sha256), headers=headers)
        return RedirectResponse(f"{self._state.url}{path_as_sent(request)}?stored=1", 302, headers)

    def _xet_headers(self, repo: Repo, revision: Revision, file: File) -> dict[str, str]:
        """Where a file that came as Xet can be had as Xet."""
        xet_hash = self._state.xet_hash(file)
        if xet_hash is None:
            return {}
        token = f"{self._state.url}/api/{repo.kind}/{repo.full_name}/xet-read-token/{revision.id}"
        return {"X-Xet-Hash": xet_hash, "Link": f'<{token}>; rel="xet-auth"'}


async def _wanted_paths(request: Request) -> tuple[list[str], bool]:
    """The paths that are asked for, and whether all is to be said about them; a form, or JSON."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        wanted = parsed_object(body)
        return [str(path) for path in wanted.get("paths", [])], bool(wanted.get("expand"))
    form = parse_qs(body.decode(), keep_blank_values=True)
    return form.get("paths", []), is_set(form.get("expand", [""])[-1])


def _cursor(path: str) -> str:
    return base64.urlsafe_b64encode(path.encode()).decode()


def _read_cursor(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, ValueError) as error:
        raise bad_request("not a cursor of this Hub") from error


def _ranged(content: bytes, headers: dict[str, str], wanted: str) -> Response:
    """A content, or the part of it that a Range header asks for."""
    asked = ONE_RANGE.fullmatch(wanted)
    if asked is None:
        return Response(content, headers=headers, media_type="application/octet-stream")
    start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
    if start > end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(content)}"})
    headers = {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"}
    return Response(content[start : end + 1], 206, headers, "application/octet-stream")
