"""How many commits a backlog takes, and how long it takes by the limits set. Pure: the pace itself, played ahead."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.rules.pace import Bucket, CommitSize


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one branch: of each operation, in order, how many bytes travel inside its commit."""

    inside_bytes: Sequence[int]
    size: CommitSize
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """So many commits, the first of them `first_s` from now and the last one `last_s`; the Hub's own time is on top."""

    commits: int
    first_s: float
    last_s: float


class _Branch:
    def __init__(self, backlog: Backlog) -> None:
        self.size = backlog.size
        self._max_bytes = backlog.max_bytes
        self._inside_bytes = deque(backlog.inside_bytes)

    def __bool__(self) -> bool:
        return bool(self._inside_bytes)

    def commit(self) -> int:
        """Take what the next commit takes; how many files."""
        files, held_bytes = 0, 0
        while self._inside_bytes and files < self.size.files:
            held_bytes += self._inside_bytes[0]
            if files and held_bytes > self._max_bytes:
                break
            self._inside_bytes.popleft()
            files += 1
        return files


def forecast(backlogs: Sequence[Backlog], bucket: Bucket, now: float) -> Forecast:
    """What becomes of backlogs that share one budget and take turns, were every commit done at once."""
    waiting = deque(branch for branch in map(_Branch, backlogs) if branch)
    first_s = bucket.wait_s(now) if waiting else 0.0
    commits, at = 0, now
    while waiting:
        branch = waiting.popleft()
        at += bucket.wait_s(at)
        bucket = bucket.spent(at)
        branch.size = branch.size.after(branch.commit(), 0.0, short=bucket.is_low(at))
        commits += 1
        if branch:
            waiting.append(branch)
    return Forecast(commits, first_s, at - now)
