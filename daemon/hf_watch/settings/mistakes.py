"""What is wrong with a setting, in one line: which one, as its user wrote it, and what would be right."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hf_watch.settings.settings import TARGET_KEYS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from hf_watch.settings.origins import Origins

WANTED = {
    "bool": "it should be true or false", "float": "it should be a number", "int": "it should be a whole number",
}  # fmt: skip


def lines(error: ValidationError, origins: Origins) -> Iterator[str]:
    """A line for each mistake."""
    for mistake in error.errors(include_url=False):
        yield line_of(mistake, origins.named_together(mistake["loc"], mistake["msg"]))


def line_of(mistake: ErrorDetails, key: str) -> str:
    """A mistake in one line, the setting called `key`: what is wrong, and what would be right."""
    if mistake["type"] == "missing":
        return f"{key} is missing"
    if mistake["type"] == "extra_forbidden" and _belongs_above(mistake["loc"]):
        return f"{key} is unknown; {mistake['loc'][-1]} belongs above the first table"
    if mistake["type"] == "extra_forbidden":
        return f"{key} is unknown; {nearest(str(mistake['loc'][-1]), _siblings(mistake['loc']))}"
    if mistake["type"] == "value_error":
        return f"{key}: {mistake['msg'].removeprefix('Value error, ')}"
    if mistake["type"] == "byte_size":
        return f"{key} = {mistake['input']!r}: it should be bytes, or a size like 64 MiB"
    wanted = WANTED.get(mistake["type"].partition("_")[0]) or mistake["msg"].replace("Input should", "it should")
    return f"{key} = {mistake['input']!r}: {wanted}"


def nearest(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """What was probably meant by a name that is unknown."""
    found = difflib.get_close_matches(name.upper(), [each.upper() for each in known], n=1, cutoff=0.0)
    exact = next((each for each in known if found and each.upper() == found[0]), None)
    return f"did you mean {exact}?" if exact else "nothing is known there"


def _belongs_above(loc: tuple[str | int, ...]) -> bool:
    """Whether it is a setting of no table, which TOML takes for one of the table that it stands below."""
    found = Settings.model_fields.get(str(loc[-1])) if len(loc) > 1 else None
    return found is not None and loc[-1] != "target" and not table_keys(found.annotation)


def _siblings(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that are known beside a key that is not."""
    if loc[0] == "target" and len(loc) > 1:
        return list(TARGET_KEYS)
    return table_keys(Settings.model_fields[str(loc[0])].annotation if len(loc) > 1 else Settings)


def table_keys(annotation: Any) -> list[str]:
    """The keys of a table; nothing for a plain value."""
    is_table = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return list(annotation.model_fields) if is_table else []
