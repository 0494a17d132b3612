"""How long the Hub asked to be left alone, by endpoint, so that a restart is no way around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.ledger.connection import Connection

# The longest that was asked for counts, but not one that was written by a clock which was ahead of today's.
_WAIT = """INSERT INTO wait (endpoint, at_s, until_s) VALUES (?, ?, ?) ON CONFLICT DO UPDATE
  SET at_s = excluded.at_s, until_s = excluded.until_s
  WHERE excluded.until_s > wait.until_s OR excluded.at_s < wait.at_s
"""


class Waits:
    """The table `wait`."""

    def __init__(self, connection: Connection, wall_clock: Callable[[], float]) -> None:
        self._connection = connection
        self._wall_clock = wall_clock

    def note(self, endpoint: str, wait_s: float) -> None:
        """The Hub asked to wait so long from now on."""
        now_s = self._wall_clock()
        with self._connection.transaction() as db:
            db.execute(_WAIT, (endpoint, now_s, now_s + wait_s))

    def left_s(self, endpoint: str) -> float:
        """How much of it is left; never more than was asked for, whatever was done to the clock: nothing then."""
        row = self._connection.row("SELECT at_s, until_s FROM wait WHERE endpoint = ?", (endpoint,))
        now_s = self._wall_clock()
        return float(row[1] - now_s) if row is not None and row[0] <= now_s < row[1] else 0.0

    def forget(self, endpoint: str) -> None:
        """Somebody wants it asked all the same."""
        with self._connection.transaction() as db:
            db.execute("DELETE FROM wait WHERE endpoint = ?", (endpoint,))
