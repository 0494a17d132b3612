"""The way into a repo: the look ahead, and the commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .attributes import parse_ignore, upload_mode
from .bodies import json_object, lines, parsed_object, plain_bytes
from .cards import check_card
from .doors import SLOW_S
from .records import Edit
from .refusals import Refusal, bad_request, pointer_to_nothing
from .repo_paths import check_path
from .state import AT, REPO, opens_pull_request

if TYPE_CHECKING:
    from starlette.requests import Request

    from .access import Token
    from .records import Repo, Revision
    from .state import State


class Publishing:
    """The routes that a commit takes."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/api/validate-yaml", self.validate_yaml, methods=["POST"]),
            Route(f"{REPO}/preupload/{AT}", self.preupload, methods=["POST"]),
            Route(f"{REPO}/commit/{AT}", self.commit, methods=["POST"]),
        ]

    async def validate_yaml(self, request: Request) -> Response:
        errors, warnings = check_card(str((await json_object(request)).get("content", "")))
        answer = {
            key: [{"message": text} for text in texts] for key, texts in (("errors", errors), ("warnings", warnings))
        }
        return JSONResponse(answer, 400 if errors else 200)

    async def preupload(self, request: Request) -> Response:
        repo, _ = self._state.contributable(request)
        revision = self._state.revision(request, repo)
        wanted = await json_object(request)
        attributes = self._state.attributes(repo, revision)
        ignore_text = wanted.get("gitIgnore")
        text = ignore_text.encode() if ignore_text else self._state.small_file(repo, revision, ".gitignore")
        try:
            ignore = parse_ignore(text)
        except ValueError as error:
            raise bad_request(f".gitignore: {error}") from error
        answers = []
        for wish in wanted.get("files", []):
            path, sample = check_path(wish["path"]), plain_bytes(wish.get("sample", ""))
            held = self._state.past.file(repo, revision, path)
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
        repo, token = self._state.contributable(request)
        header, edit = await _read_commit(request)
        if not self._state.commits.take():
            raise Refusal(
                429,
                f"You have exceeded the rate limit for repository commits ({self._state.commits.limit} per hour)."
                " You can retry this action in about 1 hour.",
            )
        for path, (sha256, size_bytes) in edit.large.items():
            edit.large[path] = (sha256, await run_in_threadpool(self._check_large, sha256, size_bytes))
        if slow_s := request.scope.get(SLOW_S, 0.0):
            began_with = self._state.revision(request, repo).id  # the Hub compares it when it ends
            header.setdefault("parentCommit", began_with)
            await asyncio.sleep(slow_s)
        made, pull_request = self._make(request, repo, token, header, edit)
        await run_in_threadpool(self._state.heads.show)
        url = self._state.repo_url(repo)
        return JSONResponse({
            "success": True, "commitOid": made.id, "commitUrl": f"{url}/commit/{made.id}", "hookOutput": "",
            "pullRequestUrl": None if pull_request is None else f"{url}/discussions/{pull_request}",
        })  # fmt: skip

    def _make(
        self, request: Request, repo: Repo, token: Token, header: dict[str, Any], edit: Edit
    ) -> tuple[Revision, int | None]:
        """The commit, and the number of the pull request that it opened."""
        branch = request.path_params["revision"]
        said: dict[str, Any] = {
            "title": str(header.get("summary", "")),
            "description": str(header.get("description") or ""),
            "author": token.user,
            "parent": header.get("parentCommit"),
        }
        if not opens_pull_request(request):
            return self._state.store.commit(repo, branch, edit, **said), None
        made, opened = self._state.store.propose(repo, branch, edit, **said)
        return made, opened.number

    def _check_large(self, sha256: str, size_bytes: int) -> int:
        """The size of an `lfsFile` line's content, which must be here, by LFS or by Xet; -1: the line says none."""
        if not self._state.objects.has(sha256):
            xet_hash = self._state.xet.hash_of(sha256)
            segments = None if xet_hash is None else self._state.xet.segments(xet_hash)
            if segments is None:
                raise pointer_to_nothing()
            self._state.objects.put_together(sha256, segments)
        held = self._state.objects.large(sha256).stat().st_size
        if size_bytes not in {-1, held}:
            raise bad_request(f"the object has {held} bytes, not {size_bytes}")
        return held


async def _read_commit(request: Request) -> tuple[dict[str, Any], Edit]:
    """The header of a commit, and what it is to do."""
    header: dict[str, Any] = {}
    edit = Edit()
    async for line in lines(request):
        item = parsed_object(line)
        value = item.get("value")
        if not isinstance(value, dict):
            raise bad_request("a line of the commit is not what it should be")
        if item.get("key") == "header":
            header = value
        else:
            _add_operation(edit, item.get("key"), value)
    return header, edit


def _add_operation(edit: Edit, key: object, value: dict[str, Any]) -> None:
    path = check_path(str(value.get("path", "")).rstrip("/"))
    match key:
        case "file":
            edit.regular[path] = plain_bytes(str(value.get("content", "")))
            if path == "README.md" and (errors := check_card(edit.regular[path].decode("utf-8", "replace"))[0]):
                raise bad_request(f"Invalid metadata in README.md: {errors[0]}")
        case "lfsFile":
            edit.large[path] = (str(value.get("oid")), int(value.get("size", -1)))
        case "deletedFile":
            edit.deleted.append(path)
        case "deletedFolder":
            edit.deleted_folders.append(path)
        case _:
            raise bad_request(f"unknown operation {key}")
