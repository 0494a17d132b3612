"""What a request asks, read from its body or its parameters; HTTPException where that cannot be understood."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast, get_args
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.exceptions import HTTPException

from hf_watch.control.contract import FileState
from hf_watch.paths import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

MOST_BODY_BYTES = 64 << 10
BODY_S = 10.0
MOST_PAGE = 1_000
USUAL_PAGE = 100

Q = TypeVar("Q", bound=BaseModel)


async def read_question(request: Request, model: type[Q]) -> Q:
    """The body as a question; HTTPException when it does not come or is no JSON, ValidationError when it is wrong."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY_BYTES:
                    raise HTTPException(413, "the body is too long")
    except TimeoutError as error:
        raise HTTPException(408, "the body did not come") from error
    try:
        return model.model_validate(json.loads(body or b"{}"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise HTTPException(400, "the body is no JSON") from error


def parameters(request: Request) -> dict[str, str]:
    """The parameters of a GET; a name in them need not be UTF-8."""
    text = os.fsdecode(request.scope["query_string"])
    return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))


def path_in(asked: Mapping[str, str]) -> str | None:
    """The path that is asked about, however it is given; None for none."""
    text = asked.get("path_encoded")
    if text is None:
        return asked.get("path")
    if "path" in asked:
        raise HTTPException(400, "path_encoded: it is the path already, give only one of them")
    try:
        return decoded(text)
    except ValueError as error:
        raise HTTPException(400, f"path_encoded: {error}") from error


def state_in(asked: Mapping[str, str]) -> FileState | None:
    """The state that files are asked for by, None for all of them."""
    text = asked.get("state")
    for each in get_args(FileState):
        if each == text:
            return cast("FileState", each)
    if text is None:
        return None
    raise HTTPException(400, f"state: there are {', '.join(get_args(FileState))}")


def limit_in(asked: Mapping[str, str]) -> int:
    """How many items are asked for at the most."""
    text = asked.get("limit")
    try:
        found = USUAL_PAGE if text is None else int(text)
    except ValueError as error:
        raise HTTPException(400, "limit: a number is needed") from error
    if not 1 <= found <= MOST_PAGE:
        raise HTTPException(400, f"limit: it should be between 1 and {MOST_PAGE}")
    return found


@contextmanager
def understood_page() -> Iterator[None]:
    """Around what reads `after`: what no page said there is the fault of whoever asks."""
    try:
        yield
    except ValueError as error:
        raise HTTPException(400, "after: give what the page before said as next") from error
