"""The man page, made of what the command line says of itself; `make man` writes docs/hf-watch.1."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hf_watch.cli.main import cli
from hf_watch.settings.variables import variables
from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("hf-watch.1")
SHARED = "sync"  # the command whose options most others have: they are listed once
SHARED_BY = {"run", "sync", "plan", "check", "config"}
EXIT_STATUS = (
    ("0", "done; of status: healthy; of flush --wait: everything is published"),
    ("1", "failed; of status: late or degraded; of flush --wait: not everything is published"),
    ("2", "the command line is wrong"),
    ("3", "no daemon runs there"),
    ("78", "the settings are wrong"),
)
FILES = (
    ("hf-watch.toml", "the configuration: in the current directory, ~/.config/hf-watch/ or /etc/hf-watch/"),
    (".env", "environment variables, in the current directory"),
    ("~/.local/state/hf-watch/", "what is kept across restarts, a directory a configuration"),
    ("/var/lib/hf-watch/", "the same of the system's service"),
)
SHARED_VARIABLES = (
    ("HF_TOKEN", "the token"),
    ("HF_TOKEN_PATH", "a file with the token"),
    ("HF_ENDPOINT", "another Hub"),
    ("HF_HOME", "where the Hub's tools keep caches and the token"),
    ("HF_WATCH_CONFIG", "the configuration file"),
    ("NO_COLOR", "no colours"),
)


def page() -> str:
    """The page in the man macros, without a date: it changes only when the command line does."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    context = click.Context(cli, info_name="hf-watch")
    yield '.\\" Made by docs/manual.py; `make man` makes it anew.'
    yield f'.TH HF\\-WATCH 1 "" "hf\\-watch {__version__}" "User Commands"'
    yield from (".SH NAME", f"hf\\-watch \\- {_escaped(_first_down(cli.help or ''))}")
    yield from (".SH SYNOPSIS", ".B hf\\-watch", "COMMAND [OPTIONS]")
    yield from (".SH DESCRIPTION", _escaped(DESCRIPTION))
    yield ".SH COMMANDS"
    for command in _commands(cli, context):
        yield from _command(*command)
    yield from (".SH SHARED OPTIONS", f"Of {', '.join(sorted(SHARED_BY))}:")
    yield from _options(cli.commands[SHARED], _context(cli.commands[SHARED], context), SHARED_BY)
    yield ".SH ENVIRONMENT"
    yield from _list(SHARED_VARIABLES)
    for name, path in variables().items():
        if path:
            yield from _item(name, f"the setting {'.'.join(path)}")
    yield ".SH FILES"
    yield from _list(FILES)
    yield ".SH EXIT STATUS"
    yield from _list(EXIT_STATUS)
    yield from (".SH SEE ALSO", "The README and docs/ of hf\\-watch;", ".BR systemctl (1),", ".BR journalctl (1)")


DESCRIPTION = (
    "SOURCE is a directory, DEST an hf:// URI: hf://[datasets/|spaces/]OWNER/NAME[@REVISION][/PATH]. A file is "
    "published once it holds still and nobody has it open for writing. Nothing is deleted on the Hub unless "
    "on_delete is mirror."
)


def _context(command: click.Command, parent: click.Context) -> click.Context:
    return click.Context(command, info_name=command.name, parent=parent)


def _commands(group: click.Group, parent: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command that does something, those of groups within the group too."""
    for name in group.list_commands(parent):
        command = group.commands[name]
        context = _context(command, parent)
        if isinstance(command, click.Group):
            yield from _commands(command, context)
        else:
            yield command, context


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_escaped(f'{context.command_path} {usage}')}"
    for number, paragraph in enumerate(inspect.cleandoc(command.help or "").split("\n\n")):
        yield ".PP" if number else ".br"
        yield _escaped(" ".join(paragraph.split()))
    yield from _options(command, context, set())


def _options(command: click.Command, context: click.Context, shared_by: set[str]) -> Iterator[str]:
    """The options of a command; of one that shares most of them, only its own, unless they are asked for."""
    shared = {each.name for each in cli.commands[SHARED].params} & {each.name for each in cli.commands["check"].params}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or isinstance(parameter, click.Argument) or "--help" in parameter.opts:
            continue
        is_shared = command.name in SHARED_BY and parameter.name in shared
        if is_shared == bool(shared_by):
            yield from _item(*record)


def _list(items: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, text in items:
        yield from _item(term, text)


def _item(term: str, text: str) -> Iterator[str]:
    yield from (".TP", f"\\fB{_escaped(term)}\\fR", _escaped(text))


def _first_down(text: str) -> str:
    line = text.split("\n", 1)[0].rstrip(".")
    return line[:1].lower() + line[1:]


def _escaped(text: str) -> str:
    """Text as roff takes it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    PAGE.write_text(page())
