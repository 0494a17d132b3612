"""Relative paths as model.py defines them: `/` between segments, the root is `""`, undecodable bytes are surrogates.

A name is bytes, and what shows or carries it is text: `printable` is for people, and two names may look alike in it;
`encoded` is exact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator


ENCODED = "^([!-$&-~]|%[0-9A-Fa-f]{2})*$"  # what `decoded` takes, but for a NUL


def parent(path: str) -> str:
    """The directory that holds `path`; `""` for what lies directly in the root."""
    return path.rpartition("/")[0]


def parents(path: str) -> Iterator[str]:
    """The directories that `path` lies in, the nearest first, without the root."""
    above = parent(path)
    while above:
        yield above
        above = parent(above)


def join(directory: str, name: str) -> str:
    """The path of `name` in `directory`."""
    return f"{directory}/{name}" if directory else name


def within(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or lies below it."""
    return not directory or path == directory or path.startswith(directory + "/")


def printable(text: str) -> str:
    """`text` on one line of valid UTF-8: what is not printable, lone surrogates included, is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def encoded(path: str) -> str:
    """The bytes of `path`, percent-encoded as in a URL: ASCII on one line, and no two paths have the same."""
    return quote(path.encode("utf-8", "surrogateescape"))


def decoded(text: str) -> str:
    """The path whose `encoded` form this is; ValueError when it is none."""
    path = unquote_to_bytes(text.encode("ascii", "replace")).decode("utf-8", "surrogateescape")
    if re.fullmatch(ENCODED, text) is None or "\0" in path:
        raise ValueError(
            "it should be percent-encoded: ASCII, and % with two hexadecimal digits for every other byte but 00"
        )
    return path
