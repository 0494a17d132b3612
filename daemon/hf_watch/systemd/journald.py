"""systemd's journal as the reader of the log: an event's fields become the journal's own, by cysystemd.

`journalctl -u hf-watch HF_WATCH_EVENT=commit.recorded -o json` finds them.
"""

from __future__ import annotations

import json
import logging
import os
import re
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PREFIX = "HF_WATCH_"
IDENTIFIER = "hf-watch"
LONGEST_NAME = 64  # journald drops longer ones
# What syslog(3) calls the levels, as journalctl -p takes them.
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
OWN_FIELDS = frozenset(
    {"event", "level", "timestamp", "logger", "exception"}
)  # the journal has a better place for these


def sender(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Callable[..., object] | None:
    """What sends fields to the journal, when that is what reads the stream; None when it is not, or cannot be."""
    if not _reads(stream, environment.get("JOURNAL_STREAM", "")):
        return None
    try:
        from cysystemd.journal import send  # noqa: PLC0415  an extra that only a service has
    except ImportError:
        return None
    found: Callable[..., object] = send
    return found


def _reads(stream: TextIO, journal: str) -> bool:
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal == f"{found.st_dev}:{found.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each record, which its formatter makes a JSON object of, as fields."""

    def __init__(self, send: Callable[..., object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(**fields(json.loads(self.format(record))))
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Drop the line: there is nobody left to tell."""


def fields(event: Mapping[str, Any]) -> dict[str, str]:
    """A log event as the journal's fields."""
    named = {
        "MESSAGE": _message(event),
        "PRIORITY": str(PRIORITIES.get(str(event.get("level")), PRIORITIES["info"])),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        f"{PREFIX}LOGGER" if "logger" in event else f"{PREFIX}EVENT": str(event.get("logger") or event["event"]),
    }
    for key, value in event.items():
        if key not in OWN_FIELDS:
            named[_name(key)] = _text(value)
    return named


def _message(event: Mapping[str, Any]) -> str:
    """The event as a person reads it."""
    words = [str(event["event"]), *(f"{key}={_shown(value)}" for key, value in _rest(event))]
    return " ".join(words) + (f"\n{event['exception']}" if "exception" in event else "")


def _rest(event: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in event.items() if key not in OWN_FIELDS)


def _shown(value: Any) -> str:
    text = _text(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[\s\"=]", text) else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _name(key: str) -> str:
    return (PREFIX + re.sub(r"[^A-Z0-9_]", "_", key.upper()))[:LONGEST_NAME]
