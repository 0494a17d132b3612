"""A configuration file to begin with: what has to be said, and every other setting with its default behind a `#`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from hf_watch.settings.destinations import EXAMPLE
from hf_watch.settings.settings import Settings, TargetSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

GIVEN: Mapping[str, object] = {"source": "drop", "dest": EXAMPLE, "create_repo": True}
HEAD = (
    "# hf-watch.toml: what is watched, and where it goes. Lines with a single # show the defaults; take the # away to",
    "# change one. `hf-watch check` says what would not work, `hf-watch plan` what would be uploaded.",
    "",
)


def lines() -> Iterator[str]:
    """The file's lines; it is valid as it is, and with every single `#` before a value taken away."""
    yield from HEAD
    for name, found in Settings.model_fields.items():
        if name != "target" and not _is_table(found):
            yield from _setting(name, found)
    yield from ("", "[[target]]  # a watched directory; as many of these as there are")
    for name, found in TargetSettings.model_fields.items():
        yield from _setting(name, found)
    for table, found in Settings.model_fields.items():
        if _is_table(found):
            yield from ("", f"[{table}]")
            for name, inner in found.annotation.model_fields.items():  # type: ignore[union-attr]
                yield from _setting(name, inner)


def _is_table(found: FieldInfo) -> bool:
    return isinstance(found.annotation, type) and issubclass(found.annotation, BaseModel)


def _setting(name: str, found: FieldInfo) -> Iterator[str]:
    yield f"## {found.description}"
    if name in GIVEN:
        yield f"{name} = {_toml(GIVEN[name])}"
        return
    default = to_jsonable_python(found.get_default(call_default_factory=True))
    yield f"# {name} =" if default is None else f"# {name} = {_toml(default)}"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)  # of a string, a number, a boolean and a list of them, TOML is written as JSON is
