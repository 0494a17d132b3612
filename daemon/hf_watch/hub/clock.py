"""The Hub's clock beside the one here: every answer of a web server carries its date."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from huggingface_hub.utils import get_session

from hf_watch.hub.errors import CLIENT_ERRORS
from hf_watch.hub.transport import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_S = 30.0


def ahead_s(url: str, wall_clock_s: Callable[[], float]) -> float | None:
    """By how much the clock here is ahead of the Hub's, to a second; None when the Hub says nothing of its own."""
    try:
        with deadline(ANSWER_S):
            date = get_session().head(url).headers.get("date", "")
        return wall_clock_s() - parsedate_to_datetime(date).timestamp()
    except CLIENT_ERRORS:
        return None  # whatever is wrong with the way there, the destinations' own checks say
