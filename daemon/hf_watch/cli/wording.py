"""How help is worded: a whole sentence a command, and with each option what holds without it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from hf_watch.settings.values import shown

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

NONE = "none"


class Group(click.Group):
    """A group that lists its commands with a sentence each; click's own cuts them at 45 letters."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, first_sentence(self.commands[name])) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def first_sentence(command: click.Command) -> str:
    """What a command does."""
    paragraph = inspect.cleandoc(command.help or "").partition("\n\n")[0]
    sentence, dot, _ = f"{' '.join(paragraph.split())} ".partition(". ")
    return sentence + dot.rstrip()


def with_default(text: str, default: str) -> str:
    """An option's help, with what holds where nobody says otherwise."""
    return f"{text}  [default: {default or NONE}]"


def setting_help(found: FieldInfo, more: str = "") -> str:
    """The help of a setting's option."""
    return with_default(f"{found.description}{more}", shown(found.default))
