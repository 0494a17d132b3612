"""The options and arguments that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from hf_watch.cli.wording import setting_help, with_default
from hf_watch.paths import decoded
from hf_watch.settings.settings import Settings, TargetSettings
from hf_watch.settings.values import LogLevel

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_HUB = ""  # `--local` without a directory
AS_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON, for scripts")
AS_ENCODED = click.option("--encoded", is_flag=True, help="PATH is percent-encoded, as `path_encoded` of --json")
CONFIG_PLACES = "hf-watch.toml here, in ~/.config/hf-watch/ or /etc/hf-watch/"
LOG_LEVEL = Settings.model_fields["log_level"]
HUB_PLACE = "~/.local/state/hf-watch/local-hub"
STATE_PLACE = "one of its own in ~/.local/state/hf-watch/"


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every setting of a target as an option, beside SOURCE and DEST."""
    for name, found in reversed(TargetSettings.model_fields.items()):
        if name not in {"source", "dest"}:
            more = "; may be repeated" if get_origin(found.annotation) is tuple else ""
            command = _option(name, found.annotation, setting_help(found, more))(command)
    return command


def _option(name: str, annotation: Any, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = f"--{name.replace('_', '-')}"
    if annotation is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    if get_origin(annotation) is Literal:
        return click.option(flag, name, type=click.Choice(get_args(annotation)), help=text)
    if annotation is float:
        return click.option(flag, name, type=float, help=text)
    if get_origin(annotation) is tuple:
        return click.option(flag, name, multiple=True, metavar="PATTERN", help=text)
    return click.option(flag, name, help=text)


def offer(kind: Literal["file", "dir"]) -> Callable[..., list[CompletionItem]]:
    """What the shell completes an argument with."""
    return lambda _context, _parameter, incomplete: [CompletionItem(incomplete, type=kind)]


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that reads the settings takes."""
    for decorate in (
        click.option("--log-level", type=click.Choice(get_args(LogLevel)), help=setting_help(LOG_LEVEL)),
        click.option(
            "--state-dir", type=click.Path(file_okay=False), help=with_default("where the ledger is kept", STATE_PLACE)
        ),
        click.option(
            "--local", is_flag=False, flag_value=DEFAULT_HUB, metavar="[DIR]",
            help=f"publish to a Hub on this machine, kept in DIR or {HUB_PLACE}: no account, no network",
        ),
        click.option(
            "--config", type=click.Path(path_type=Path, dir_okay=False),
            help=with_default("the configuration file (TOML)", CONFIG_PLACES),
        ),
        _target_options,
        click.argument("dest", required=False),
        click.argument("source", required=False, shell_complete=offer("dir")),
    ):  # fmt: skip
        command = decorate(command)
    return command


def exact(path: str | None) -> str:
    """The path that was given with --encoded; UsageError when it is none."""
    if path is None:
        raise click.UsageError("--encoded is for a PATH")
    try:
        return decoded(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="PATH") from error
