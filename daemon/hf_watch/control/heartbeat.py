"""A sign of life for whoever watches from afar: a URL that is called while nothing is late, and only then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import structlog

from hf_watch.errors import LedgerError

if TYPE_CHECKING:
    from hf_watch.control.api import Api

log = structlog.get_logger()

EVERY_S = 60.0
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A duty of the control thread. The URL may be a secret, and is not logged."""

    url: str
    every_s: float = EVERY_S

    async def __call__(self, api: Api) -> None:
        """Go on until cancelled."""
        has_failed = False
        while True:
            if _is_healthy(api):
                reason = await self._call()
                if reason is not None and not has_failed:
                    log.warning("heartbeat.failed", reason=reason)
                has_failed = reason is not None
            await asyncio.sleep(self.every_s)

    async def _call(self) -> str | None:
        """Why it could not be called, or None."""
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S) as client:
                answer = await client.get(self.url)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return type(error).__name__  # its text may name the URL
        return None if answer.is_success else f"{answer.status_code} {answer.reason_phrase}"


def _is_healthy(api: Api) -> bool:
    try:
        return api.view().health != "late"
    except LedgerError:
        return False
