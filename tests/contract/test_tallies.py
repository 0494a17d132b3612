"""What a status takes from the ledger is not read for each who asks, and nobody is told what is over."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hf_watch.control.tallies import FRESH_S, Tallies
from hf_watch.ledger.ledger import Ledger
from hf_watch.threads.commands import Answer
from tests.seat import ALL_IS_WELL, DESTINATION, Seat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hf_watch.control.client import Client
    from hf_watch.control.tallies import Tally
    from hf_watch.ledger.rows import Root


class Looker:
    """Looks at one ledger, which the test writes, at moments of its own."""

    def __init__(self, directory: Path, ledger: Ledger, root: Root) -> None:
        self.seat = Seat(directory)
        self.ledger = ledger
        self.root = root
        self.now = 100.0
        self.wall_ns = time.time_ns() + 10**12  # no write of a test is a recent one
        self.tallies = Tallies(self.seat.ledger_file, lambda: self.now, lambda: self.wall_ns)
        self.targets = self.seat.daemon().targets

    def look(self) -> Sequence[Tally]:
        return self.tallies.of(self.targets, 0.0)

    def set_aside(self, path: str) -> None:
        self.ledger.quarantine.set_aside(self.root, path, None, "too odd")


@pytest.fixture(name="at")
def _at(tmp_path: Path) -> Iterator[Looker]:
    (tmp_path / "drop").mkdir()
    with Ledger(tmp_path / "ledger.sqlite3") as ledger:  # held open, as a daemon does: its log stays
        root = ledger.roots.of(DESTINATION, str(tmp_path / "drop"), "in")
        yield Looker(tmp_path, ledger, root)


def test_it_counts_until_the_ledger_is_written_to(at: Looker) -> None:
    first = at.look()
    at.now += 3_600.0
    assert at.look() is first
    at.set_aside("a")
    assert at.look()[0].quarantined == 1
    assert at.tallies.of((), 0.0) == []


def test_a_ledger_that_is_written_to_all_the_time_is_not_read_all_the_time(at: Looker) -> None:
    first = at.look()
    at.set_aside("a")
    at.now += 0.9 * FRESH_S
    assert at.look() is first
    at.now += 0.2 * FRESH_S
    second = at.look()
    assert second[0].quarantined == 1
    at.set_aside("b")
    assert at.look() is second
    at.now += FRESH_S
    assert at.look()[0].quarantined == 2


def test_a_ledger_that_was_just_written_to_is_read_again(at: Looker) -> None:
    wal = at.seat.ledger_file.with_name(at.seat.ledger_file.name + "-wal")
    at.wall_ns = wal.stat().st_mtime_ns
    first = at.look()
    at.now += FRESH_S
    assert at.look() is not first


def test_a_commit_is_seen_at_once(at: Looker) -> None:
    first = at.look()
    at.seat.status = replace(ALL_IS_WELL, committed_at=99.0)
    assert at.look() is not first


@contextmanager
def _asked(at: Looker) -> Iterator[Client]:
    """A client of a status that was read right now, and would be good for a while."""
    with at.seat.serving() as client, at.seat.answering(Answer()):
        assert client.status().targets[0].quarantined == 0
        at.set_aside("a")
        yield client


@pytest.mark.parametrize("command", ["pause", "resume", "retry", "confirm_deletes", "flush", "barrier"])
def test_what_a_command_did_is_seen_at_once(at: Looker, command: str) -> None:
    with _asked(at) as client:
        match command:
            case "flush" | "barrier":
                client.flush(wait=command == "barrier", timeout_s=None)
            case _:
                getattr(client, command)("drop")
        assert client.status().targets[0].quarantined == 1
