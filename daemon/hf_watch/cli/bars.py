"""Progress bars by name, with rate and time left: rich's, painted by whoever holds them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from hf_watch.cli import frames
from hf_watch.cli.console import duration_text, size_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from rich.progress import TaskID

NARROW_BAR = 10
WIDE_BAR = 20
SPEED_OVER_S = 20.0  # commits come in steps; over less, their rate jumps


class _Amount(ProgressColumn):
    """What is done of what there is, and how long the rest takes; of bytes also how fast they go."""

    def render(self, task: Task) -> Text:
        done = task.fields["done_text"] or _of_text(task)
        rate = task.fields["bytes_per_s"] or (task.speed if not task.fields["done_text"] else None)
        left_s = task.time_remaining
        return Text(
            done
            + (f"  {size_text(int(rate))}/s" if rate else "")
            + (f"  {duration_text(left_s)} left" if left_s else "")
        )


class _Percentage(ProgressColumn):
    """Where there is no room for more."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:3.0f}%")


def _of_text(task: Task) -> str:
    done = size_text(int(task.completed))
    return done if task.total is None else f"{done} of {size_text(int(task.total))}"


class Bars:
    """They count bytes, unless `done_text` says what they count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = Progress(auto_refresh=False, get_time=clock, speed_estimate_period=SPEED_OVER_S)
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}

    def show(
        self, name: str, label: str, done: int, total: int | None, *, done_text: str = "", bytes_per_s: float = 0.0
    ) -> None:
        """Have a bar stand at `done` of `total`, None for a total that nobody knows. It never goes back."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(label, total=total, done_text="", bytes_per_s=0.0)
        self._done[name] = max(done, self._done.get(name, 0))
        self._progress.update(
            self._tasks[name], completed=self._done[name], total=total, done_text=done_text, bytes_per_s=bytes_per_s
        )

    def show_read(self, name: str, label: str, read_bytes: int | None, size_bytes: int) -> None:
        """The bar of a file that is being sent, by how much of it was read, None while nobody reads it."""
        if read_bytes is not None:
            self.show(name, label, read_bytes, size_bytes)
        elif self._done.get(name):
            self.show(name, label, size_bytes, size_bytes)
        else:
            self.show(name, label, 0, None, done_text=f"{size_text(size_bytes)} under way")

    def speed(self, name: str) -> float:
        """In what is counted, a second; 0 while that is unknown."""
        return next((task.speed or 0.0 for task in self._progress.tasks if task.id == self._tasks.get(name)), 0.0)

    def keep(self, names: set[str]) -> None:
        """Forget all others."""
        for name in self._tasks.keys() - names:
            self._progress.remove_task(self._tasks.pop(name))
            del self._done[name]

    def picture(self, width: int) -> RenderableType:
        """All bars, those of a narrow terminal without amounts."""
        is_wide = width >= frames.WIDE
        label = TextColumn("{task.description}", markup=False)
        bar = BarColumn(WIDE_BAR if is_wide else NARROW_BAR)
        self._progress.columns = (label, bar, _Amount() if is_wide else _Percentage())
        return self._progress.get_renderable()
