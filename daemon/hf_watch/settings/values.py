"""What the value of a setting may be: each type reads it, and says what is wrong with it."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
import string
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from hf_watch.rules.filters import Filter
from hf_watch.rules.mapping import Mapping
from hf_watch.rules.plan import most_deletes
from hf_watch.rules.quiet import Quiet, always, by_size

if TYPE_CHECKING:
    from collections.abc import Callable

ReceiptsMode = Literal["off", "jsonl", "sidecar"]
LogLevel = Literal["debug", "info", "warning", "error"]
MIB = 1 << 20
NEEDS_A_SHELL = re.compile(r"[|&;<>()$`*\n]|(?<!\S)~")
LIST = 'a list of arguments, like ["sh", "-c", "…"]'
DEST_FORM = "hf://[datasets/|spaces/]OWNER/NAME[@REVISION][/PATH]"
LONGEST_S = 31_536_000.0  # a year; what waits for a number cannot wait for every number
MESSAGE_FIELDS = {"summary": "Add 37 files under incoming/", "files": "37", "target": "drop"}


def shown(value: object) -> str:
    """A default as people write it; nothing for none."""
    if isinstance(value, ByteSize):
        return f"{value // MIB} MiB" if value else "0"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None or value == () else str(value)


def _lines(value: Any) -> Any:
    """A list in the configuration file; in the environment or an option, lines or commas between the patterns."""
    if not isinstance(value, str):
        return value
    if not re.match(r"\s*\[\s*[\"\]]", value):  # otherwise a pattern that begins with a set of characters
        return [part.strip() for line in value.splitlines() for part in line.split(",") if part.strip()]
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError("it should be patterns with commas between them, or a JSON list") from error


def quiet_of(value: float | dict[str, float]) -> Quiet:
    """The setting `quiet_s`: seconds, or by size. ValueError when it says nothing sensible."""
    if isinstance(value, float | int):
        return always(value)
    return by_size({_bytes(size): seconds for size, seconds in value.items()})


def _quiet(value: Any, seconds: Callable[[Any], float]) -> float | dict[str, float]:
    """Seconds, or a table of them by size; the latter as JSON in the environment or an option."""
    table = _json_table(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    if not isinstance(table, dict):
        return seconds(value)
    found = {str(size): seconds(each) for size, each in table.items()}
    if len({_bytes(size) for size in found}) < len(found):
        raise ValueError("it names one size twice")
    quiet_of(found)
    return found


def _bytes(size: str) -> int:
    try:
        return SIZE.validate_python(size)
    except ValidationError as error:
        raise ValueError(f"{size!r} is no number of bytes, nor a size like 64 MiB") from error


def _json_table(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError('it should be seconds, or JSON like {"0": 1, "1 GiB": 30}') from error


def _patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    Filter(exclude=value)
    return value


def _named(value: Any) -> Any:
    """A directory's name as it was given; an empty one, as of an unset variable, would mean the current directory."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError(f"{value!r} names no directory")
    try:
        return str(Path(value).expanduser())
    except RuntimeError as error:
        raise ValueError(f"{value!r}: nobody of that name has a home") from error


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{value!r} is not UTF-8") from error
    if "\0" in value:
        raise ValueError(f"{value!r} holds a NUL")
    return value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_lines), AfterValidator(_patterns)]


def _message(template: str) -> str:
    allowed = ", ".join(f"{{{name}}}" for name in MESSAGE_FIELDS)
    try:
        fields = [field for field in string.Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        raise ValueError(f"{template!r} cannot be read ({error}); allowed are {allowed}") from error
    for _, name, form, conversion in fields:
        if name not in MESSAGE_FIELDS:
            raise ValueError(f"{{{name}}} is unknown; allowed are {allowed}")
        if form or conversion:
            raise ValueError(f"{{{name}}} takes no format; allowed are {allowed}")
    if not template.format(**MESSAGE_FIELDS).strip():
        raise ValueError("it is empty")
    return template


def _template(value: str) -> str:
    Mapping("", value)
    return value


def _relative(value: str) -> str:
    path = PurePosixPath(value)
    if value and (path.is_absolute() or ".." in path.parts or str(path) != value):
        raise ValueError(f"{value!r}: it should be a path below the watched directory")
    return value


def _file_name(value: str) -> str:
    if "/" in value or value in {".", ".."}:
        raise ValueError(f"{value!r}: it should be the name of a file, without its directory")
    return value


def _max_delete(value: str) -> str:
    most_deletes(value)
    return value


def split_address(text: str) -> tuple[str, int]:
    """The IP address and port of `127.0.0.1:8787`, `[::1]:8787` or `localhost:8787`; ValueError when it is none."""
    host, colon, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no address and port, as 127.0.0.1:8787")
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(f"{text!r} begins with no IP address, as 127.0.0.1:8787 does") from error
    return host, int(port)


def is_loopback(address: str) -> bool:
    host, _ = split_address(address)
    return ipaddress.ip_address(host).is_loopback


def _address(text: str) -> str:
    if text:
        split_address(text)
    return text


def _size(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("byte_size", "a switch is no size")
    return value


Bytes = Annotated[ByteSize, BeforeValidator(_size)]
SIZE = TypeAdapter[ByteSize](Annotated[ByteSize, Field(ge=0)])
SECONDS_SCHEMA = {"type": "number", "minimum": 0, "maximum": LONGEST_S}
QuietSeconds = Annotated[
    float | dict[str, float],
    GetPydanticSchema(
        lambda _source, handler: core_schema.no_info_wrap_validator_function(
            _quiet,
            handler(Seconds),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )
    ),
    WithJsonSchema({"anyOf": [SECONDS_SCHEMA, {"type": "object", "additionalProperties": SECONDS_SCHEMA}]}),
]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]
Interval = Annotated[float, Field(ge=1, le=LONGEST_S, allow_inf_nan=False)]
Directory = Annotated[Path, BeforeValidator(_named)]
Text = Annotated[str, AfterValidator(_text)]
Template = Annotated[str, AfterValidator(_text), AfterValidator(_template)]


def _arguments(value: Any) -> Any:
    """A list, or a text that is parted as a shell would; no shell runs it, so it holds nothing that needs one."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json_arguments(value)
    if needed := NEEDS_A_SHELL.search(value):
        raise ValueError(
            f"{value!r}: no shell runs it, to which {needed[0]!r} would mean something; it should be {LIST}"
        )
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"{value!r}: {error}; it should be {LIST}") from error


def _json_arguments(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{value!r}: it should be {LIST}") from error


def _web_address(value: str) -> str:
    if value and not value.startswith(("https://", "http://")):
        raise ValueError("it should begin with https:// or http://")
    return value


Command = Annotated[tuple[Text, ...], BeforeValidator(_arguments)]
WebAddress = Annotated[str, AfterValidator(_text), AfterValidator(_web_address)]
FileName = Annotated[str, AfterValidator(_text), AfterValidator(_file_name)]
RelativePath = Annotated[str, AfterValidator(_text), AfterValidator(_relative)]
MaxDelete = Annotated[str, AfterValidator(_max_delete)]
Address = Annotated[str, AfterValidator(_text), AfterValidator(_address)]
Names = Annotated[tuple[str, ...], BeforeValidator(_lines)]
Message = Annotated[str, AfterValidator(_text), AfterValidator(_message)]
