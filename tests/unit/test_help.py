"""What `--help` says: whole sentences, and the default of every setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from hf_watch.cli.main import cli
from hf_watch.settings.settings import TargetSettings
from hf_watch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator


def _groups(group: click.Group, name: str = "hf-watch") -> Iterator[tuple[click.Group, click.Context]]:
    yield group, click.Context(group, info_name=name, terminal_width=80, max_content_width=80)
    for inner_name, inner in group.commands.items():
        if isinstance(inner, click.Group):
            yield from _groups(inner, inner_name)


def test_each_command_is_listed_with_a_whole_sentence() -> None:
    found = list(_groups(cli))
    assert [group.name for group, _ in found] == ["cli", "service"]
    for group, context in found:
        listed = " ".join(group.get_help(context).partition("Commands:")[2].split())
        for name, command in group.commands.items():
            paragraph = " ".join((command.help or "").partition("\n\n")[0].split())
            sentence = paragraph.split(". ")[0].removesuffix(".")
            assert f"{name} {sentence}." in listed
        assert "..." not in listed


@pytest.mark.parametrize("name", ["run", "sync", "plan", "check", "explain", "config"])
def test_each_option_of_a_setting_shows_its_default(name: str) -> None:
    command = cli.commands[name]
    options = {each.name: each for each in command.params if isinstance(each, click.Option)}
    for setting, found in TargetSettings.model_fields.items():
        if not found.is_required():
            said = f"[default: {shown(found.default) or 'none'}]"
            assert (options[setting].help or "").endswith(said), setting
    assert all("default: " in (options[each].help or "") for each in ("config", "state_dir", "log_level"))
