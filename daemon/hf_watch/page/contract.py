"""The JSON that only the page's routes speak; beside that of the control socket, and like it only added to."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from hf_watch.control.contract import ENCODES, LocalPath
from hf_watch.page.drops import Fate  # noqa: TC001  as above


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class MinuteView(_Answer):
    """One minute of the last hour."""

    files: int
    bytes: int
    latency_s: float | None = Field(description="last change until the Hub shows it, on average; null: not known")


class RecentView(_Answer):
    """The last hour, the oldest minute first, the last one under way. What was before the start has no latency."""

    minutes: tuple[MinuteView, ...]


class LimitsView(_Answer):
    """What the drop area takes."""

    max_upload_bytes: int
    uploads_at_a_time: int


class DropView(_Answer):
    """What became of a dropped file."""

    number: int = Field(description="grows with every change: what to give as `since`")
    target: str
    path: str
    path_encoded: str = Field(description=ENCODES)
    bytes: int
    fate: Fate
    commit: str | None = None
    commit_url: str | None = None
    file_url: str | None = None
    reason: str | None = None


class DropsView(_Answer):
    """What changed since, in the order of the changes."""

    drops: tuple[DropView, ...]


class UrlQuestion(BaseModel):
    """What to fetch, and where to put it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    url: str = Field(max_length=8_192)
    path: LocalPath = Field(
        default=None, validate_default=False, description="below the watched directory; left out: the URL's last name"
    )
    replace: bool = False
