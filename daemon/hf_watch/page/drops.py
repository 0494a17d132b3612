"""What became of the files that were dropped on the page: each until its commit is known.

Workers tell on their own threads, and are never kept waiting: what they say of a file that is expected goes into a
queue that the page's thread empties. A dict and a deque are all that is shared; each step on them is one of the
interpreter's.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hf_watch.threads.measured import Published, SetAside, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hf_watch.threads.measured import Measured

Fate = Literal["waiting", "published", "unchanged", "ignored", "quarantined"]
MOST_DROPS = 10_000  # remembered; the oldest are forgotten
Key = tuple[str, str]  # target, path


@dataclass(frozen=True, slots=True)
class Drop:
    """One file; `number` grows with every change of any of them. `reason`: why it is set aside."""

    number: int
    target: str
    path: str
    size_bytes: int
    fate: Fate = "waiting"
    repo_path: str | None = None
    commit: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _News:
    key: Key
    fate: Fate
    repo_path: str | None = None
    commit: str | None = None
    reason: str | None = None


class Drops:
    """The files that were dropped since the start, the newest `most` of them."""

    def __init__(self, most: int = MOST_DROPS) -> None:
        self._most = most
        self._expected: dict[Key, int] = {}  # with their sizes
        self._news: deque[_News] = deque()
        self._drops: OrderedDict[Key, Drop] = OrderedDict()
        self._early: dict[Key, _News] = {}
        self._number = 0

    def observe(self, event: Measured) -> None:
        """A hf_watch.threads.measured.Observe; on any thread."""
        if self._expected:
            self._news.extend(each for each in _news(event, self._expected) if self._is_awaited(each))

    def _is_awaited(self, news: _News) -> bool:
        """Whether it was; it is no more. A quarantined file may still be published, when it is tried again."""
        if news.fate == "quarantined":
            return True
        return self._expected.pop(news.key, None) is not None

    @contextmanager
    def expecting(self, target: str, path: str, size_bytes: int) -> Iterator[None]:
        """Listen for what becomes of a file, from right before it is put where the watch sees it; on any thread.

        A file that is not put there, by an OSError, leaves what was listened for before.
        """
        key = (target, path)
        before = self._expected.get(key)
        self._expected[key] = size_bytes
        try:
            yield
        except OSError:
            self._expected.pop(key, None)
            if before is not None:
                self._expected[key] = before
            raise

    def add(self, target: str, path: str, size_bytes: int) -> Drop:
        """It was put there."""
        key = (target, path)
        drop = self._drops[key] = Drop(self._next(), target, path, size_bytes)
        self._drops.move_to_end(key)
        if key in self._early:
            self._became(drop, self._early.pop(key))
        while len(self._drops) > self._most:
            oldest, _ = self._drops.popitem(last=False)
            self._expected.pop(oldest, None)
        return drop

    def since(self, number: int, limit: int) -> list[Drop]:
        """What changed after `number`, in the order of the changes."""
        self._take_in()
        return sorted((each for each in self._drops.values() if each.number > number), key=_number)[:limit]

    def _take_in(self) -> None:
        while self._news:
            news = self._news.popleft()
            drop = self._drops.get(news.key)
            if drop is None or drop.fate == "published":
                self._early[news.key] = news  # of a file that is being put there: it is added in a moment
            else:
                self._became(drop, news)

    def _became(self, drop: Drop, news: _News) -> None:
        self._drops[news.key] = replace(
            drop, number=self._next(), fate=news.fate, repo_path=news.repo_path, commit=news.commit, reason=news.reason
        )

    def _next(self) -> int:
        self._number += 1
        return self._number


def _number(drop: Drop) -> int:
    return drop.number


def _news(event: Measured, expected: dict[Key, int]) -> Iterator[_News]:
    match event:
        case Published():
            for each in event.deliveries:
                key = (each.target, each.path)
                if expected.get(key) == each.size_bytes and not each.is_delete:
                    yield _News(key, "published", each.repo_path, event.commit)
        case Skipped() if (event.target, event.path) in expected:
            fate: Fate = "unchanged" if event.reason == "unchanged" else "ignored"
            yield _News((event.target, event.path), fate, event.repo_path)
        case SetAside() if (event.target, event.path) in expected:
            yield _News((event.target, event.path), "quarantined", reason=event.reason)
        case _:
            pass
