"""Repos: made, described, set, moved and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import refusals
from .answers import date, sibling
from .attributes import default_gitattributes
from .bodies import is_set, json_object
from .refusals import Refusal, bad_request
from .repo_paths import check_repo_name
from .state import AT, KINDS, REPO

if TYPE_CHECKING:
    from starlette.requests import Request

    from .access import Token
    from .records import Repo
    from .state import State


class Repos:
    """The routes about repos as a whole."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        lone = "/api/{kind:kind}/{name}"
        return [
            Route("/api/repos/create", self.create, methods=["POST"]),
            Route("/api/repos/delete", self.delete, methods=["DELETE"]),
            Route("/api/repos/move", self.move, methods=["POST"]),
            Route(REPO, self.info),
            Route(f"{REPO}/revision/{AT}", self.info),
            Route(f"{REPO}/settings", self.settings, methods=["PUT"]),
            Route(lone, self.without_namespace),
            Route(f"{lone}/revision/{AT}", self.without_namespace),
            Route(f"/{{name}}/resolve/{AT}/{{path:repo_path}}", self.without_namespace),
        ]

    async def without_namespace(self, request: Request) -> Response:
        """The Hub has a few such repos, left from its first days; here there are none."""
        raise refusals.repo_not_found(anonymous=self._state.visitor(request) is None)

    async def create(self, request: Request) -> Response:
        wanted = await json_object(request)
        visitor = self._state.visitor(request)
        if visitor is None:
            raise refusals.nobody()
        namespace = check_repo_name(str(wanted.get("organization") or visitor.user))
        name, kind = check_repo_name(str(wanted.get("name", ""))), _kind(wanted)
        if visitor.role == "read" or not self._state.access.owns(visitor, namespace):
            raise Refusal(403, f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{namespace}"')
        found = self._state.store.find_repo(kind, namespace, name)
        if found is not None:
            answer = {"error": f"You already created this {kind[:-1]} repo", "url": self._state.repo_url(found)}
            return JSONResponse(answer, 409)
        private = _wants_private(wanted, default=_is_private_by_default(visitor, namespace))
        made = self._state.store.create_repo(kind, namespace, name, default_gitattributes(kind), private=private)
        self._state.heads.show()
        return JSONResponse({"url": self._state.repo_url(made), "name": made.full_name, "id": str(made.id)})

    def _named(self, request: Request, wanted: dict[str, Any]) -> Repo:
        """The repo that a body names, if the visitor may write there."""
        visitor = self._state.visitor(request)
        namespace = wanted.get("organization") or (visitor.user if visitor else "")
        repo = self._state.store.find_repo(_kind(wanted), namespace, str(wanted.get("name", "")))
        if repo is None or not self._state.access.may_read(visitor, repo):
            raise refusals.repo_not_found(anonymous=visitor is None)
        self._state.access.check_write(visitor, repo.namespace)
        return repo

    async def delete(self, request: Request) -> Response:
        repo = self._named(request, await json_object(request))
        self._state.store.delete_repo(repo)
        self._state.heads.forget(repo)
        return Response()

    async def move(self, request: Request) -> Response:
        wanted = await json_object(request)
        kind = _kind(wanted)
        namespace, _, name = str(wanted.get("fromRepo", "")).partition("/")
        to_namespace, to_name = map(check_repo_name, str(wanted.get("toRepo", "")).partition("/")[::2])
        repo = self._named(request, {"organization": namespace, "name": name, "type": wanted.get("type")})
        if self._state.store.find_repo(kind, to_namespace, to_name) is not None:
            raise Refusal(409, f"A {kind[:-1]} repository called {to_namespace}/{to_name} already exists")
        self._state.access.check_write(self._state.visitor(request), to_namespace)
        self._state.heads.forget(repo)
        self._state.store.rename_repo(repo, to_namespace, to_name)
        self._state.heads.show()
        return Response()

    async def settings(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        wanted = await json_object(request)
        self._state.store.set_private(repo, private=_wants_private(wanted, default=repo.private))
        if "gated" in wanted:
            self._state.store.set_gated(repo, wanted["gated"] or None)
        return JSONResponse({})

    async def info(self, request: Request) -> Response:
        repo = self._state.repo(request)
        revision = self._state.revision(request, repo)
        answer: dict[str, Any] = {
            "_id": f"{repo.id:024x}", "id": repo.full_name, "author": repo.namespace, "sha": revision.id,
            "private": repo.private, "gated": repo.gated or False, "disabled": False, "downloads": 0, "likes": 0,
            "tags": [], "lastModified": date(revision.at_s), "createdAt": date(repo.created_s),
        }  # fmt: skip
        if repo.kind == "models":
            answer["modelId"] = repo.full_name
        if "expand" not in request.query_params:
            files = self._state.past.files(repo, revision, "", "", -1)
            blobs = is_set(request.query_params.get("blobs"))
            answer["siblings"] = [sibling(file, blobs=blobs) for file in files]
        return JSONResponse(answer)


def _kind(wanted: dict[str, Any]) -> str:
    kind = KINDS.get(str(wanted.get("type") or "model"))
    if kind is None:
        raise bad_request("no such type of repo")
    return kind


def _wants_private(wanted: dict[str, Any], *, default: bool) -> bool:
    """What a body says of privacy, in the old word or in the new one."""
    if "visibility" in wanted:
        return bool(wanted["visibility"] == "private")
    return bool(wanted.get("private", default))


def _is_private_by_default(token: Token, namespace: str) -> bool:
    return any(org.private_by_default for org in token.organizations() if org.name.lower() == namespace.lower())
