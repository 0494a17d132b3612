"""The painter on a real terminal that takes nothing, and with a picture that cannot be drawn."""

from __future__ import annotations

import os
import pty
import threading
from typing import TYPE_CHECKING

from rich.text import Text

from hf_watch.cli.painter import MOST_LINES, Painter
from hf_watch.logs import logs
from tests.eventually import eventually

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def test_whoever_logs_does_not_wait_for_a_terminal_that_takes_nothing() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as out:
        painter = Painter(out, lambda _: Text("picture")).start()
        for _ in range(2 * MOST_LINES):
            painter.write("x" * 100 + "\n")  # far more than the terminal holds
        seen = b""
        closing = threading.Thread(target=painter.close)
        closing.start()
        while b"lines not shown" not in seen:
            seen += os.read(master, 1 << 16)
        closing.join()
    os.close(master)


def test_a_picture_that_fails_is_told_and_the_log_goes_on() -> None:
    master, slave = pty.openpty()

    def compose(_: Console) -> RenderableType:
        raise ZeroDivisionError

    with os.fdopen(slave, "w") as out:
        painter = Painter(out, compose)
        logs.configure("info", painter, readable=True)
        painter.start()
        try:
            painter.write("a line\n")
            seen = bytearray()

            def shown() -> bool:
                seen.extend(os.read(master, 1 << 16))
                return b"no picture" in seen

            eventually(shown, "a picture that says so")
            assert b"a line" in seen
            assert b"ZeroDivisionError" in seen
        finally:
            painter.close()
            logs.configure("info")
    os.close(master)


def test_lines_are_shown_in_their_order_and_after_the_end_at_once() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as out:
        painter = Painter(out, lambda _: Text("picture")).start()
        for number in range(100):
            painter.write(f"line {number}\n")
        painter.close()
        painter.write("late\n")
        out.flush()
        written = b""
        while b"late" not in written:
            written += os.read(master, 1 << 16)  # which gives what there is, a page at most
    seen = written.decode()
    os.close(master)
    places = [seen.index(f"line {number}\r") for number in range(100)]
    assert places == sorted(places)
    assert seen.index("picture") < seen.index("late")
