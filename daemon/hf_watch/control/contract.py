"""The JSON of the control socket: a contract (README.md, "JSON"). Fields are added, never renamed or taken away.

A name is bytes. `path` is for people: what is not printable in it is escaped, and so two names may look alike.
`path_encoded` is exact, and what to give where a path is asked for. Ages and waits are seconds from now.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from hf_watch.paths import ENCODED, decoded

Health = Literal["healthy", "degraded", "late"]
State = Literal["starting", "scanning", "watching", "lost", "refused", "paused"]
FileState = Literal["waiting", "in_flight", "quarantined", "published"]
LONGEST_WAIT_S = 7 * 86_400.0


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")  # noqa: TRY004  pydantic reports a ValueError
    return value


def _local(value: Any) -> str:
    text = _text(value)
    if "\0" in text:
        raise ValueError("no name holds a NUL")
    try:
        return os.fsdecode(os.fsencode(text))
    except UnicodeEncodeError as error:
        raise ValueError("no name holds such a surrogate") from error


# A name need not be UTF-8: what is not comes as lone surrogates, which JSON can escape and pydantic's own str refuses.
LocalPath = Annotated[Any, AfterValidator(_local), WithJsonSchema({"type": "string"})]
EncodedPath = Annotated[
    Any,
    AfterValidator(lambda value: decoded(_text(value))),
    WithJsonSchema({"type": "string", "pattern": ENCODED}),
]

ENCODES = "the bytes of `path`, percent-encoded: exact, whatever the name holds"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Question(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CommitView(_Answer):
    """One commit that the Hub answered for."""

    destination: str
    commit: str
    url: str
    at: str = Field(description="when it was sent: ISO 8601, UTC")
    files: int
    bytes: int


class QuarantinedView(_Answer):
    """A file that is set aside."""

    target: str
    path: str
    path_encoded: str = Field(description=ENCODES)
    reason: str
    at: str = Field(description="since when: ISO 8601, UTC")


class TargetView(_Answer):
    """One watched directory."""

    target: str = Field(description="its name in logs and commands")
    source: str
    source_encoded: str = Field(description="as path_encoded of a path; a slash and one of those make the whole of it")
    dest: str
    state: State
    waiting: int = Field(description="paths that were hinted at and not looked at yet")
    in_flight: int = Field(description="paths that were read and not answered for by the Hub yet")
    quarantined: int
    quarantine: tuple[QuarantinedView, ...] = Field(description="the ten that were set aside last, with their reasons")
    oldest_s: float | None = Field(description="age of the first hint of the path unpublished for longest")
    lag_s: float = Field(description="for how long something has been settled and unpublished; 0: for no time")
    published_today: int = Field(description="files that commits put on the Hub since midnight, local time")
    last_commit: CommitView | None = Field(description="the latest with something of this target")
    next_commit_s: float | None = Field(description="no commit goes earlier; null: nothing waits, or it is paused")
    reason: str | None = Field(description="why it waits")
    held_deletes: int = Field(description="deletes that wait for confirm-deletes: more than max_delete at once")
    held_example: str | None = Field(description="one of their paths")
    held_example_encoded: str | None = Field(description=ENCODES.replace("path", "held_example"))


class StatusView(_Answer):
    """The daemon."""

    version: str
    pid: int
    state_dir: str = Field(description="what commands find it by, as --state-dir")
    health: Health = Field(description="late: lag_s is above max_lag_s somewhere; degraded: a person should look")
    problems: tuple[str, ...]
    max_lag_s: float
    targets: tuple[TargetView, ...]


class QuarantineView(_Answer):
    """A page of the quarantine."""

    quarantined: tuple[QuarantinedView, ...]
    next: str | None = Field(description="what to give as `after` for the next page; null: this is the last one")


class FileView(_Answer):
    """A file below a watched directory. What its state does not know is null."""

    target: str
    path: str
    path_encoded: str = Field(description=ENCODES)
    state: FileState
    since_s: float | None = Field(default=None, description="age of its first hint, while it waits or is in flight")
    reason: str | None = Field(default=None, description="why it is set aside, or what it waits for")
    repo_path: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    commit: str | None = Field(
        default=None, description="the one that put it there; null: the Hub held it already, or it is long ago"
    )
    url: str | None = Field(default=None, description="of the commit")
    at: str | None = Field(default=None, description="when the commit was sent, or since when it is set aside")


class FilesView(_Answer):
    """A page of files: those in one state behind those in another, target by target."""

    files: tuple[FileView, ...]
    next: str | None = Field(description="what to give as `after` for the next page; null: this is the last one")


class TurnView(_Answer):
    """One path in one target: when it goes, or what keeps it. As its worker knew it up to a second ago."""

    target: str
    target_state: State
    path: str
    path_encoded: str = Field(description=ENCODES)
    state: FileState | None = Field(description="null: it was never heard of, or is nobody's concern")
    ahead: int | None = Field(description="paths that go before it, while it waits its turn")
    next_commit_s: float | None = Field(description="it goes no earlier; null: it does not wait, or is kept")
    verdict: str = Field(description="all of it, for a person")


class ExplainView(_Answer):
    """The path in each target that it may lie in."""

    turns: tuple[TurnView, ...]


class TargetSettingsView(_Answer):
    """One watched directory as it was set up."""

    target: str = Field(description="its name in logs and commands")
    source: str
    source_encoded: str = Field(description="as path_encoded of a path; a slash and one of those make the whole of it")
    dest: str
    settings: dict[str, Any] = Field(description="as in the configuration file; what looks like a secret is masked")


class TargetsView(_Answer):
    """The watched directories."""

    targets: tuple[TargetSettingsView, ...]


class CommitsView(_Answer):
    """The latest commits, the newest first."""

    commits: tuple[CommitView, ...]


class EventView(_Answer):
    """One line of the events: the fields that the log has, as they are there, and these."""

    model_config = ConfigDict(frozen=True, extra="allow")

    event: str = Field(
        description="its name; events.lost: whoever follows was too slow for `lost` of them; events.awaited: none came"
    )
    number: int | None = Field(default=None, description="counts what was logged while anybody followed")
    lost: int | None = None
    level: Literal["debug", "info", "warning", "error", "critical"] | None = None
    timestamp: str | None = Field(default=None, description="ISO 8601, UTC")


class DoneView(_Answer):
    """What became of a command."""

    targets: tuple[str, ...]
    paths: int = Field(description="how many paths it concerned")
    pending: tuple[str, ...] = Field(
        description="targets whose worker waits for the Hub: it takes effect when that call is over"
    )


class ReloadView(_Answer):
    """What became of a reload."""

    refused: str | None = Field(description="why what was in force stays so; null: the settings are those of the file")


class LeftView(_Answer):
    """A path that is on disk and not on the Hub."""

    target: str
    path: str
    path_encoded: str = Field(description=ENCODES)
    reason: str


class HeldView(_Answer):
    """Deletes that wait for confirm-deletes: more than max_delete at once."""

    target: str
    deletes: int
    example: str = Field(description="one of their paths")
    example_encoded: str = Field(description=ENCODES.replace("path", "example"))


class FlushView(_Answer):
    """What a flush came to."""

    published: bool | None = Field(
        description="whether all that was on disk is on the Hub; null: it was not waited for"
    )
    paths: int = Field(description="how many paths were hurried; 0 when it was waited for")
    left: tuple[LeftView, ...] = Field(description="at most 1,000 a destination")
    left_count: int
    held: tuple[HeldView, ...] = Field(description="deletes that wait for a person; published says nothing of them")


class ErrorView(_Answer):
    """Why a request was refused."""

    error: str


class TargetQuestion(_Question):
    """Which target is meant."""

    target: str | None = Field(default=None, description="its name; null: all of them")


class ConfirmQuestion(_Question):
    """Whose deletes are meant."""

    target: str = Field(description="the target's name")


class ReloadQuestion(_Question):
    """There is nothing to choose."""


class RetryQuestion(_Question):
    """What is to be tried again."""

    target: str | None = Field(default=None, description="its name; null: any that the path may lie in")
    path: LocalPath = Field(
        default=None, validate_default=False,
        description="a file or directory: absolute, or relative to the watched directory; left out: everything",
    )  # fmt: skip
    path_encoded: EncodedPath = Field(
        default=None, validate_default=False, description="the same as answers name it, and instead of it"
    )

    @model_validator(mode="after")
    def _says_it_once(self) -> Self:
        if self.path is not None and self.path_encoded is not None:
            raise ValueError("path_encoded is the path already, give only one of them")
        return self

    @property
    def meant(self) -> str | None:
        """The path, however it was given; None: everything."""
        found: str | None = self.path if self.path_encoded is None else self.path_encoded
        return found


class FlushQuestion(_Question):
    """How to flush."""

    wait: bool = Field(default=False, description="answer when all that is on disk now is on the Hub")
    gives_up: bool = Field(
        default=False,
        description="answer, too, once only a person can help: the directory stays missing, or token, permission or"
        " repo are refused",
    )
    timeout_s: float | None = Field(
        default=None, ge=0, le=LONGEST_WAIT_S, allow_inf_nan=False, description="answer by then at the latest"
    )
