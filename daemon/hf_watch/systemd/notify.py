"""What systemd is told of the service: sd_notify(3) by cysystemd, where systemd asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = structlog.get_logger()

USEC_PER_S = 1_000_000


class Nobody:
    """Who watches over a process that a person started."""

    listens = False
    watchdog_s: float | None = None

    def tell(self, *_states: str) -> None:
        """Nobody listens."""


class Systemd:
    """systemd as the supervisor of this process. `send` takes the text of one notification."""

    listens = True

    def __init__(self, send: Callable[[str], object], watchdog_s: float | None) -> None:
        self.watchdog_s = watchdog_s  # silence for longer than this ends the process
        self._send = send

    def tell(self, *states: str) -> None:
        """Send states, all in one notification. One that cannot be sent is dropped: the next one says it all again."""
        try:
            self._send("\n".join(states))
        except (RuntimeError, ValueError) as error:  # what the library makes of a socket that is full or gone
            log.warning("notification.dropped", reason=str(error))


READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"


def status(sentence: str) -> str:
    """What `systemctl status` shows."""
    return "STATUS=" + " ".join(sentence.split())


def reloading(monotonic_s: float) -> tuple[str, ...]:
    """The settings are read anew from this moment on; READY ends it."""
    return "RELOADING=1", f"MONOTONIC_USEC={_usec(monotonic_s)}"


def extension(more_s: float) -> str:
    """What it is at, starting or stopping, takes so much longer from now on."""
    return f"EXTEND_TIMEOUT_USEC={_usec(more_s)}"


def supervisor(environment: Mapping[str, str] = os.environ) -> Nobody | Systemd:
    """Whoever started this process and wants to hear of it, by its environment variables."""
    if not environment.get("NOTIFY_SOCKET"):
        return Nobody()
    try:
        from cysystemd.daemon import sd_notify  # noqa: PLC0415  an extra that only a service has
    except ImportError as error:
        log.warning("notification.dropped", reason=f"{error}; pip install 'hf-watch[systemd]'")
        return Nobody()
    return Systemd(sd_notify, _watchdog_s(environment))


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """How long systemd waits for a sign of life; None when it does not, or waits for another process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    period = environment.get("WATCHDOG_USEC", "")
    return int(period) / USEC_PER_S if period.isdecimal() else None


def _usec(seconds: float) -> int:
    return int(seconds * USEC_PER_S)
