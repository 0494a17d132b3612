"""The real command on a terminal of its own: a pseudo-terminal, and pyte, which knows what a person would see on it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyte

from tests.eventually import eventually
from tests.running import COMMAND, STOP_TIMEOUT_S

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CTRL_C = b"\x03"
LINES_KEPT = 1_000
CONTROLLED = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
ON_TERMINAL = (sys.executable, "-c", CONTROLLED)  # so that Ctrl-C reaches it


class Terminal:
    """What a process wrote to its terminal, and how that looks."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=LINES_KEPT)
        self.written = b""
        self._stream = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        with self._lock:
            self.screen.resize(rows, columns)

    def read_on(self) -> None:
        """Until nobody has the other end open any more."""
        while True:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                return
            with self._lock:
                self.written += data
                self._stream.feed(data)

    def rows(self) -> list[str]:
        """What is on the screen."""
        with self._lock:
            return [row.rstrip() for row in self.screen.display]

    def shows(self, text: str) -> list[str]:
        """Wait until a row has this in it; the rows then."""

        def found() -> list[str]:
            rows = self.rows()
            return rows if any(text in row for row in rows) else []

        try:
            return eventually(found, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}, but:\n" + "\n".join(self.rows())) from None

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)


class Session:
    """A process on its terminal."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: Terminal) -> None:
        self.process = process
        self.terminal = terminal

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def on_terminal(
    arguments: list[str], env: Mapping[str, str], cwd: Path, *, columns: int = 100, rows: int = 30
) -> Iterator[Session]:
    """Start `hf-watch` on a terminal of this size; both are gone afterwards, whatever happens."""
    terminal = Terminal(columns, rows)
    process = subprocess.Popen(
        [*ON_TERMINAL, *COMMAND, *arguments], env={"TERM": "xterm-256color", **env}, cwd=cwd, stdin=terminal.slave,
        stdout=terminal.slave, stderr=terminal.slave, start_new_session=True,
    )  # fmt: skip
    os.close(terminal.slave)
    reader = threading.Thread(target=terminal.read_on, name="terminal")
    reader.start()
    try:
        yield Session(process, terminal)
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(terminal.master)
