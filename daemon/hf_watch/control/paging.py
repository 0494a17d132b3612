"""Long lists by the page: what was answered says where to go on, and nothing is kept in between."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Shelf = Callable[[str, int], Iterable[tuple[str, T]]]  # the items behind this path, at most so many, each with its path


def page(shelves: Sequence[Shelf[T]], after: str, limit: int) -> tuple[tuple[T, ...], str | None]:
    """At most `limit` items, shelf by shelf, and what to give as `after` for those behind them, None at the end.

    ValueError when `after` is not what a page said.
    """
    first, path = _read_cursor(after) if after else (0, "")
    found: list[T] = []
    last: str | None = None
    for number, shelf in enumerate(shelves[first:], first):
        for behind, item in shelf(path if number == first else "", limit + 1 - len(found)):
            if len(found) == limit:
                return tuple(found), last
            found.append(item)
            last = _cursor(number, behind)
    return tuple(found), None


def _cursor(number: int, path: str) -> str:
    return urlsafe_b64encode(b"%d/%s" % (number, os.fsencode(path))).decode()


def _read_cursor(text: str) -> tuple[int, str]:
    number, slash, path = urlsafe_b64decode(text.encode()).partition(b"/")
    if not slash or not number.isdigit():
        raise ValueError(text)
    return int(number), os.fsdecode(path)
