"""The Hub's API: who am I, repos, commits, and what they hold."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from . import refusals
from .attributes import default_gitattributes, parse_ignore, upload_mode
from .cards import check_card
from .refusals import Refusal, bad_request
from .repo_paths import check_path, parents
from .state import KINDS, URL_PREFIX, State, whole_number
from .store import Edit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request

    from .store import File, Repo, Revision

MOST_PATHS = 1_000  # of one paths-info
LARGEST_LINE = 200 << 20
SAMPLE_BYTES = 512


class Api:
    """The routes below /api, and resolve."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        repo = "/api/{kind:kind}/{namespace}/{name}"
        at = "{revision:revision}"
        routes = [
            Route("/api/whoami-v2", self.whoami),
            Route("/api/validate-yaml", self.validate_yaml, methods=["POST"]),
            Route("/api/repos/create", self.create, methods=["POST"]),
            Route("/api/repos/delete", self.delete, methods=["DELETE"]),
            Route("/api/repos/move", self.move, methods=["POST"]),
            Route(repo, self.info),
            Route(f"{repo}/revision/{at}", self.info),
            Route(f"{repo}/settings", self.settings, methods=["PUT"]),
            Route(f"{repo}/auth-check", self.auth_check),
            Route(f"{repo}/auth-check/write", self.auth_check_write),
            Route(f"{repo}/preupload/{at}", self.preupload, methods=["POST"]),
            Route(f"{repo}/commit/{at}", self.commit, methods=["POST"]),
            Route(f"{repo}/paths-info/{at}", self.paths_info, methods=["POST"]),
            Route(f"{repo}/tree/{at}", self.tree),
            Route(f"{repo}/tree/{at}/{{path:path}}", self.tree),
            Route(f"{repo}/commits/{at}", self.commits),
            Route(f"{repo}/refs", self.refs),
            Route(f"{repo}/branch/{at}", self.branch, methods=["POST", "DELETE"]),
            Route(f"{repo}/tag/{at}", self.tag, methods=["POST", "DELETE"]),
        ]
        for kind, prefix in URL_PREFIX.items():
            path = f"/{prefix}{{namespace}}/{{name}}/resolve/{at}/{{path:path}}"
            routes.append(Route(path, _resolver(self, kind), methods=["GET"]))
        return routes

    async def whoami(self, request: Request) -> Response:
        visitor = self._state.visitor(request)
        if visitor is None:
            raise Refusal(401, "Invalid username or password.")
        return JSONResponse({
            "type": "user", "id": visitor.user, "name": visitor.user, "fullname": visitor.fullname or visitor.user,
            "email": f"{visitor.user}@example.org", "emailVerified": True, "canPay": False, "isPro": False,
            "periodEnd": None, "avatarUrl": "", "billingMode": "prepaid",
            "orgs": [{"name": each.name, "fullname": each.fullname or each.name, "roleInOrg": "admin"}
                     for each in visitor.organizations()],
            "auth": {"type": "access_token", "accessToken": {"displayName": "local", "role": visitor.role,
                                                             "createdAt": _date(0.0)}},
        })  # fmt: skip

    async def validate_yaml(self, request: Request) -> Response:
        errors, warnings = check_card((await _json(request)).get("content", ""))
        answer = {
            key: [{"message": text} for text in texts] for key, texts in (("errors", errors), ("warnings", warnings))
        }
        return JSONResponse(answer, 400 if errors else 200)

    async def create(self, request: Request) -> Response:
        wanted = await _json(request)
        visitor = self._state.visitor(request)
        if visitor is None:
            raise Refusal(401, "Invalid username or password.")
        namespace = wanted.get("organization") or visitor.user
        kind = KINDS[wanted.get("type") or "model"]
        if visitor.role == "read" or not self._state.access.owns(visitor, namespace):
            raise Refusal(403, f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{namespace}"')
        name = str(wanted["name"])
        found = self._state.store.find_repo(kind, namespace, name)
        if found is not None:
            answer = {"error": f"You already created this {kind[:-1]} repo", "url": self._state.repo_url(found)}
            return JSONResponse(answer, 409)
        private = wanted.get("visibility") == "private" or wanted.get("private") is True
        made = self._state.store.create_repo(kind, namespace, name, default_gitattributes(kind), private=private)
        self._state.heads.show()
        return JSONResponse({"url": self._state.repo_url(made), "name": made.full_name, "id": str(made.id)})

    def _named(self, request: Request, wanted: dict[str, Any]) -> Repo:
        visitor = self._state.visitor(request)
        namespace = wanted.get("organization") or (visitor.user if visitor else "")
        repo = self._state.store.find_repo(KINDS[wanted.get("type") or "model"], namespace, str(wanted["name"]))
        if repo is None:
            raise refusals.repo_not_found(anonymous=visitor is None)
        self._state.access.check_write(visitor, repo.namespace)
        return repo

    async def delete(self, request: Request) -> Response:
        repo = self._named(request, await _json(request))
        self._state.store.delete_repo(repo)
        self._state.heads.forget(repo)
        return Response()

    async def move(self, request: Request) -> Response:
        wanted = await _json(request)
        kind = KINDS[wanted.get("type") or "model"]
        namespace, _, name = str(wanted["fromRepo"]).partition("/")
        to_namespace, _, to_name = str(wanted["toRepo"]).partition("/")
        repo = self._named(request, {"organization": namespace, "name": name, "type": wanted.get("type")})
        if self._state.store.find_repo(kind, to_namespace, to_name) is not None:
            raise Refusal(409, f"A {kind[:-1]} repository called {to_namespace}/{to_name} already exists")
        self._state.access.check_write(self._state.visitor(request), to_namespace)
        self._state.heads.forget(repo)
        self._state.store.rename_repo(repo, to_namespace, to_name)
        return Response()

    async def settings(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        wanted = await _json(request)
        if "private" in wanted or "visibility" in wanted:
            private = wanted.get("visibility") == "private" or wanted.get("private") is True
            self._state.store.set_private(repo, private=private)
        return JSONResponse({})

    async def auth_check(self, request: Request) -> Response:
        self._state.repo(request)
        return JSONResponse({})

    async def auth_check_write(self, request: Request) -> Response:
        self._state.writable(request)
        return JSONResponse({})

    async def info(self, request: Request) -> Response:
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        answer: dict[str, Any] = {
            "_id": f"{repo.id:024x}", "id": repo.full_name, "author": repo.namespace, "sha": revision.id,
            "private": repo.private, "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [],
            "lastModified": _date(revision.at_s), "createdAt": _date(repo.created_s),
        }  # fmt: skip
        if repo.kind == "models":
            answer["modelId"] = repo.full_name
        if "expand" not in request.query_params:
            files = self._state.store.files(repo, revision, "", "", -1)
            blobs = request.query_params.get("blobs", "").lower() in {"1", "true"}
            answer["siblings"] = [_sibling(file, blobs=blobs) for file in files]
        return JSONResponse(answer)

    async def preupload(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        revision = self._state.revision(request, repo)
        wanted = await _json(request)
        attributes = self._state.attributes(repo, revision)
        ignore_text = wanted.get("gitIgnore")
        text = ignore_text.encode() if ignore_text else self._state.small_file(repo, revision, ".gitignore")
        try:
            ignore = parse_ignore(text)
        except ValueError as error:
            raise bad_request(f".gitignore: {error}") from error
        answers = []
        for wish in wanted.get("files", []):
            path, sample = check_path(wish["path"]), _decoded(wish.get("sample", ""))
            held = self._state.store.file(repo, revision, path)
            answer = {
                "path": path,
                "uploadMode": upload_mode(path, int(wish.get("size", len(sample))), sample, attributes),
                "shouldIgnore": ignore.match_file(path),
            }
            if held is not None:
                answer["oid"] = held.content_id
            answers.append(answer)
        return JSONResponse({"files": answers})

    async def commit(self, request: Request) -> Response:
        repo, token = self._state.writable(request)
        branch = request.path_params["revision"]
        header, edit = await self._read_commit(request)
        if not self._state.commits.take():
            raise Refusal(
                429,
                f"You have exceeded the rate limit for repository commits ({self._state.commits.limit} per hour)."
                " You can retry this action in about 1 hour.",
            )
        for path, (sha256, size_bytes) in edit.large.items():
            edit.large[path] = (sha256, await run_in_threadpool(self._check_large, sha256, size_bytes))
        made = self._state.store.commit(
            repo,
            branch,
            edit,
            title=str(header.get("summary", "")),
            description=str(header.get("description") or ""),
            author=token.user,
            parent=header.get("parentCommit"),
        )
        await run_in_threadpool(self._state.heads.show)
        return JSONResponse({
            "success": True, "commitOid": made.id, "commitUrl": f"{self._state.repo_url(repo)}/commit/{made.id}",
            "pullRequestUrl": None, "hookOutput": "",
        })  # fmt: skip

    async def _read_commit(self, request: Request) -> tuple[dict[str, Any], Edit]:
        header: dict[str, Any] = {}
        edit = Edit()
        async for line in _lines(request):
            try:
                item = json.loads(line)
                key, value = item["key"], item["value"]
            except (ValueError, KeyError, TypeError) as error:
                raise bad_request("a line of the commit is not what it should be") from error
            if key == "header":
                header = value
            else:
                _add_operation(edit, key, value)
        return header, edit

    def _check_large(self, sha256: str, size_bytes: int) -> int:
        """The size of an `lfsFile` line's content, which must be here, by LFS or by Xet; -1: the line says none."""
        if not self._state.objects.has(sha256):
            described = self._state.store.xet_file(sha256)
            if described is None:
                raise bad_request("LFS pointer pointed to a file that does not exist")
            self._state.objects.put_together(sha256, described[1])
        held = self._state.objects.large(sha256).stat().st_size
        if size_bytes not in {-1, held}:
            raise bad_request(f"the object has {held} bytes, not {size_bytes}")
        return held

    async def paths_info(self, request: Request) -> Response:
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        body = await request.body()
        if request.headers.get("content-type", "").startswith("application/json"):
            paths = json.loads(body).get("paths", [])
        else:
            paths = parse_qs(body.decode(), keep_blank_values=True).get("paths", [])
        if len(paths) > MOST_PATHS:
            raise Refusal(413, "too many parameters")
        found = (self._path_info(repo, revision, path) for path in paths)
        return JSONResponse([each for each in found if each is not None])

    def _path_info(self, repo: Repo, revision: Revision, path: str) -> dict[str, Any] | None:
        file = self._state.store.file(repo, revision, path)
        if file is not None:
            return _file_item(file)
        if self._state.store.files(repo, revision, path, "", 1):
            return _directory_item(path)
        return None

    async def tree(self, request: Request) -> Response:
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        prefix = request.path_params.get("path", "").strip("/")
        recursive = request.query_params.get("recursive", "").lower() in {"1", "true"}
        limit = min(whole_number(request.query_params.get("limit"), self._state.page_size), self._state.page_size)
        after = base64.urlsafe_b64decode(request.query_params.get("cursor", "")).decode()
        if prefix and not self._state.store.files(repo, revision, prefix, "", 1):
            raise refusals.entry_not_found(f"{prefix} does not exist", commit=revision.id)
        items, last = self._page(repo, revision, prefix, after, limit, recursive=recursive)
        headers = {}
        if last is not None:
            cursor = base64.urlsafe_b64encode(last.encode()).decode()
            headers["Link"] = f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'
        return JSONResponse(items, headers=headers)

    def _page(
        self, repo: Repo, revision: Revision, prefix: str, after: str, limit: int, *, recursive: bool
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` files with the directories that hold them, and the path to go on behind, if there is more."""
        items: list[dict[str, Any]] = []
        if recursive:
            files = self._state.store.files(repo, revision, prefix, after, limit + 1)
            seen = set(parents(after)) if after else set()
            for file in files[:limit]:
                items += _new_directories(file.path, prefix, seen)
                items.append(_file_item(file))
            return items, files[limit - 1].path if len(files) > limit else None
        while len(items) < limit and (files := self._state.store.files(repo, revision, prefix, after, 1)):
            rest = files[0].path[len(prefix) + 1 :] if prefix else files[0].path
            name, slash, _ = rest.partition("/")
            full = f"{prefix}/{name}" if prefix else name
            items.append(_directory_item(full) if slash else _file_item(files[0]))
            after = f"{full}/\U0010ffff" if slash else full
        more = self._state.store.files(repo, revision, prefix, after, 1)
        return items, after if more else None

    async def commits(self, request: Request) -> Response:
        repo = self._state.repo(request)
        limit = min(whole_number(request.query_params.get("limit"), 50), 1_000)
        page = whole_number(request.query_params.get("p"), 0)
        found = self._state.store.history(self._state.revision(request, repo), page * limit, limit + 1)
        headers = {}
        if len(found) > limit:
            headers["Link"] = f'<{request.url.include_query_params(p=page + 1)}>; rel="next"'
        answer = [
            {"id": each.id, "title": each.title, "message": each.description, "date": _date(each.at_s),
             "authors": [{"user": each.author, "avatar": ""}]}
            for each in found[:limit]
        ]  # fmt: skip
        return JSONResponse(answer, headers=headers)

    async def refs(self, request: Request) -> Response:
        repo = self._state.repo(request)

        def listed(names: dict[str, str], place: str) -> list[dict[str, str]]:
            return [{"name": name, "ref": f"refs/{place}/{name}", "targetCommit": head} for name, head in names.items()]

        return JSONResponse({
            "branches": listed(self._state.store.branches(repo), "heads"), "converts": [],
            "tags": listed(self._state.store.tags(repo), "tags"),
        })  # fmt: skip

    async def branch(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        name = request.path_params["revision"]
        branches = self._state.store.branches(repo)
        if request.method == "DELETE":
            if name == "main":
                raise Refusal(403, "Cannot delete refs/heads/main")
            if name not in branches:
                raise refusals.revision_not_found(name)
            self._state.store.delete_branch(repo, name)
            return Response()
        if name in branches:
            raise Refusal(409, f"Reference refs/heads/{name} already exists")
        start = (await _json(request)).get("startingPoint") or "main"
        self._state.store.create_branch(repo, name, self._state.store.resolve(repo, start))
        return Response()

    async def tag(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        name = request.path_params["revision"]
        if request.method == "DELETE":
            if name not in self._state.store.tags(repo):
                raise refusals.revision_not_found(name)
            self._state.store.delete_tag(repo, name)
            return Response()
        wanted = await _json(request)
        tag = str(wanted["tag"])
        target = self._state.store.resolve(repo, name)
        if tag in self._state.store.tags(repo):
            raise Refusal(409, f"Tag reference exists already: {tag}")
        self._state.store.create_tag(repo, tag, target, wanted.get("message"))
        return Response()

    async def resolve(self, request: Request, kind: str) -> Response:
        request.path_params["kind"] = kind
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        file = self._state.store.file(repo, revision, request.path_params["path"])
        if file is None:
            raise refusals.entry_not_found(commit=revision.id)
        headers = {"X-Repo-Commit": revision.id, "ETag": f'"{file.content_id}"', "Accept-Ranges": "bytes"}
        if file.sha256 is not None:
            headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size_bytes)}
            if "stored" not in request.query_params:
                place = f"{request.url.path}?stored=1"
                return RedirectResponse(f"{self._state.url}{quote(place, safe='/?=%')}", 302, headers)
            return FileResponse(self._state.objects.large(file.sha256), headers=headers)
        return _ranged(self._state.store.content(file), headers, request)


def _resolver(api: Api, kind: str) -> Any:
    async def resolve(request: Request) -> Response:
        return await api.resolve(request, kind)

    return resolve


def _ranged(content: bytes, headers: dict[str, str], request: Request) -> Response:
    """A content, or the part of it that a Range header asks for."""
    wanted = request.headers.get("range", "")
    start_text, dash, end_text = wanted.removeprefix("bytes=").partition("-")
    if not wanted.startswith("bytes=") or not dash or not start_text.isdigit():
        return Response(content, headers=headers, media_type="application/octet-stream")
    start, end = int(start_text), min(int(end_text or len(content) - 1), len(content) - 1)
    if start > end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(content)}"})
    headers = {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"}
    return Response(content[start : end + 1], 206, headers, "application/octet-stream")


def _add_operation(edit: Edit, key: str, value: dict[str, Any]) -> None:
    path = check_path(value.get("path", "").rstrip("/"))
    match key:
        case "file":
            edit.regular[path] = _decoded(value.get("content", ""))
            if path == "README.md" and (errors := check_card(edit.regular[path].decode("utf-8", "replace"))[0]):
                raise bad_request(f"Invalid metadata in README.md: {errors[0]}")
        case "lfsFile":
            edit.large[path] = (str(value["oid"]), int(value.get("size", -1)))
        case "deletedFile":
            edit.deleted.append(path)
        case "deletedFolder":
            edit.deleted_folders.append(path)
        case _:
            raise bad_request(f"unknown operation {key}")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request("not base64") from error


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """The lines of a body, one held at a time."""
    held: list[bytes] = []
    async for block in request.stream():
        *lines, rest = block.split(b"\n")
        for line in lines:
            whole = b"".join([*held, line])
            held.clear()
            if whole.strip():
                yield whole
        held.append(rest)
    if (last := b"".join(held)).strip():
        yield last


async def _json(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise bad_request("not JSON") from error
    if not isinstance(found, dict):
        raise bad_request("not a JSON object")
    return found


def _file_item(file: File) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size_bytes, "path": file.path}
    if file.sha256 is not None:
        item["lfs"] = {"oid": file.sha256, "size": file.size_bytes, "pointerSize": 134}
    return item


def _directory_item(path: str) -> dict[str, Any]:
    return {"type": "directory", "oid": "0" * 40, "size": 0, "path": path}


def _new_directories(path: str, prefix: str, seen: set[str]) -> Iterable[dict[str, Any]]:
    """The directories above a file, below the listed one, that no file before it had."""
    for directory in reversed(parents(path)):
        if directory not in seen and len(directory) > len(prefix):
            seen.add(directory)
            yield _directory_item(directory)


def _sibling(file: File, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.path}
    item: dict[str, Any] = {"rfilename": file.path, "size": file.size_bytes, "blobId": file.oid}
    if file.sha256 is not None:
        item["lfs"] = {"sha256": file.sha256, "size": file.size_bytes, "pointerSize": 134}
    return item


def _date(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
