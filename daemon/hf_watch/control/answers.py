"""How a route answers: a model goes out as JSON, and what a route raises as a refusal in the API's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hf_watch.control.contract import ErrorView
from hf_watch.errors import HfWatchError
from hf_watch.paths import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from starlette.requests import Request

log = structlog.get_logger()


def answering(
    handle: Callable[[Request], Awaitable[BaseModel | Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """A route's endpoint around what gives a model, or answers itself."""

    async def answer(request: Request) -> Response:
        found = await handle(request)
        return found if isinstance(found, Response) else _json(found, 200)

    return answer


def _json(model: BaseModel, code: int) -> Response:
    return Response(model.model_dump_json(), code, media_type="application/json")


def error_answer(code: int, text: str) -> Response:
    """A refusal, in the API's words."""
    return _json(ErrorView(error=printable(text)), code)


def refusals() -> dict[Any, Callable[[Request, Exception], Response]]:
    """What becomes of the exceptions that routes raise."""
    return {
        HTTPException: _refused, ValidationError: _invalid, HfWatchError: _unavailable, OSError: _unavailable,
        Exception: _failed,
    }  # fmt: skip


def _refused(_: Request, error: Exception) -> Response:
    return error_answer(getattr(error, "status_code", 400), str(getattr(error, "detail", error)))


def _invalid(_: Request, error: Exception) -> Response:
    mistakes = error.errors(include_url=False, include_input=False) if isinstance(error, ValidationError) else []
    return error_answer(422, "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in mistakes))


def _unavailable(_: Request, error: Exception) -> Response:
    return error_answer(503, str(error))


def _failed(request: Request, error: Exception) -> Response:
    log.error("control.failed", path=request.url.path, exc_info=error)
    return error_answer(500, "an error that nobody foresaw; the log says more")
