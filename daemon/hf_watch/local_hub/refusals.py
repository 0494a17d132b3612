"""What the Hub refuses, with its status codes, its `X-Error-Code` and its words.

The words are those that the client's own tests assert or that public issues quote; programs parse some of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response


class Refusal(Exception):  # noqa: N818  an answer, not a failure
    """An answer other than 2xx: its status, its text, the Hub's error code (if it has one) and further headers."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})


def bad_request(message: str) -> Refusal:
    return Refusal(400, message)


def pointer_to_nothing() -> Refusal:
    """A commit names content that never arrived."""
    return bad_request("Your push was rejected because an LFS pointer pointed to a file that does not exist.")


def invalid_credentials() -> Refusal:
    return Refusal(401, "Invalid credentials in Authorization header")


def nobody() -> Refusal:
    """Nobody says who asks, where that matters."""
    return Refusal(401, "Invalid username or password.")


def repo_not_found(*, anonymous: bool) -> Refusal:
    """A missing repo, and a private one to a stranger: the Hub tells nobody which of the two it is."""
    if anonymous:
        return Refusal(401, "Invalid username or password.", code="RepoNotFound")
    return Refusal(404, "Repository not found", code="RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    return Refusal(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(message: str = "Entry not found", *, commit: str | None = None) -> Refusal:
    headers = {} if commit is None else {"X-Repo-Commit": commit}
    return Refusal(404, message, code="EntryNotFound", headers=headers)


def no_write_access() -> Refusal:
    return Refusal(403, "Authorization error.")


def write_token_needed() -> Refusal:
    return Refusal(403, "You must use a write token to upload to a repository.")


def branch_moved() -> Refusal:
    return Refusal(412, "The branch was updated since you opened this page. Please refresh and try again.")


def answer_refusal(_request: Request, refusal: Exception) -> Response:
    """The JSON answer of a refusal; Starlette calls it for every `Refusal` that a route raises."""
    if not isinstance(refusal, Refusal):
        raise refusal
    headers = {"X-Error-Message": _header_text(refusal.message), **refusal.headers}
    if refusal.code is not None:
        headers["X-Error-Code"] = refusal.code
    return JSONResponse({"error": refusal.message}, refusal.status, headers)


def _header_text(text: str) -> str:
    """`text` as one line that a header can carry."""
    return " ".join("".join(each if " " <= each <= "~" else "?" for each in line) for line in text.split())
