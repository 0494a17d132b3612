"""The settings: which there are, what is allowed, and what they are by default.

Frozen. Where they come from is `setting_sources`; each part of the program gets the few numbers it needs, never this.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, model_validator

from hf_watch.filters import Filter

LogLevel = Literal["debug", "info", "warning", "error"]
MIB = 1 << 20
MESSAGE_FIELDS = {"summary": "Add 37 files under incoming/", "files": "37", "target": "drop"}


def _lines(value: Any) -> Any:
    """A list in the configuration file; in the environment or an option, lines or commas between the patterns."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        return json.loads(value)
    if isinstance(value, str):
        return [part.strip() for line in value.splitlines() for part in line.split(",") if part.strip()]
    return value


def _patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    Filter(exclude=value)
    return value


def _home(value: Any) -> Any:
    return str(Path(value).expanduser()) if isinstance(value, str) and value.startswith("~") else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_lines), AfterValidator(_patterns)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Directory = Annotated[Path, BeforeValidator(_home)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetSettings(_Table):
    """One watched directory and where it goes: `[[target]]`, or SOURCE and DEST with options or variables."""

    source: Directory = Field(description="the watched directory")
    dest: str = Field(description="where it goes: hf://[datasets/|spaces/]OWNER/NAME[@REVISION][/PATH]")
    include: Patterns = Field(default=(), description="publish only these (gitignore syntax); empty: everything")
    exclude: Patterns = Field(
        default=(), description="never publish these (gitignore syntax), beside the built-in list"
    )
    hidden: bool = Field(default=False, description="publish names that begin with a dot too")
    quiet_s: Seconds = Field(default=1.0, description="a file is due when it has not changed for this long")
    max_wait_s: Seconds = Field(
        default=60.0, description="a file that keeps changing is due at the latest after this long"
    )
    publish_open: bool = Field(
        default=False, description="after max_wait_s, publish files that are still open for writing (append-only logs)"
    )
    rescan_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        default=300.0, description="look at the whole directory this often, whatever was noticed"
    )
    poll_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        default=30.0, description="look this often where the kernel does not report changes"
    )
    observer: Literal["auto", "inotify", "polling"] = Field(default="auto", description="how changes are noticed")
    on_delete: Literal["keep", "mirror"] = Field(
        default="keep", description="what a deleted file means: nothing, or that it is deleted on the Hub too"
    )
    create_repo: bool = Field(default=False, description="create the repo when it is missing")
    private: bool = Field(default=True, description="create it private")
    commit_message: str = Field(default="{summary}", description="the commits' message; {summary}, {files}, {target}")

    @model_validator(mode="after")
    def _checked(self) -> TargetSettings:
        if self.quiet_s > self.max_wait_s:
            raise ValueError(f"quiet_s = {self.quiet_s:g} is above max_wait_s = {self.max_wait_s:g}; allowed is less")
        _check_message(self.commit_message)
        return self


def _check_message(template: str) -> None:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise ValueError(f"commit_message: {template!r} cannot be read ({error})") from error
    if unknown := sorted(fields - MESSAGE_FIELDS.keys()):
        allowed = ", ".join(f"{{{name}}}" for name in MESSAGE_FIELDS)
        raise ValueError(f"commit_message: {{{unknown[0]}}} is unknown; allowed are {allowed}")
    if not template.format(**MESSAGE_FIELDS).strip():
        raise ValueError("commit_message: it is empty")


class CommitSettings(_Table):
    """How large commits are, and how many go in an hour: `[commit]`."""

    max_files: int = Field(default=1_000, ge=1, le=25_000, description="files in one commit")
    max_bytes: ByteSize = Field(
        default=ByteSize(64 * MIB), ge=1, le=1_000_000_000, description="bytes inside one commit"
    )
    per_hour: float = Field(
        default=100.0,
        ge=0,
        allow_inf_nan=False,
        description="commits an hour and account; the Hub refuses above 128; 0: any",
    )
    burst: float = Field(
        default=25.0, ge=1, allow_inf_nan=False, description="commits that may go at once after a pause"
    )


class MemorySettings(_Table):
    """How many bytes of files are held: `[memory]`."""

    inline_bytes: ByteSize = Field(
        default=ByteSize(32 * MIB), ge=0, description="a larger file is not read into memory whole"
    )
    budget_bytes: ByteSize = Field(
        default=ByteSize(64 * MIB), ge=MIB, description="content held in all; the client needs up to four times of it"
    )

    @model_validator(mode="after")
    def _checked(self) -> MemorySettings:
        if self.inline_bytes > self.budget_bytes:
            raise ValueError(f"inline_bytes = {self.inline_bytes} is above budget_bytes = {self.budget_bytes}")
        return self


class UploadSettings(_Table):
    """How fast bytes go out: `[upload]`."""

    max_bytes_per_s: ByteSize = Field(
        default=ByteSize(0), ge=0, description="on average, waited for between uploads; 0: any"
    )


class Settings(_Table):
    """All settings of one process."""

    target: tuple[TargetSettings, ...] = Field(description="the watched directories")
    commit: CommitSettings = CommitSettings()
    memory: MemorySettings = MemorySettings()
    upload: UploadSettings = UploadSettings()
    shutdown_s: Seconds = Field(default=20.0, description="how long a stop may take to publish what has settled")
    log_level: LogLevel = Field(default="info", description="what is logged: debug, info, warning, error")
    state_dir: Directory | None = Field(default=None, description="where the ledger is kept")

    def named_targets(self) -> list[tuple[str, TargetSettings]]:
        """Each target with a name for the log: its directory's, with a number where two have the same."""
        named: dict[str, TargetSettings] = {}
        for target in self.target:
            base = target.source.resolve().name or "root"
            name, number = base, 1
            while name in named:
                number += 1
                name = f"{base}-{number}"
            named[name] = target
        return list(named.items())
