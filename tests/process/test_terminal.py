"""`run`, `sync` and `push` as a person sees them in a terminal."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from hf_watch.local_hub.faults import Fault
from tests.eventually import eventually
from tests.steered import DEST, Place
from tests.terminal import CTRL_C, on_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from hf_watch.local_hub import LocalHub
    from tests.terminal import Session

LARGE_BYTES = 40 << 20  # above what is held in memory
PAINTS = re.compile(rb"\x1b\[\d+A")  # up, to where the picture begins
COLOURS = re.compile(rb"\x1b\[[0-9;]*3\d[;m]")
HIDDEN_CURSOR = b"\x1b[?25l"
OTHER_SCREEN = b"\x1b[?1049h"


def _run(
    at: Place, *options: str, columns: int = 100, env: Mapping[str, str] | None = None
) -> AbstractContextManager[Session]:
    arguments = ["run", str(at.drop), DEST, "--state-dir", str(at.state_dir), "--quiet-s", "0.1", "--create-repo"]
    return on_terminal([*arguments, *options], {**at.env, **(env or {})}, at.directory, columns=columns)


def test_run_shows_targets_and_commits_with_the_log_above(hub: LocalHub, at: Place) -> None:
    (at.drop / "a.txt").write_text("a")
    with _run(at) as session:
        terminal = session.terminal
        terminal.shows("watching")
        rows = terminal.shows("ago  1 file, 1 B")
        log = next(number for number, row in enumerate(rows) if "commit.recorded" in row)
        headings = next(number for number, row in enumerate(rows) if row.startswith("target"))
        assert log < headings
        assert hub.head("dataset", "acme/drop")[:7] in "\n".join(rows)
        at.drop.rename(at.directory / "elsewhere")
        rows = terminal.shows("drop    lost")
        assert next(n for n, row in enumerate(rows) if "target.lost" in row) < rows.index("degraded")
        assert sum(row.startswith("target ") for row in rows) == 1, "the picture stands there once"
        terminal.press(CTRL_C)
        assert session.wait() == 0
        terminal.shows("service.stopped")
    assert HIDDEN_CURSOR not in terminal.written
    assert OTHER_SCREEN not in terminal.written


@pytest.mark.parametrize(("options", "env"), [(["--plain"], {}), ([], {"TERM": "dumb"})])
def test_where_no_picture_can_be_there_are_log_lines(
    hub: LocalHub, at: Place, options: list[str], env: dict[str, str]
) -> None:
    (at.drop / "a.txt").write_text("a")
    with _run(at, *options, env=env) as session:
        session.terminal.shows("commit.recorded")
        session.signal(signal.SIGTERM)
        assert session.wait() == 0
        session.terminal.shows("service.stopped")
    assert not PAINTS.search(session.terminal.written)
    assert bool(COLOURS.search(session.terminal.written)) is not bool(env)
    assert hub.head("dataset", "acme/drop")


def test_no_color_is_heeded(at: Place) -> None:
    with _run(at, env={"NO_COLOR": "1"}) as session:
        session.terminal.shows("healthy")
        session.signal(signal.SIGTERM)
        assert session.wait() == 0
    assert PAINTS.search(session.terminal.written)
    assert not COLOURS.search(session.terminal.written)


def test_forty_columns_and_a_resize(at: Place) -> None:
    (at.drop / f"{'long ' * 30}.txt").write_text("a")
    with _run(at, columns=40) as session:
        terminal = session.terminal
        rows = terminal.shows("watching")
        picture = rows[next(n for n, row in enumerate(rows) if row.startswith("target ")) :]
        assert picture[0].split() == ["target", "state", "waiting", "in", "flight"]
        assert max(len(row) for row in picture) < 40
        assert sum(row.startswith("─") for row in rows) == 1, "no row of the picture goes on in the next one"
        terminal.resize(100, 30)
        terminal.shows("quarantine")
        terminal.resize(50, 8)
        eventually(lambda: "quarantine" not in "".join(terminal.rows()), "a narrow picture again")
        terminal.press(CTRL_C)
        assert session.wait() == 0


def test_a_terminal_that_knows_no_utf_8_gets_none(at: Place) -> None:
    drop = at.directory / "d\N{LATIN SMALL LETTER U WITH DIAERESIS}p"
    drop.mkdir()
    (drop / "\N{SNOWMAN}.txt").write_text("a")
    arguments = ["run", str(drop), DEST, "--state-dir", str(at.state_dir), "--create-repo"]
    env = {**at.env, "PYTHONIOENCODING": "ascii:backslashreplace", "PYTHONUTF8": "0"}
    with on_terminal(arguments, env, at.directory) as session:
        rows = session.terminal.shows("ago  1 file")
        assert any(row.startswith("d?p     watching") for row in rows), "a column is as wide as what stands in it"
        session.signal(signal.SIGTERM)
        assert session.wait() == 0
    assert session.terminal.written.isascii()


def test_who_must_leave_at_once_leaves_the_terminal_as_it_was(hub: LocalHub, at: Place) -> None:
    hub.faults.add("/commit/", Fault(hang=True), times=None)
    with _run(at, columns=160) as session:
        session.terminal.shows("watching")
        (at.drop / "a.txt").write_text("a")
        session.terminal.shows("drop: 1 file, 1 B under way")
        session.signal(signal.SIGTERM)
        session.terminal.shows("service.stopping")
        session.signal(signal.SIGTERM)
        assert session.wait() == 1
        session.terminal.shows("second signal, SIGTERM")
    hub.faults.clear()


def test_a_large_file_has_a_bar_the_small_ones_a_number(hub: LocalHub, at: Place) -> None:
    hub.faults.add("/shards", Fault(hang=True), times=None)  # the last that is sent of it
    (at.drop / "big[1].bin").write_bytes(os.urandom(LARGE_BYTES))
    (at.drop / "small.txt").write_text("a")
    with _run(at) as session:
        rows = session.terminal.shows("big[1].bin ")
        assert any("drop: 1 file, 1 B under way" in row for row in rows)
        hub.faults.clear()
        session.terminal.shows("ago  2 files")
        session.signal(signal.SIGTERM)
        assert session.wait() == 0


def test_after_a_reload_the_log_stays_above(at: Place) -> None:
    with _run(at) as session:
        session.terminal.shows("watching")
        session.signal(signal.SIGHUP)
        rows = session.terminal.shows("settings.reloaded")
        eventually(lambda: session.terminal.rows()[-1] == "", "room below")
        assert sum(row.startswith("target ") for row in rows) == 1
        (at.drop / "a.txt").write_text("a")
        rows = session.terminal.shows("ago  1 file")
        assert next(n for n, row in enumerate(rows) if "commit.recorded" in row) < rows.index("healthy")
        assert sum(row.startswith("target ") for row in rows) == 1, "the picture stands there once"
        session.signal(signal.SIGTERM)
        assert session.wait() == 0


def test_sync_shows_how_far_it_is(at: Place) -> None:
    for number in range(20):
        (at.drop / f"{number}.txt").write_text(str(number))
    arguments = ["sync", str(at.drop), DEST, "--state-dir", str(at.state_dir), "--create-repo"]
    with on_terminal(arguments, at.env, at.directory) as session:
        assert session.wait() == 0
        session.terminal.shows("20 of 20 files, 30 B")


def test_push_shows_how_far_it_is_and_says_where_it_is(hub: LocalHub, at: Place) -> None:
    (at.directory / "big.bin").write_bytes(os.urandom(LARGE_BYTES))
    arguments = ["push", "big.bin", "hf://datasets/acme/drop/", "--create-repo"]
    with on_terminal(arguments, at.env, at.directory) as session:
        assert session.wait() == 0
        session.terminal.shows("41.9 MB")
        session.terminal.shows(hub.head("dataset", "acme/drop")[:12])
