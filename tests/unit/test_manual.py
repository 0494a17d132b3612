from __future__ import annotations

from docs import manual
from hf_watch.cli.main import cli


def test_the_man_page_is_what_the_command_line_says() -> None:
    assert manual.PAGE.read_text() == manual.page(), "say `make man`"


def test_it_has_every_command_and_option() -> None:
    page = manual.page().replace("\\-", "-")
    for name, command in cli.commands.items():
        assert f"hf-watch {name}" in page
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option in page, f"{name} {option}"
