"""Where settings come from, and which one wins; every mistake is one line that names its key and its origin.

In this order: command line, environment, `.env`, configuration file, systemd credentials, defaults.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from pydantic import ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError

from hf_watch.errors import ConfigError
from hf_watch.paths import printable
from hf_watch.settings.env_file import PREFIX, env_values, read_env_file
from hf_watch.settings.mistakes import line_of, lines
from hf_watch.settings.origins import Origin, Origins
from hf_watch.settings.settings import TARGET_KEYS, Settings, Sought
from hf_watch.settings.variables import CONFIG_VARIABLE, DELIMITER, refuse_unknown, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


CONFIG_NAME = "hf-watch.toml"
OF_ANOTHER_TYPE = frozenset({"bool_type", "float_type", "int_type"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, the file that was read, if any, and the same file if the targets come from it."""

    settings: Settings
    file: Path | None
    config: Path | None  # None: the one target is SOURCE and DEST, wherever they were given
    origins: Origins = field(default_factory=Origins)


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one source says: top-level keys of Settings and, for the one target, its own; and how to name a key."""

    values: dict[str, Any]
    origin: Callable[[Sequence[str]], Origin]


@dataclass(slots=True)
class _Merged:
    values: dict[str, Any] = field(default_factory=dict)
    origins: Origins = field(default_factory=Origins)


class _AsSaid(BaseSettings):
    """Variables stay the texts that they are: what a list or table is written like is said in `values`."""

    model_config = SettingsConfigDict(enable_decoding=False)


def _keys() -> type[BaseSettings]:
    """A model only for its sources: every key of every table and of the one target, as names of variables."""
    fields: dict[str, Any] = dict.fromkeys(TARGET_KEYS, (Any, None))
    fields |= {name: (found.annotation, None) for name, found in Settings.model_fields.items()}
    return create_model("Keys", __base__=_AsSaid, **fields)


_KEYS = _keys()
_FINDING_KEYS = create_model(
    "FindingKeys", __base__=_AsSaid, source=(Any, None), dest=(Any, None), state_dir=(Any, None)
)


def load(options: Mapping[str, Any], config: Path | None, env_file: Path) -> Loaded:
    """The settings in force. `options` are those of the command line, by their keys, None where not given.

    Raises ConfigError: a line for each mistake.
    """
    refuse_unknown(env_file)
    file = _config_file(config, env_values(env_file))
    from_file = _toml(file, _content(file)) if file is not None else {}
    _refuse_misplaced(from_file, file)
    _refuse_other_types(from_file, file)
    merged = _Merged()
    for layer in reversed([*_layers(options, env_file, _KEYS), *_file_layers(from_file, file, _KEYS)]):
        _merge(merged, layer)
    has_one_target = _take_one_target(merged)
    if not merged.values.get("target"):
        raise ConfigError(
            f"nothing to watch: give SOURCE and DEST, or set {PREFIX}SOURCE and {PREFIX}DEST,"
            f" or write a [[target]] into {CONFIG_NAME}"
        )
    try:
        settings = Settings.model_validate(merged.values)
    except ValidationError as error:
        raise ConfigError("\n".join(lines(error, merged.origins))) from error
    return Loaded(settings, file, None if has_one_target else file, merged.origins)


def sought(options: Mapping[str, Any], config: Path | None, env_file: Path) -> Sought:
    """What a daemon of these settings is found by, whatever else is wrong with them: it may have been started before.

    Raises ConfigError when that itself cannot be read.
    """
    variables_said = read_env_file(env_file)
    file = _config_file(config, variables_said.values)
    from_file, mistake = _as_far_as_readable(file) if file is not None else ({}, None)
    mistakes = [*variables_said.mistakes, *([mistake] if mistake else [])]
    readable = env_file if variables_said.is_readable else Path(os.devnull)
    merged = _Merged()
    for layer in reversed([*_layers(options, readable, _FINDING_KEYS), *_file_layers(from_file, file, _FINDING_KEYS)]):
        _merge(merged, layer)
    one: dict[str, Any] = {key: merged.values[key] for key in ("source", "dest") if key in merged.values}
    if len(one) == 1:
        if not mistakes:
            _refuse_half(merged, one)
        one = {}  # the other half may be what cannot be read
    try:
        return Sought(
            state_dir=merged.values.get("state_dir"),
            config=file if not one and (mistake or "target" in from_file) else None,
            mistake="\n".join(mistakes) or None,
            **one,
        )
    except ValidationError as error:
        raise ConfigError("\n".join(lines(error, merged.origins))) from error


def _as_far_as_readable(file: Path) -> tuple[dict[str, Any], str | None]:
    """What the file says of where the state is, and the mistake that kept it from being read."""
    content = _content(file)
    try:
        values = _toml(file, content)
    except ConfigError as error:
        return {}, str(error)
    return {key: values[key] for key in ("state_dir", "target") if key in values}, None


def _layers(options: Mapping[str, Any], env_file: Path, keys: type[BaseSettings]) -> Iterator[_Layer]:
    given = {key: value for key, value in options.items() if value is not None and value != ()}
    yield _Layer(
        given,
        lambda path: Origin(path[-1].upper() if path[-1] in {"source", "dest"} else f"--{path[-1]}".replace("_", "-")),
    )
    environment = EnvSettingsSource(keys, env_prefix=PREFIX, env_nested_delimiter=DELIMITER)
    yield _Layer(_read(environment, keys), lambda path: Origin(variable_of(path)))
    dotenv = DotEnvSettingsSource(keys, env_file=env_file, env_prefix=PREFIX, env_nested_delimiter=DELIMITER)
    yield _Layer(_read(dotenv, keys), lambda path: Origin(f"{env_file}: {variable_of(path)}"))


def _file_layers(from_file: dict[str, Any], file: Path | None, keys: type[BaseSettings]) -> Iterator[_Layer]:
    yield _Layer(from_file, lambda _: Origin(printable(str(file)), has_keys=True))
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials:
        source = SecretsSettingsSource(keys, secrets_dir=credentials, env_prefix=PREFIX)
        yield _Layer(_read(source, keys), lambda path: Origin(f"credential {variable_of(path)}"))


def _read(source: EnvSettingsSource | SecretsSettingsSource, keys: type[BaseSettings]) -> dict[str, Any]:
    try:
        return {key: value for key, value in source().items() if key in keys.model_fields}
    except SettingsError as error:
        raise ConfigError(" ".join(str(error).split())) from error


def _config_file(config: Path | None, said: Mapping[str, str | None]) -> Path | None:
    named = config or os.environ.get(CONFIG_VARIABLE) or said.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    directories = platformdirs.PlatformDirs("hf-watch")
    places = [
        Path(CONFIG_NAME),
        directories.user_config_path / CONFIG_NAME,
        *(Path(each) / CONFIG_NAME for each in directories.site_config_dir.split(os.pathsep)),
        Path("/etc/hf-watch") / CONFIG_NAME,
    ]
    return next((place for place in places if place.is_file()), None)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{printable(str(file))}: cannot be read ({error.strerror})") from error


def _toml(file: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, lists in lists in lists
        raise ConfigError(f"{printable(str(file))}: not TOML: {error}") from error


def _refuse_misplaced(from_file: Mapping[str, Any], file: Path | None) -> None:
    for key in from_file:
        if key in TARGET_KEYS:
            raise ConfigError(f"{printable(str(file))}: {key} belongs in a [[target]] table")
    if isinstance(from_file.get("target"), dict):
        raise ConfigError(f"{printable(str(file))}: write [[target]] instead of [target]: there may be several")


def _refuse_other_types(from_file: dict[str, Any], file: Path | None) -> None:
    """A file has types of its own: there `"true"` is a text, and `true` no number, unlike in a variable.

    What else is wrong with it is found when all sources are put together.
    """
    try:
        Settings.model_validate_json(json.dumps(from_file, default=str), strict=True)
    except ValidationError as error:
        mistakes = [each for each in error.errors(include_url=False) if each["type"] in OF_ANOTHER_TYPE]
        if mistakes:
            origin = Origin(printable(str(file)), has_keys=True)
            found = (line_of(each, origin.of(each["loc"])) for each in mistakes)
            raise ConfigError("\n".join(found)) from error


def _merge(merged: _Merged, layer: _Layer) -> None:
    for key, value in layer.values.items():
        if isinstance(value, dict) and isinstance(merged.values.get(key), dict):
            merged.values[key] = {**merged.values[key], **value}
        else:
            merged.values[key] = value
        inner = value if isinstance(value, dict) else {}
        for path in [(key,), *((key, each) for each in inner)]:
            merged.origins.said[path] = layer.origin(path)


def _take_one_target(merged: _Merged) -> bool:
    """Whether there are SOURCE and DEST, wherever they came from; they are the only target then."""
    one = {key: merged.values.pop(key) for key in TARGET_KEYS if key in merged.values}
    if not one:
        return False
    _refuse_half(merged, one)
    merged.values["target"] = [one]
    for key in one:
        merged.origins.said["target", "0", key] = merged.origins.said[key,]
    return True


def _refuse_half(merged: _Merged, one: Mapping[str, Any]) -> None:
    """One target has both, SOURCE and DEST; `one` is what was said of it."""
    if missing := [key for key in ("source", "dest") if key not in one]:
        given = next(iter(one))
        name = merged.origins.named(given)
        raise ConfigError(f"{name} is for one target, given by SOURCE and DEST, and {missing[0].upper()} is missing")
