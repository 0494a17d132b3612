"""What a worker can be asked to do while it runs, and what it answers.

A request lies in the worker's inbox until its next turn; the answer comes through a future, which whoever asks may wait
for or drop. A target is named by its index among those of the destination.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hf_watch.errors import HfWatchError


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on watching a target, and publish nothing of it."""

    target: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Publish a paused target again."""

    target: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Take a path, or all below a directory (`""`: the root), out of quarantine, and try it again at once."""

    target: int
    path: str


@dataclass(frozen=True, slots=True)
class ConfirmDeletes:
    """Let the deletes of a target go that are held back, and no others."""

    target: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Let what waits and is not being written go at once."""


@dataclass(frozen=True, slots=True)
class Barrier:
    """Answer when all that is on disk by now is on the Hub, or at `until` on the worker's clock (None: never).

    With `gives_up` it is answered, too, once only a person can help: the directory stays missing, or the Hub refuses.
    """

    until: float | None
    gives_up: bool = False


Command = Pause | Resume | Retry | ConfirmDeletes | Flush | Barrier


@dataclass(frozen=True, slots=True)
class Left:
    """A path that is on disk and not on the Hub."""

    target: int
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """So many `deletes` of a target, one of them of `example`, wait for a person."""

    target: int
    deletes: int
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How many paths a command concerned and, for a barrier, what is not on the Hub: `left_count` in all.

    `held` is no part of it: a file that is gone is not on disk.
    """

    paths: int = 0
    left: tuple[Left, ...] = ()
    left_count: int = 0
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A command on its way to a worker."""

    command: Command
    future: Future[Answer] = field(repr=False)

    def is_over(self) -> bool:
        """Whether nobody waits for an answer any more: it was given, or is not wanted."""
        return self.future.done()

    def answer(self, answer: Answer) -> None:
        """Give the answer, once; called by the worker."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(answer)

    def refuse(self, error: HfWatchError) -> None:
        """Say why it cannot be done, instead of an answer."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
