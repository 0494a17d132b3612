"""Branches, tags, and the commits behind them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import refusals
from .answers import date, next_page
from .bodies import is_set, json_object, whole_number
from .refusals import Refusal, bad_request
from .state import AT, REPO
from .store import PULL_REQUEST

if TYPE_CHECKING:
    from starlette.requests import Request

    from .state import State

COMMITS_A_PAGE = 50
MOST_COMMITS = 1_000
# What Git lets nobody call a reference: blanks and its own signs, "..", a dot or "/" at an end, ".lock".
NO_NAME = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[./]|/\.|[./]$|\.lock$|^@$|^$")


class References:
    """The routes about what points to commits."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(f"{REPO}/commits/{AT}", self.commits),
            Route(f"{REPO}/refs", self.refs),
            Route(f"{REPO}/branch/{AT}", self.create_branch, methods=["POST"]),
            Route(f"{REPO}/branch/{AT}", self.delete_branch, methods=["DELETE"]),
            Route(f"{REPO}/tag/{AT}", self.create_tag, methods=["POST"]),
            Route(f"{REPO}/tag/{AT}", self.delete_tag, methods=["DELETE"]),
            Route(f"{REPO}/super-squash/{AT}", self.squash, methods=["POST"]),
        ]

    async def commits(self, request: Request) -> Response:
        repo = self._state.repo(request)
        limit = min(whole_number(request.query_params.get("limit"), COMMITS_A_PAGE), MOST_COMMITS)
        page = whole_number(request.query_params.get("p"), 0)
        found = self._state.past.history(self._state.revision(request, repo), page * limit, limit + 1)
        answer = [
            {"id": each.id, "title": each.title, "message": each.description, "date": date(each.at_s),
             "authors": [{"user": each.author, "avatar": ""}]}
            for each in found[:limit]
        ]  # fmt: skip
        return JSONResponse(answer, headers=next_page(request, p=page + 1) if len(found) > limit else {})

    async def refs(self, request: Request) -> Response:
        repo = self._state.repo(request)
        heads = self._state.past.branches(repo)
        answer = {
            "branches": [
                _reference(name, f"refs/heads/{name}", head)
                for name, head in heads.items()
                if not name.startswith(PULL_REQUEST)
            ],
            "converts": [],
            "tags": [_reference(name, f"refs/tags/{name}", at) for name, at in self._state.past.tags(repo).items()],
        }
        if is_set(request.query_params.get("include_prs")):
            answer["pullRequests"] = [
                _reference(name.removeprefix(PULL_REQUEST), name, head)
                for name, head in heads.items()
                if name.startswith(PULL_REQUEST)
            ]
        return JSONResponse(answer)

    async def create_branch(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        name = request.path_params["revision"]
        if NO_NAME.search(name) or name.startswith("refs/"):
            raise bad_request(f"Invalid reference for a branch: {name}")
        if name in self._state.past.branches(repo):
            raise Refusal(409, f"Reference refs/heads/{name} already exists")
        start = (await json_object(request)).get("startingPoint") or "main"
        self._state.store.create_branch(repo, name, self._state.past.resolve(repo, start))
        self._state.heads.show()
        return Response()

    async def delete_branch(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        name = request.path_params["revision"]
        if name == "main":
            raise Refusal(403, "Cannot delete refs/heads/main")
        if name not in self._state.past.branches(repo):
            raise refusals.revision_not_found(name)
        self._state.store.delete_branch(repo, name)
        self._state.heads.forget(repo, name)
        return Response()

    async def create_tag(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        wanted = await json_object(request)
        tag, target = str(wanted.get("tag", "")), self._state.revision(request, repo)
        if NO_NAME.search(tag):
            raise bad_request(f"Invalid reference for a tag: {tag}")
        if tag in self._state.past.tags(repo):
            raise Refusal(409, f"Tag reference exists already: {tag}")
        self._state.store.create_tag(repo, tag, target, wanted.get("message"))
        return Response()

    async def delete_tag(self, request: Request) -> Response:
        repo, _ = self._state.writable(request)
        name = request.path_params["revision"]
        if name not in self._state.past.tags(repo):
            raise refusals.revision_not_found(name)
        self._state.store.delete_tag(repo, name)
        return Response()

    async def squash(self, request: Request) -> Response:
        repo, token = self._state.writable(request)
        branch = request.path_params["revision"]
        title = str((await json_object(request)).get("message") or f"Super-squash branch '{branch}'")
        self._state.store.squash(repo, branch, title=title, author=token.user)
        return Response()


def _reference(name: str, ref: str, target: str) -> dict[str, str]:
    return {"name": name, "ref": ref, "targetCommit": target}
