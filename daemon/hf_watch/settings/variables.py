"""The variables of the environment and of `.env`: which are ours, and what the Hub's client is to find there."""

from __future__ import annotations

import io
import logging
import os
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from hf_watch.errors import ConfigError
from hf_watch.paths import printable
from hf_watch.settings.mistakes import nearest, table_keys
from hf_watch.settings.settings import TARGET_KEYS, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PREFIX = "HF_WATCH_"
DELIMITER = "__"
CONFIG_VARIABLE = PREFIX + "CONFIG"
# What the Hub's client and its transfer library read when they are imported; whoever set them otherwise is obeyed.
CLIENT_DEFAULTS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_XET_TELEMETRY_ENABLED": "false",
    "HF_XET_CLIENT_AC_MAX_UPLOAD_CONCURRENCY": "2",  # these two keep a 1 GB upload below 400 MB of memory
    "HF_XET_DATA_INGESTION_BLOCK_SIZE": "1000000",
}


def prepare_environment(env_file: Path) -> None:
    """Set what the client reads at its import: `HF_*` of `.env`, then our defaults. Before anything imports it."""
    for name, value in read_dotenv(env_file).items():
        if name.startswith("HF_") and not name.startswith(PREFIX) and value is not None:
            os.environ.setdefault(name, value)
    for name, value in CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)


def variables() -> dict[str, tuple[str, ...]]:
    """Every variable of ours, with the path of its key; `HF_WATCH_CONFIG` has none."""
    known: dict[str, tuple[str, ...]] = {CONFIG_VARIABLE: ()}
    for key in TARGET_KEYS:
        known[PREFIX + key.upper()] = ("target", key)
    for key, found in Settings.model_fields.items():
        if inners := table_keys(found.annotation):
            for inner in inners:
                known[f"{PREFIX}{key.upper()}{DELIMITER}{inner.upper()}"] = (key, inner)
        elif key != "target":
            known[PREFIX + key.upper()] = (key,)
    return known


def variable_of(path: Sequence[str]) -> str:
    """The variable of a setting, by the path of its key."""
    return PREFIX + DELIMITER.join(part.upper() for part in path)


def refuse_unknown(env_file: Path) -> None:
    """Raise ConfigError when a variable looks like one of ours and is none."""
    known = variables()
    places = (("environment", os.environ), (str(env_file), read_dotenv(env_file)))
    mistakes = [
        f"{place}: {printable(name)} is unknown; {nearest(name, known)}"
        for place, names in places
        for name in names
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def read_dotenv(env_file: Path) -> dict[str, str | None]:
    """The variables of `.env`, nothing when there is none; ConfigError when ours cannot be read in it."""
    try:
        text = env_file.read_text("utf-8") if env_file.is_file() else ""
    except OSError as error:
        raise ConfigError(f"{env_file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{env_file}: it is not UTF-8") from error
    _refuse_unreadable_lines(env_file, text)
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # a line that it cannot read is another program's
    values = dotenv_values(stream=io.StringIO(text))
    for name, value in values.items():
        if value is None and name.upper().startswith(PREFIX):
            raise ConfigError(f"{env_file}: {printable(name)} has no value; it should be {printable(name)}=value")
        if "\0" in name + (value or ""):
            raise ConfigError(f"{env_file}: {printable(name)} holds a NUL")
    return values


def _refuse_unreadable_lines(env_file: Path, text: str) -> None:
    for binding in parse_stream(io.StringIO(text)):
        if binding.error and PREFIX in binding.original.string.upper():
            raise ConfigError(f"{env_file}: line {binding.original.line} cannot be read; it should be NAME=value")
