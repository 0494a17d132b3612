"""Relative paths as model.py defines them: `/` between segments, the root is `""`, undecodable bytes are surrogates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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
