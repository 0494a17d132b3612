"""Progress bars, on a clock of their own."""

from __future__ import annotations

import io

from rich.console import Console

from hf_watch.cli.bars import Bars

MB = 1_000_000


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _shown(bars: Bars, width: int = 100) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(bars.picture(width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_rate_and_time_left_come_of_what_was_read() -> None:
    clock = _Clock()
    bars = Bars(clock)
    for second in range(6):
        clock.now = float(second)
        bars.show_read("a", "a.bin", second * MB, 15 * MB)
    (line,) = _shown(bars)
    assert line.startswith("a.bin ")
    assert line.endswith("5.0 MB of 15.0 MB  1.0 MB/s  10 s left")
    assert _shown(bars, 40)[0].endswith(" 33%")


def test_a_file_that_nobody_reads_any_more_is_read() -> None:
    bars = Bars(_Clock())
    bars.show_read("a", "a.bin", None, 15 * MB)
    assert _shown(bars)[0].endswith("15.0 MB under way")
    bars.show_read("a", "a.bin", 4 * MB, 15 * MB)
    bars.show_read("a", "a.bin", None, 15 * MB)
    assert _shown(bars)[0].endswith("15.0 MB of 15.0 MB")


def test_a_bar_never_goes_back_and_goes_when_it_is_not_kept() -> None:
    bars = Bars(_Clock())
    bars.show("a", "[bold]a", 9 * MB, 15 * MB)
    bars.show("a", "[bold]a", 0, 15 * MB)
    assert _shown(bars)[0].startswith("[bold]a ")
    assert "9.0 MB of 15.0 MB" in _shown(bars)[0]
    bars.keep(set())
    assert not "".join(_shown(bars))
