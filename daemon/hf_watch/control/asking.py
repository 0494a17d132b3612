"""The workers, asked: a command waits for its answer a moment, a barrier as long as whoever asked would wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from hf_watch.control import view
from hf_watch.control.choosing import one_of_each_worker
from hf_watch.control.contract import DoneView, FlushView, HeldView, LeftView
from hf_watch.threads.commands import Answer, Barrier, Flush, Left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from hf_watch.control.contract import FlushQuestion
    from hf_watch.control.daemon import Daemon, Steered
    from hf_watch.threads.commands import Command
    from hf_watch.threads.inbox import Inbox

ANSWER_S = 2.0  # what a worker that is not inside a call of the Hub needs is milliseconds
GRACE_S = 2.0  # for a worker to say what is left when a flush's time is up
MOST_REQUESTS = 64  # commands that wait for a worker at a time
UNANSWERED = Answer(left=(Left(0, "", "its worker waits for the Hub, and could not say what is left"),), left_count=1)


class Asking:
    """Requests in the workers' inboxes, few at a time; used on the event loop of the control socket's thread."""

    def __init__(self, daemon: Daemon, answered: Callable[[], None]) -> None:
        self._daemon = daemon
        self._has_answered = answered  # what was known before may be otherwise now
        self._asked = 0

    async def do(self, commands: Sequence[tuple[Steered, Command]]) -> DoneView:
        """Ask the workers. One that is inside a call of the Hub will do it when the call is over."""
        asked = [(each, self._ask(each.inbox, command)) for each, command in commands]
        await asyncio.wait([future for _, future in asked], timeout=ANSWER_S)
        self._has_answered()
        return DoneView(
            targets=tuple(each.name for each, _ in asked),
            paths=sum(future.result().paths for _, future in asked if future.done()),
            pending=tuple(each.name for each, future in asked if not future.done()),
        )

    async def let_go(self) -> FlushView:
        """Ask every worker to let go of what has settled."""
        done = await self.do([(each, Flush()) for each in one_of_each_worker(self._daemon.targets)])
        return FlushView(published=None, paths=done.paths, left=(), left_count=0, held=())

    async def barrier(self, request: Request, question: FlushQuestion) -> FlushView:
        """A barrier for each worker. What a worker does not answer in time counts as not published."""
        timeout_s = question.timeout_s
        barrier = Barrier(None if timeout_s is None else self._daemon.clock() + timeout_s, question.gives_up)
        asked = [(each, self._ask(each.inbox, barrier)) for each in one_of_each_worker(self._daemon.targets)]
        await _any_end(
            asyncio.gather(*(future for _, future in asked)),
            asyncio.ensure_future(_gone(request)),
            timeout_s=None if timeout_s is None else timeout_s + GRACE_S,
        )
        self._has_answered()
        left: list[LeftView] = []
        held: list[HeldView] = []
        count = 0
        for each, future in asked:
            answer = future.result() if future.done() and not future.cancelled() else UNANSWERED
            sharing = self._sharing(each.inbox)
            left.extend(view.left(sharing, answer.left))
            held.extend(view.held(sharing, answer.held))
            count += answer.left_count
        return FlushView(published=not count, paths=0, left=tuple(left), left_count=count, held=tuple(held))

    def _ask(self, inbox: Inbox, command: Command) -> asyncio.Future[Answer]:
        if self._asked >= MOST_REQUESTS:
            raise HTTPException(503, "too many requests wait for a worker already")
        self._asked += 1
        future = asyncio.wrap_future(inbox.ask(command))
        future.add_done_callback(self._answered)
        return future

    def _answered(self, _: asyncio.Future[Answer]) -> None:
        self._asked -= 1

    def _sharing(self, inbox: Inbox) -> Sequence[Steered]:
        return [each for each in self._daemon.targets if each.inbox is inbox]


async def _gone(request: Request) -> None:
    """Return when whoever asked has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _any_end(*futures: asyncio.Future[Any], timeout_s: float | None) -> None:
    """Wait for the first of them to end, at most `timeout_s`, and cancel the others."""
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for future in futures:
        future.cancel()
    await asyncio.wait(futures)
