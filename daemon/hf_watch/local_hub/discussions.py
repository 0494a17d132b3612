"""Discussions and pull requests: opened and looked up. Nobody talks here, and nothing is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import refusals
from .answers import date
from .bodies import json_object
from .state import REPO

if TYPE_CHECKING:
    from starlette.requests import Request

    from .records import Discussion, Repo
    from .state import State


class Discussions:
    """The routes about discussions."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(f"{REPO}/discussions", self.open, methods=["POST"]),
            Route(f"{REPO}/discussions/{{number:int}}", self.details),
        ]

    async def open(self, request: Request) -> Response:
        repo = self._state.repo(request)
        token = self._state.access.check_contribute(self._state.visitor(request))
        wanted = await json_object(request)
        opened = self._state.store.discuss(
            repo,
            title=str(wanted.get("title", "")),
            description=str(wanted.get("description") or ""),
            author=token.user,
            base="main" if wanted.get("pullRequest") else None,
        )
        self._state.heads.show()
        return JSONResponse({"num": opened.number, "url": f"{self._state.repo_url(repo)}/discussions/{opened.number}"})

    async def details(self, request: Request) -> Response:
        repo = self._state.repo(request)
        found = self._state.store.discussion(repo, request.path_params["number"])
        if found is None:
            raise refusals.Refusal(404, "Discussion not found")
        return JSONResponse(_described(repo, found))


def _described(repo: Repo, discussion: Discussion) -> dict[str, Any]:
    author, opened = {"name": discussion.author, "type": "user"}, date(discussion.at_s)
    comment = {"edited": False, "hidden": False, "latest": {"raw": discussion.description, "updatedAt": opened}}
    answer: dict[str, Any] = {
        "num": discussion.number, "title": discussion.title, "author": author, "createdAt": opened,
        "status": "open" if discussion.base is None else "draft",
        "repo": {"name": repo.full_name, "type": repo.kind.removesuffix("s")},
        "isPullRequest": discussion.base is not None,
        "events": [{"id": f"{discussion.number:024x}", "type": "comment", "author": author, "createdAt": opened,
                    "data": comment}],
    }  # fmt: skip
    if discussion.base is not None:
        answer |= {"changes": {"base": f"refs/heads/{discussion.base}"}, "filesWithConflicts": [], "diff": ""}
    return answer
