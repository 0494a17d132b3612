"""The variables of the environment and of `.env`: which are ours, and what the Hub's client is to find there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hf_watch.errors import ConfigError
from hf_watch.paths import printable
from hf_watch.settings.env_file import PREFIX, env_values
from hf_watch.settings.mistakes import nearest, table_keys
from hf_watch.settings.settings import TARGET_KEYS, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
    for name, value in env_values(env_file).items():
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
    places = (("environment", os.environ), (str(env_file), env_values(env_file)))
    mistakes = [
        f"{place}: {printable(name)} is unknown; {nearest(name, known)}"
        for place, names in places
        for name in names
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
