"""A terminal with lines above and a picture below that is painted over and over.

One thread of its own writes to the terminal: whoever logs puts a line into a queue, and waits for nobody, not even for
a terminal that was stopped with Ctrl-S. rich lays the picture out; its own live display would hide the cursor, which a
process that must leave at once cannot bring back, hold a lock that everybody who logs waits for, and forget how high
its picture is once the terminal was made narrower.
"""

from __future__ import annotations

import io
import threading
from collections import deque
from typing import TYPE_CHECKING, TextIO

import structlog
from rich.console import Console
from rich.segment import Segment, SegmentLines
from rich.text import Text

from hf_watch.threads.status import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

log = structlog.get_logger()

EVERY_S = 0.25
MOST_LINES = 10_000  # that wait for a terminal that takes none; later ones are counted
LAST_PICTURE_S = 2.0  # for a terminal that takes nothing any more: then the end does not wait for it


class Painter(io.TextIOBase):
    """What is written to it comes above the picture that `compose` returns, for a console so many rows high.

    `compose` is called on the painter's thread. Between `start` and `close` nobody else writes to `out`.
    """

    def __init__(self, out: TextIO, compose: Callable[[Console], RenderableType]) -> None:
        super().__init__()
        self._out = out
        self._compose = compose
        self._console = Console(file=out, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._waiting: deque[str] = deque()
        self._missed = 0
        self._is_gone = False
        self._widths: Sequence[int] = ()  # of the rows of the picture that stands there
        self._picture = ""
        self._size = (0, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._paint_on, name="painter", daemon=True)

    def start(self) -> Painter:
        self._thread.start()
        return self

    def write(self, text: str, /) -> int:
        """Have a line shown above the picture; from any thread, at once."""
        if self._thread.ident is None or self.closed:
            self._out.write(text)
        elif self._is_gone:
            pass  # nobody is there to be told
        elif len(self._waiting) >= MOST_LINES:
            self._missed += 1
        else:
            self._waiting.append(text)
        return len(text)

    def isatty(self) -> bool:
        return True

    def close(self) -> None:
        """Paint all that waits, leave the last picture standing, and give the terminal back."""
        if not self.closed and self._thread.ident is not None:
            self._over.set()
            self._thread.join(LAST_PICTURE_S)
        super().close()

    def _paint_on(self) -> None:
        try:
            while not self._over.wait(EVERY_S):
                self._paint()
            self._paint()
        except OSError:
            self._is_gone = True  # the terminal, and with it whoever looked
            self._waiting.clear()

    def _paint(self) -> None:
        lines = self._taken()
        width, height = self._console.size
        rows = self._rows(width, height)
        picture = self._drawn(rows)
        if not lines and (width, height) == self._size and picture == self._picture:
            return
        self._out.write(self._cleared(width) + "".join(lines) + picture)
        self._out.flush()
        self._picture, self._size = picture, (width, height)
        self._widths = [Segment.get_line_length(row) for row in rows]

    def _taken(self) -> list[str]:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        missed, self._missed = self._missed, 0
        return [*lines, f"… {counted(missed, 'line')} not shown\n"] if missed else lines

    def _rows(self, width: int, height: int) -> list[list[Segment]]:
        """The picture, one column narrower than the terminal, whose last one some leave only with the next letter."""
        options = self._console.options.update(width=max(width - 1, 1), height=None)
        rows = self._console.render_lines(self._composed(), options, pad=False)
        return rows[: max(height - 1, 1)]

    def _composed(self) -> RenderableType:
        try:
            return self._compose(self._console)
        except Exception:  # the log goes on without a picture, and so does what it is about
            log.critical("picture.failed", exc_info=True)
            self._compose = lambda _: Text("no picture: see the log")
            return Text()

    def _drawn(self, rows: Sequence[list[Segment]]) -> str:
        with self._console.capture() as captured:
            self._console.print(SegmentLines(rows, new_lines=True), end="", soft_wrap=True)
        encoding = self._console.encoding
        return captured.get().encode(encoding, "replace").decode(encoding)

    def _cleared(self, width: int) -> str:
        """What takes the picture away, however many rows its own have become in a narrower terminal."""
        rows = sum(max(1, -(-each // width)) for each in self._widths)
        return f"\r\x1b[{rows}A\x1b[J" if rows else ""
