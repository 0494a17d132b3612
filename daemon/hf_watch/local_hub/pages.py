"""What a person sees who follows a commit's link: a plain page of what it added and deleted."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from .state import AT, URL_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request

    from .records import Repo, Revision
    from .state import State

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>{title}</title><body style="font-family: system-ui, sans-serif; max-width: 60rem; margin: 2rem auto">
<p>local Hub · {repo}</p><h1>{title}</h1><p><code>{commit}</code></p><ul>{files}</ul>"""


class Pages:
    """The routes that answer browsers."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(f"/{prefix}{{namespace}}/{{name}}/commit/{AT}", self._commit_of(kind))
            for kind, prefix in URL_PREFIX.items()
        ]

    def _commit_of(self, kind: str) -> Callable[[Request], Coroutine[None, None, Response]]:
        async def commit(request: Request) -> Response:
            request.path_params["kind"] = kind
            repo = self._state.repo(request)
            return HTMLResponse(self._page(repo, self._state.revision(request, repo)))

        return commit

    def _page(self, repo: Repo, revision: Revision) -> str:
        added, deleted = self._state.past.changes(revision)
        at = f"{self._state.repo_url(repo)}/resolve/{revision.id}"
        files = [f'<li>added <a href="{escape(f"{at}/{quote(path)}")}">{escape(path)}</a></li>' for path in added]
        files += [f"<li>deleted {escape(path)}</li>" for path in deleted]
        return PAGE.format(
            title=escape(revision.title), repo=escape(repo.full_name), commit=revision.id, files="\n".join(files)
        )
