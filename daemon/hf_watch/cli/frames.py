"""What the live view shows, laid out for the width and height there are. Pure: values come in, renderables go out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from hf_watch.cli.console import age_text, next_cell, size_text, standing_cells
from hf_watch.threads.status import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from hf_watch.control.contract import CommitView, StatusView, TargetView

WIDE = 72  # columns below which a table shows only what matters most
FEWEST_ROWS = 3  # of anything, however low the terminal
MOST_COMMITS = 3
STYLES = {"healthy": "green", "watching": "green", "degraded": "yellow", "late": "red", "lost": "red", "refused": "red"}
WIDE_HEADINGS = ("target", "state", "waiting", "in flight", "quarantine", "today", "oldest", "next")
NARROW_HEADINGS = ("target", "state", "waiting", "in flight")


def live(
    status: StatusView, uploads: RenderableType, commits: Sequence[CommitView], width: int, height: int
) -> RenderableType:
    """The whole picture of a daemon."""
    most = max(FEWEST_ROWS, height // 3)
    table = targets(status.targets, width, most)
    return Group(Rule(style="dim"), table, *_reasons(status, width, most), uploads, *last(commits, width))


def targets(found: Sequence[TargetView], width: int, most: int) -> RenderableType:
    """A row a target; what does not fit is counted."""
    is_wide = width >= WIDE
    headings = WIDE_HEADINGS if is_wide else NARROW_HEADINGS
    table = Table(box=None, padding=(0, 2 if is_wide else 1, 0, 0), pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < 2 else "right", no_wrap=True, overflow="crop")
    room = width - (sum(len(each) + 2 for each in headings[1:]) if is_wide else 29)
    for target in found[:most]:
        cells = (*standing_cells(target), next_cell(target))[: len(headings)]
        table.add_row(shortened(target.target, max(room, 8)), Text(cells[1], STYLES.get(cells[1], "")), *cells[2:])
    if len(found) > most:
        return Group(table, Text(f"and {len(found) - most} more: hf-watch status", "dim"))
    return table


def _reasons(status: StatusView, width: int, most: int) -> Iterator[Text]:
    """How it is on the whole, and what a person should know."""
    waits = [f"{each.target} waits: {each.reason}" for each in status.targets if each.reason is not None]
    yield Text(status.health, STYLES.get(status.health, ""))
    for line in dict.fromkeys([*status.problems, *waits][:most]):
        yield Text(shortened(line, width - 2), "yellow")


def last(commits: Sequence[CommitView], width: int) -> Iterator[Text]:
    """The latest commits, the newest first."""
    for each in commits[:MOST_COMMITS]:
        line = f"{age_text(each.at)} ago  {counted(each.files, 'file')}, {size_text(each.bytes)}  "
        yield Text(line + (each.url if cell_len(line + each.url) < width else each.commit[:7]), "dim")


def shortened(text: str, width: int) -> str:
    """The end of a text, which says more of a path than its beginning, in so many cells."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 2:
        text = text[1:]
    return set_cell_size(f"..{text}", width).rstrip()
