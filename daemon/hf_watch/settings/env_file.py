"""The file `.env`: what it says and, where something in it is wrong, as much as can be read all the same."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from hf_watch.errors import ConfigError
from hf_watch.paths import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PREFIX = "HF_WATCH_"  # our names; what is wrong with others is another program's affair


@dataclass(frozen=True, slots=True)
class EnvFile:
    """Its variables, and a line for each mistake."""

    values: Mapping[str, str | None]
    mistakes: tuple[str, ...] = ()
    is_readable: bool = True


def read_env_file(file: Path) -> EnvFile:
    """Whatever can be read; nothing where there is no such file."""
    try:
        text = file.read_text("utf-8") if file.is_file() else ""
    except OSError as error:
        return EnvFile({}, (f"{file}: cannot be read ({error.strerror})",), is_readable=False)
    except UnicodeDecodeError:
        return EnvFile({}, (f"{file}: it is not UTF-8",), is_readable=False)
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # a line that it cannot read is ours to name, or nobody's
    values = dotenv_values(stream=io.StringIO(text))
    return EnvFile(values, (*_unreadable_lines(file, text), *_wrong(file, values)))


def env_values(file: Path) -> Mapping[str, str | None]:
    """All that it says; ConfigError when something in it is wrong."""
    found = read_env_file(file)
    if found.mistakes:
        raise ConfigError("\n".join(found.mistakes))
    return found.values


def _unreadable_lines(file: Path, text: str) -> Iterator[str]:
    for binding in parse_stream(io.StringIO(text)):
        if binding.error and PREFIX in binding.original.string.upper():
            yield f"{file}: line {binding.original.line} cannot be read; it should be NAME=value"


def _wrong(file: Path, said: Mapping[str, str | None]) -> Iterator[str]:
    for name, value in said.items():
        if value is None and name.upper().startswith(PREFIX):
            yield f"{file}: {printable(name)} has no value; it should be {printable(name)}=value"
        if "\0" in name + (value or ""):
            yield f"{file}: {printable(name)} holds a NUL"
