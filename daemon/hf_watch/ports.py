"""What the worker asks of the outside. Each Protocol's docstring is its contract; tests/contract holds the adapters to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.model import Change, Gap


class Sink(Protocol):
    """Where a watch puts what it sees. Called from the watch's threads; never blocks, never raises."""

    def put(self, hint: Change | Gap) -> None: ...


class Watch(Protocol):
    """One watched root.

    `start` returns once a watch stands on the root and on every directory below it that can have one, so that what
    changes afterwards is hinted; it scans nothing for the caller. What it cannot know it says as a Gap. It raises
    SourceError when the root cannot be watched or listed at all. After `stop` no hint comes any more and its threads
    are joined; it may be started again.
    """

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def is_alive(self) -> bool:
        """Whether its threads run; False before `start` and after a crash."""

    def polled(self) -> Sequence[str]:
        """Relative directories whose changes the kernel does not report, `""` for the whole root: to be scanned often."""
