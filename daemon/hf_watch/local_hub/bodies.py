"""What comes in with a request: JSON objects, lines, base64, numbers; Refusal 400 for anything else."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from .refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


async def json_object(request: Request) -> dict[str, Any]:
    """The body as an object; an empty one for no body."""
    return parsed_object(await request.body() or b"{}")


def parsed_object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise bad_request("not JSON") from error
    if not isinstance(found, dict):
        raise bad_request("not a JSON object")
    return found


async def lines(request: Request) -> AsyncIterator[bytes]:
    """The lines of a body, one held at a time."""
    held: list[bytes] = []
    async for block in request.stream():
        *whole, rest = block.split(b"\n")
        for line in whole:
            text = b"".join([*held, line])
            held.clear()
            if text.strip():
                yield text
        held.append(rest)
    if (last := b"".join(held)).strip():
        yield last


def plain_bytes(text: str) -> bytes:
    """What base64 stands for."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request("not base64") from error


def whole_number(text: str | None, default: int) -> int:
    """A number of a query."""
    if text is None:
        return default
    if not text.isdigit():
        raise bad_request(f"not a number: {text}")
    return int(text)


def is_set(text: str | None) -> bool:
    """A switch of a query or a form."""
    return (text or "").lower() in {"1", "true"}
