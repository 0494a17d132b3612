"""Requests wake a worker, come once, and need nobody to wait for their answer."""

from __future__ import annotations

import threading

from hf_watch.threads.commands import Answer, Flush, Pause
from hf_watch.threads.inbox import Inbox


def test_a_request_ends_the_wait_and_is_handed_out_once() -> None:
    inbox = Inbox()
    asker = threading.Timer(0.0, inbox.ask, [Flush()])
    asker.start()
    assert inbox.take(None) == {}
    asker.join()
    assert [request.command for request in inbox.requests()] == [Flush()]
    assert inbox.requests() == []


def test_an_answer_reaches_whoever_asked() -> None:
    inbox = Inbox()
    future = inbox.ask(Pause(0))
    [request] = inbox.requests()
    request.answer(Answer(3))
    assert future.result(0) == Answer(3)


def test_an_answer_that_nobody_waits_for_any_more_is_over() -> None:
    inbox = Inbox()
    future = inbox.ask(Flush())
    [request] = inbox.requests()
    assert not request.is_over()
    assert future.cancel()
    assert request.is_over()
    request.answer(Answer(3))
