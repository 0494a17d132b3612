"""The settings: which there are, what is allowed, and what they are by default.

Frozen. Where they come from is `sources`; each part of the program gets the few numbers it needs, never this.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, model_validator

from hf_watch.paths import printable
from hf_watch.rules.mapping import PLAIN, SHOWN_FIELDS
from hf_watch.rules.pace import HUB_PER_HOUR
from hf_watch.settings.values import (
    DEST_FORM,
    MIB,
    Address,
    Bytes,
    Command,
    Directory,
    FileName,
    Interval,
    LogLevel,
    MaxDelete,
    Message,
    Names,
    Patterns,
    QuietSeconds,
    ReceiptsMode,
    RelativePath,
    Seconds,
    Template,
    Text,
    WebAddress,
    is_loopback,
    quiet_of,
)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetSettings(_Table):
    """One watched directory and where it goes: `[[target]]`, or SOURCE and DEST with options or variables."""

    source: Directory = Field(description="the watched directory")
    dest: Text = Field(description=f"where it goes: {DEST_FORM}")
    include: Patterns = Field(default=(), description="publish only these (gitignore syntax); empty: everything")
    exclude: Patterns = Field(
        default=(), description="never publish these (gitignore syntax), beside the built-in list"
    )
    hidden: bool = Field(default=False, description="publish names that begin with a dot too")
    symlinks: Literal["ignore", "follow"] = Field(
        default="ignore",
        description="follow: what links inside the directory lead to is published under the links' paths",
    )
    min_size: Bytes = Field(default=ByteSize(0), ge=0, description="a smaller file is not published")
    max_size: Bytes | None = Field(default=None, ge=0, description="a larger file is not published; empty: any size")
    quiet_s: QuietSeconds = Field(
        default=1.0,
        description='a file is due when it has not changed for this long; or by size: { 0 = 1, "1 GiB" = 30 }',
    )
    max_wait_s: Seconds = Field(
        default=60.0, description="a file that keeps changing is due at the latest after this long"
    )
    publish_open: bool = Field(
        default=False, description="after max_wait_s, publish files that are still open for writing (append-only logs)"
    )
    rescan_s: Interval = Field(
        default=300.0, description="look at the whole directory this often, whatever was noticed"
    )
    poll_s: Interval = Field(default=30.0, description="look this often where the kernel does not report changes")
    observer: Literal["auto", "inotify", "polling"] = Field(default="auto", description="how changes are noticed")
    on_delete: Literal["keep", "mirror"] = Field(
        default="keep", description="what a deleted file means: nothing, or that it is deleted on the Hub too"
    )
    group: Literal["none", "directory"] = Field(
        default="none",
        description="directory: the files below each direct sub-directory go in one commit, or not at all",
    )
    ready_marker: FileName = Field(
        default="", description="with group: a sub-directory goes once this file is in it; none: once it is quiet"
    )
    max_delete: MaxDelete = Field(
        default="100, 10%",
        description="more deletes at once than the larger of the two wait for `hf-watch confirm-deletes`",
    )
    root_marker: RelativePath = Field(
        default="", description="a file in the directory without which it counts as missing (a mount that is not there)"
    )
    after_upload: Literal["keep", "archive", "delete"] = Field(
        default="keep", description="what becomes of a file once the Hub is seen to hold it"
    )
    archive_dir: Directory | None = Field(default=None, description="where after_upload = archive moves files")
    remove_empty_dirs: bool = Field(default=False, description="remove directories that after_upload has emptied")
    quarantine_dir: Directory | None = Field(
        default=None, description="where files go that cannot be published, with NAME.reason.json; none: they stay"
    )
    receipts: ReceiptsMode = Field(
        default="off",
        description="a receipt of each published file: jsonl in the state directory, sidecar: NAME.hf-watch.json",
    )
    create_repo: bool = Field(default=False, description="create the repo when it is missing")
    private: bool = Field(default=True, description="create it private")
    path_in_repo: Template = Field(default=PLAIN, description=f"the path below dest: {SHOWN_FIELDS} (UTC)")
    on_clash: Literal["set_aside", "newest"] = Field(
        default="set_aside", description="two files with one path in the repo: neither is published, or the newer one"
    )
    allow_public: bool = Field(default=False, description="publish to a repo that everybody may read")
    secrets: Literal["block", "warn", "off"] = Field(
        default="block",
        description="a text with a credential in its first MiB is set aside, or named in the log",
    )
    secrets_allow: Patterns = Field(default=(), description="files that may hold credentials (gitignore syntax)")
    commit_message: Message = Field(
        default="{summary}", description="the commits' message; {summary}, {files}, {target}"
    )

    @model_validator(mode="after")
    def _checked(self) -> TargetSettings:
        if self.max_size is not None and self.min_size > self.max_size:
            raise ValueError(f"min_size = {self.min_size} is above max_size = {self.max_size}; allowed is less")
        if not self.private and not self.allow_public:
            raise ValueError("private = false makes a repo that everybody may read, and needs allow_public = true")
        if (longest_s := quiet_of(self.quiet_s).longest_s) > self.max_wait_s:
            raise ValueError(f"quiet_s = {longest_s:g} is above max_wait_s = {self.max_wait_s:g}; allowed is less")
        if self.ready_marker and self.group == "none":
            raise ValueError(
                f'ready_marker = {self.ready_marker!r} says when a group is complete, and needs group = "directory"'
            )
        if self.after_upload == "archive" and self.archive_dir is None:
            raise ValueError("after_upload = archive needs archive_dir, the directory that files are moved to")
        if self.symlinks == "follow" and self.after_upload != "keep":
            raise ValueError(
                f"after_upload = {self.after_upload} takes files away by their own names; symlinks = follow needs keep"
            )
        if self.symlinks == "follow" and self.receipts == "sidecar":
            raise ValueError("receipts = sidecar has one place for the files of several links: use jsonl")
        return self


TARGET_KEYS = tuple(TargetSettings.model_fields)


class CommitSettings(_Table):
    """How large commits are, and how many go in an hour: `[commit]`."""

    max_files: int = Field(default=1_000, ge=1, le=25_000, description="files in one commit")
    max_files_backlog: int = Field(
        default=5_000, ge=1, le=25_000, description="files in one commit, step by step, while commits run short"
    )
    max_bytes: Bytes = Field(default=ByteSize(64 * MIB), ge=1, le=1_000_000_000, description="bytes inside one commit")
    per_hour: float = Field(
        default=100.0,
        ge=0,
        allow_inf_nan=False,
        description=f"commits an hour and account; the Hub refuses above {HUB_PER_HOUR}; 0: any",
    )
    burst: float = Field(
        default=25.0, ge=1, allow_inf_nan=False, description="commits that may go at once after a pause"
    )


class MemorySettings(_Table):
    """How many bytes of files are held: `[memory]`."""

    inline_bytes: Bytes = Field(
        default=ByteSize(32 * MIB), ge=0, description="a larger file is not read into memory whole"
    )
    budget_bytes: Bytes = Field(
        default=ByteSize(64 * MIB), ge=MIB, description="content held in all; the client needs up to four times of it"
    )

    @model_validator(mode="after")
    def _checked(self) -> MemorySettings:
        if self.inline_bytes > self.budget_bytes:
            raise ValueError(f"inline_bytes = {self.inline_bytes} is above budget_bytes = {self.budget_bytes}")
        return self


class UploadSettings(_Table):
    """How fast bytes go out: `[upload]`."""

    max_bytes_per_s: Bytes = Field(
        default=ByteSize(0), ge=0, description="on average, waited for between uploads; 0: any"
    )


class HealthSettings(_Table):
    """When all is well: `[health]`."""

    max_lag_s: Interval = Field(
        default=300.0, description="healthy means that nothing has been settled and unpublished for longer"
    )
    heartbeat_url: WebAddress = Field(default="", description="called every minute while nothing is late; empty: none")


class HttpSettings(_Table):
    """The status page, health and metrics over HTTP: `[http]`."""

    listen: Address = Field(default="", description="where the status page is, as 127.0.0.1:8787; empty: nowhere")
    token_file: Directory | None = Field(
        default=None, description="a file with the token that visitors need; without it only loopback is listened on"
    )
    hosts: Names = Field(default=(), description="names that it is reached by behind a proxy, beside localhost")
    max_upload_bytes: Bytes = Field(
        default=ByteSize(1024 * MIB), ge=1, description="the largest file that the drop area takes"
    )
    fetch_private: bool = Field(default=False, description="fetch URLs of this machine and its network, too")

    @model_validator(mode="after")
    def _checked(self) -> HttpSettings:
        if self.listen and self.token_file is None and not is_loopback(self.listen):
            raise ValueError(f"listen = {self.listen!r} is not loopback: others could reach it; set http.token_file")
        return self


class HookSettings(_Table):
    """What is run or told when something happens: `[hooks]`."""

    on_published: Command = Field(default=(), description="a command that gets the receipts of a commit, as JSON")
    on_quarantined: Command = Field(
        default=(), description="a command that gets which file cannot be published, and why"
    )
    on_degraded: Command = Field(default=(), description="a command that gets what a person should look at")
    timeout_s: Interval = Field(default=60.0, description="a command that takes longer is killed")
    webhook: WebAddress = Field(
        default="", description="a web address that is posted the same JSON; tried again for a while"
    )


class Settings(_Table):
    """All settings of one process."""

    target: tuple[TargetSettings, ...] = Field(description="the watched directories")
    commit: CommitSettings = CommitSettings()
    memory: MemorySettings = MemorySettings()
    upload: UploadSettings = UploadSettings()
    health: HealthSettings = HealthSettings()
    hooks: HookSettings = HookSettings()
    http: HttpSettings = HttpSettings()
    shutdown_s: Seconds = Field(default=20.0, description="how long a stop may take to publish what has settled")
    log_level: LogLevel = Field(default="info", description="what is logged: debug, info, warning, error")
    state_dir: Directory | None = Field(default=None, description="where the ledger is kept")

    def creating_repos(self) -> Settings:
        """The same, with every repo created when it is missing: a local Hub has none to begin with."""
        targets = tuple(target.model_copy(update={"create_repo": True}) for target in self.target)
        return self.model_copy(update={"target": targets})

    def named_targets(self) -> list[tuple[str, TargetSettings]]:
        """Each target with a name for the log: its directory's, with a number where two have the same."""
        named: dict[str, TargetSettings] = {}
        for target in self.target:
            base = printable(Path(os.path.realpath(target.source)).name) or "root"
            name, number = base, 1
            while name in named:
                number += 1
                name = f"{base}-{number}"
            named[name] = target
        return list(named.items())


class Sought(_Table):
    """What tells one daemon from others: where its state is, else the file of its targets, else SOURCE and DEST."""

    state_dir: Directory | None = None
    config: Path | None = None
    source: Directory | None = None
    dest: Text | None = None
    mistake: str | None = None  # why a file could not say all of that
