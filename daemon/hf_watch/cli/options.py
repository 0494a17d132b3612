"""The options and arguments that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from hf_watch.settings.settings import TargetSettings
from hf_watch.settings.values import LogLevel

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_HUB = ""  # `--local` without a directory


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every setting of a target as an option, beside SOURCE and DEST."""
    for name, found in reversed(TargetSettings.model_fields.items()):
        if name not in {"source", "dest"}:
            command = _option(name, found.annotation, found.description or "")(command)
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
        return click.option(flag, name, multiple=True, metavar="PATTERN", help=f"{text}; may be repeated")
    return click.option(flag, name, help=text)


def offer(kind: Literal["file", "dir"]) -> Callable[..., list[CompletionItem]]:
    """What the shell completes an argument with."""
    return lambda _context, _parameter, incomplete: [CompletionItem(incomplete, type=kind)]


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that reads the settings takes."""
    for decorate in (
        click.option("--log-level", type=click.Choice(get_args(LogLevel)), help="what is logged"),
        click.option(
            "--state-dir", type=click.Path(file_okay=False), help="where the ledger is kept"
        ),
        click.option(
            "--local", is_flag=False, flag_value=DEFAULT_HUB, metavar="[DIR]",
            help="publish to a Hub on this machine, kept in DIR: no account, no network",
        ),
        click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="the configuration file (TOML)"),
        _target_options,
        click.argument("dest", required=False),
        click.argument("source", required=False, shell_complete=offer("dir")),
    ):  # fmt: skip
        command = decorate(command)
    return command
