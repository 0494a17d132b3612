"""Where the watches' threads leave hints, and the control socket's requests, for a worker: what threads share.

Bounded: a storm of paths collapses to their directories, a storm of directories to the root, so that no burst, however
long the worker is busy, takes more memory than `most_paths` hints. What collapses becomes a Gap, which the worker
answers with a scan; nothing is lost, some precision is.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.paths import parent
from hf_watch.threads.commands import Request

if TYPE_CHECKING:
    from hf_watch.threads.commands import Answer, Command

COLLAPSED = "too many changes at once"


@dataclass(frozen=True, slots=True)
class Hints:
    """What one root's watch said since the last look."""

    changes: tuple[Change, ...]
    gaps: tuple[Gap, ...]


@dataclass(slots=True)
class _Dirty:
    changes: dict[str, Change] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)


class Inbox:
    """Hints by target, merged by path. `put` never blocks; `take` waits."""

    def __init__(self, most_paths: int = 20_000, most_gaps: int = 1_000) -> None:
        self._most_paths = most_paths
        self._most_gaps = most_gaps
        self._dirty: dict[int, _Dirty] = {}
        self._arrived = threading.Condition()
        self._woken = False
        self._requests: list[Request] = []

    def sink(self, target: int) -> TargetSink:
        """The end of the inbox that one target's watch writes to."""
        return TargetSink(self, target)

    def put(self, target: int, hint: Change | Gap) -> None:
        """Leave a hint; the latest one of a path counts, but its metadata never hides its content."""
        with self._arrived:
            dirty = self._dirty.setdefault(target, _Dirty())
            if isinstance(hint, Gap):
                dirty.gaps[hint.path] = hint
            elif hint.kind is not ChangeKind.TOUCHED or hint.path not in dirty.changes:
                dirty.changes[hint.path] = hint
            self._collapse(dirty)
            self._arrived.notify()

    def wake(self) -> None:
        """Make the current or the next `take` return at once."""
        with self._arrived:
            self._woken = True
            self._arrived.notify()

    def ask(self, command: Command) -> Future[Answer]:
        """Ask the worker to do something at its next turn; how many are asked at a time is for the caller to bound."""
        request = Request(command, Future())
        with self._arrived:
            self._requests.append(request)
            self._arrived.notify()
        return request.future

    def requests(self) -> list[Request]:
        """What was asked since the last look; never waits."""
        with self._arrived:
            asked, self._requests = self._requests, []
        return asked

    def take(self, timeout_s: float | None) -> dict[int, Hints]:
        """All hints by target; waits up to `timeout_s` for the first one, for ever when that is None."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._dirty or self._woken or self._requests, timeout_s)
            self._woken = False
            dirty, self._dirty = self._dirty, {}
        return {
            target: Hints(tuple(found.changes.values()), tuple(found.gaps.values())) for target, found in dirty.items()
        }

    def _collapse(self, dirty: _Dirty) -> None:
        if len(dirty.changes) > self._most_paths:
            for change in dirty.changes.values():
                place = parent(change.path)
                dirty.gaps.setdefault(place, Gap(place, COLLAPSED, change.at))
            dirty.changes.clear()
        if len(dirty.gaps) > self._most_gaps:
            latest = max(gap.at for gap in dirty.gaps.values())
            dirty.gaps = {"": Gap("", COLLAPSED, latest)}


@dataclass(frozen=True, slots=True)
class TargetSink:
    """The ports.Sink of one target."""

    inbox: Inbox
    target: int

    def put(self, hint: Change | Gap) -> None:
        self.inbox.put(self.target, hint)
