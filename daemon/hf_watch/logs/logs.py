"""Structured logs on standard error: JSON off a terminal, readable on one, fields in systemd's journal.

Nothing in them looks like a token.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
import warnings
from contextlib import contextmanager
from io import TextIOBase
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from hf_watch.paths import encoded, printable
from hf_watch.systemd import journald

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LIBRARIES = ("huggingface_hub", "watchdog", "httpx2", "httpcore2", "uvicorn", "filelock", "hf_xet")
HIDDEN = "[removed]"

log = structlog.get_logger()

Stream = TextIO | TextIOBase

# Tokens by their looks: of the Hub, of OAuth and other providers' kind, of the content store (JWT), and whatever stands
# behind a word that announces one, or before the @ of an address.
LOOKS_SECRET = re.compile(
    r"""
    \b(?:hf|api_org|hf_oauth|hf_jwt)_[A-Za-z0-9._-]{8,}
    | \beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){1,2}
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)
    | (?i:(?<=bearer\s)|(?<=bearer:)|(?<=basic\s))[A-Za-z0-9._~+/=-]{8,}
    """,
    re.VERBOSE,
)
NAMED_SECRET = re.compile(
    r"""(?ix)
    ( ["']? (?: authorization | (?:[a-z0-9_-]*[_-])? (?: token | secret | password | api[_-]?key ) | accesstoken
          | x-amz-signature | signature ) ["']? \s* [:=] \s* ["']? (?:bearer\s+|basic\s+)? )
    [^\s"',;&}\])]{6,}
    """
)
SECRET_KEYS = re.compile(r"(?i)(^|[_-])(authorization|token|secret|password|api_?key|credentials?)$")

_known_secrets: set[str] = set()
_taps: list[logging.Handler] = []


def redact(secret: str | None) -> None:
    """Never let this very text through, wherever it turns up."""
    if secret:
        _known_secrets.add(secret)


def redacted(text: str) -> str:
    """The text without what looks like a token, and without characters that no stream can take."""
    for secret in _known_secrets:
        text = text.replace(secret, HIDDEN)
    text = NAMED_SECRET.sub(lambda found: found[1] + HIDDEN, text)
    text = LOOKS_SECRET.sub(HIDDEN, text)
    return _encodable(text)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def configure(level: str, stream: Stream | None = None, *, readable: bool | None = None) -> None:
    """Set up structlog and the libraries' loggers, for the whole process. `readable`: None asks the stream."""
    out = stream or sys.stderr
    send = journald.sender(sys.stderr) if stream is None and readable is None else None
    if readable is None:
        readable = out.isatty()
    number = LEVELS[level]
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Unfailing(out) if send is None else journald.JournalHandler(send)
    handler.setFormatter(_formatter(readable=readable))
    _route(handler, number)


@contextmanager
def tapped(stream: Stream) -> Iterator[None]:
    """Write every line of the log to `stream` too, as JSON, whatever `configure` makes of the log meanwhile.

    It is written to on the thread that logs, a line at a time, and must neither wait nor log.
    """
    tap = _Unfailing(stream)
    tap.setFormatter(_formatter(readable=False))
    root = logging.getLogger()
    _taps.append(tap)
    root.addHandler(tap)
    try:
        yield
    finally:
        _taps.remove(tap)
        root.removeHandler(tap)


def set_level(level: str) -> None:
    """Log from this level on, wherever it goes to."""
    number = LEVELS[level]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))
    _set_levels(number)


def _shared() -> list[Processor]:
    return [structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), _without_nothing]


def _formatter(*, readable: bool) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _with_traceback,
            _with_exact_path,
            _without_secrets,
            _renderer(readable=readable),
        ],
        foreign_pre_chain=[*_shared(), structlog.stdlib.add_logger_name],
    )


def _renderer(*, readable: bool) -> Processor:
    if readable:
        is_coloured = not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}
        return structlog.dev.ConsoleRenderer(
            colors=is_coloured, exception_formatter=structlog.dev.plain_traceback
        )  # fmt: skip
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _route(handler: logging.Handler, level: int) -> None:
    """One handler for all, beside the taps; the libraries speak up from warnings on, unless everything is asked for."""
    root = logging.getLogger()
    root.handlers[:] = [handler, *_taps]
    warnings.showwarning = _say_warned
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    _set_levels(level)


def _say_warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    """What a library warns its programmers of, without the line of source that it comes with."""
    log.warning("warning.raised", kind=category.__name__, reason=str(message), path=f"{filename}:{lineno}")


def _set_levels(level: int) -> None:
    logging.getLogger().setLevel(level)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))


class _Unfailing(logging.StreamHandler[Stream]):
    """A reader that went away, or a full disk behind the stream, must not stop what the log is about."""

    def close(self) -> None:
        """End a stream that was given, so that what waits in it is shown; the process's own stays as it is."""
        if self.stream not in {sys.stderr, sys.__stderr__}:
            self.stream.close()
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Drop the line: there is nobody left to tell."""


def _without_nothing(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A field that is None says nothing."""
    return {key: value for key, value in event.items() if value is not None}


def _with_traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The exception as text, before secrets are looked for."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        event["exception"] = "".join(traceback.format_exception(*info)).rstrip()
    return event


def _with_exact_path(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A path that is going to be escaped, exactly; without it `path` is exact. One that holds a secret stays unsaid."""
    path = event.get("path")
    if not isinstance(path, str) or path.isprintable() or redacted(path) != _encodable(path):
        return event
    try:
        return {**event, "path_encoded": encoded(path)}
    except UnicodeEncodeError:  # it names no file
        return event


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {_clean_key(key): _clean(value, str(key)) for key, value in event.items()}


def _clean_key(key: str) -> str:
    return printable(redacted(str(key)))


def _clean(value: Any, key: str = "") -> Any:
    """The value with every text in it redacted; what JSON does not know becomes text."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    if SECRET_KEYS.search(key):
        return HIDDEN
    if isinstance(value, dict):
        return {_clean_key(inner): _clean(each, str(inner)) for inner, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return _all_clean(value)
    text = value if isinstance(value, str) else str(value)
    return redacted(text) if key == "exception" else printable(redacted(text))


def masked(values: Any) -> Any:
    """What JSON can say of the values, with every text redacted that is or looks like a secret."""
    return _clean(values)


def _all_clean(values: Iterable[Any]) -> list[Any]:
    return [_clean(each) for each in values]
