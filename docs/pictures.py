"""The pictures of the documentation: the real command on a terminal; `make pictures` makes them anew."""

from __future__ import annotations

import io
import os
import re
import signal
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.style import Style
from rich.text import Text

from hf_watch.local_hub import LocalHub
from tests.running import environment
from tests.terminal import on_terminal

if TYPE_CHECKING:
    from pyte.screens import Char

    from tests.terminal import Terminal

PICTURES = Path(__file__).with_name("pictures")
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # from elsewhere: a picture is to be all there
COLUMNS = 120
ROWS = 18
LARGE_BYTES = 400 << 20
DEST = "hf://datasets/acme/drop/incoming"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, LocalHub(Path(name) / "hub", open_namespaces=True) as hub:
        place = Path(name)
        drop = place / "drop"
        drop.mkdir()
        for number in range(1, 41):
            (drop / f"run-{number:02}.csv").write_text("time,value\n" * number)
        env = environment(hub.url, place)
        _take("plan", ["plan", "./drop", DEST, "--create-repo", "--offline"], env, place)
        _take("sync", ["sync", "./drop", DEST, "--create-repo"], env, place)
        _take_run(drop, env, place)


def _take(name: str, arguments: list[str], env: dict[str, str], place: Path) -> None:
    with on_terminal(arguments, env, place, columns=COLUMNS, rows=ROWS) as session:
        session.wait()
    _save(name, " ".join(["hf-watch", *arguments]), session.terminal)


def _take_run(drop: Path, env: dict[str, str], place: Path) -> None:
    """While a large file is on its way."""
    arguments = ["run", "./drop", DEST]
    with on_terminal(arguments, env, place, columns=COLUMNS, rows=ROWS) as session:
        session.terminal.shows("watching")
        (drop / "notes.txt").write_text("a note")
        session.terminal.shows("1 file, 6 B")
        with (drop / "scan.raw").open("wb") as large:
            large.writelines(os.urandom(1 << 20) for _ in range(LARGE_BYTES >> 20))
        session.terminal.shows(" left")
        _save("run", " ".join(["hf-watch", *arguments]), session.terminal)
        session.signal(signal.SIGTERM)
        session.wait()


def _save(name: str, title: str, terminal: Terminal) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    rows = [terminal.screen.buffer[number] for number in range(ROWS)]
    lines = [_line([row[column] for column in range(COLUMNS)]) for row in rows]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    for line in lines:
        console.print(line)
    svg = FONT.sub("", console.export_svg(title=title, unique_id=name)).replace("Fira Code", "DejaVu Sans Mono")
    (PICTURES / f"{name}.svg").write_text(svg)


def _line(chars: list[Char]) -> Text:
    runs = [(style, "".join(char.data for char in run)) for style, run in groupby(chars, _style)]
    line = Text.assemble(*((text, style) for style, text in runs))
    line.rstrip()
    return line


def _style(char: Char) -> Style:
    """As rich takes it, for whom the six digits of a colour begin with #."""
    is_number = len(char.fg) == len("ffffff") and set(char.fg) <= set("0123456789abcdef")
    colour = f"#{char.fg}" if is_number else char.fg.replace("bright", "bright_").replace("brown", "yellow")
    return Style(color=colour, bold=char.bold)


if __name__ == "__main__":
    main()
