"""How requests reach the Hub: each made once, none without an end, every answer's word on the quota passed on.

The client library's own retries sleep without a cap and hide what happened, its own time-outs are none. What is
installed here holds for the whole process, since the library shares one HTTP client among all its parts.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.utils import hf_raise_for_status

from hf_watch.hub.errors import LONGEST_WAIT_S, NoAnswer, rate_limit
from hf_watch.threads.measured import Asked, QuotaSeen, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.threads.measured import Observe

# Reading must outlast the Hub's own 60 s for a commit, with room for the way there and back.
TIMEOUT: Final = httpx2.Timeout(connect=10.0, read=120.0, write=120.0, pool=30.0)
RETRIED_BY_CLIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
CREATE_PATH: Final = "/api/repos/create"  # the client repeats a 409 from there at once and without end
SENT_AT_A_TIME: Final = 1 << 18  # between two looks at the clock
LIMIT_HEADER: Final = "ratelimit"
API_QUOTA: Final = "api"  # there are others, for downloads and pages

Quota = tuple[int, int | None, float]  # requests left, of how many, seconds until they are all there again


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take: a base for the Hub's part, and the time that its bytes take on a slow line."""

    base_s: float = 180.0  # the longest time-out of one answer and half of it
    slowest_bytes_per_s: float = 100_000.0  # what is slower than this is taken for stuck

    def deadline_s(self, size_bytes: int) -> float:
        """For a call that sends so many bytes."""
        return self.base_s + size_bytes / self.slowest_bytes_per_s


class _Deadline(threading.local):
    """Until when this thread's current call may last, on the monotonic clock; None outside of one."""

    until: float | None = None


_deadline = _Deadline()


@contextmanager
def deadline(duration_s: float) -> Iterator[None]:
    """Let no request of this thread go on beyond `duration_s` from now, however slowly bytes trickle; NoAnswer then."""
    _deadline.until = time.monotonic() + duration_s
    try:
        yield
    finally:
        _deadline.until = None


@contextmanager
def xet_deadline(duration_s: float) -> Iterator[None]:
    """Abort all Xet uploads of the process, which go their own way outside Python, unless this ends in time."""
    timer = threading.Timer(duration_s, _abort_xet)
    timer.name = "deadline"
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def is_overdue() -> bool:
    """Whether this thread's current call has lasted too long."""
    return _deadline.until is not None and time.monotonic() >= _deadline.until


def _abort_xet() -> None:
    from huggingface_hub.utils._xet import abort_xet_session  # noqa: PLC0415  no public name; a test guards it

    abort_xet_session()  # type: ignore[no-untyped-call]


class SingleTry(httpx2.Client):
    """Keeps the client library from retrying: what it would repeat comes out as another error."""

    def __init__(self, on_quota: Callable[[int, int | None, float], None], observe: Observe) -> None:
        super().__init__(timeout=TIMEOUT, follow_redirects=True, event_hooks={"request": list(_request_hooks())})
        self._on_quota = on_quota
        self._observe = observe

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: object) -> httpx2.Response:
        try:
            response = self._answer(request, stream=stream, **options)
        except NoAnswer:
            self._observe(Asked(request.method, None))
            raise
        self._observe(Asked(request.method, response.status_code))
        self._tell_quota(response)
        if response.status_code in RETRIED_BY_CLIENT or _is_repeated_for_ever(request, response):
            response.read()
            hf_raise_for_status(response)
        return response

    def _answer(self, request: httpx2.Request, *, stream: bool, **options: object) -> httpx2.Response:
        request.extensions["timeout"] = _bounded(request.extensions.get("timeout") or {})
        request.stream = _Timely(request.stream)
        try:
            response = super().send(request, stream=True, **options)  # type: ignore[arg-type]
            response.stream = _Timely(response.stream)
            if not stream:
                _read(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise NoAnswer(_reason(error, request), sent=False) from error
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, TimeoutError) as error:
            raise NoAnswer(_reason(error, request), sent=True) from error
        return response

    def _tell_quota(self, response: httpx2.Response) -> None:
        found = rate_limit(response.headers)
        if found is None:
            response.headers.pop(LIMIT_HEADER, None)  # the client would choke on what cannot be understood
        elif found.resource_type == API_QUOTA:
            self._observe(QuotaSeen(found.remaining))
            self._on_quota(found.remaining, found.limit, float(min(found.reset_in_seconds, LONGEST_WAIT_S)))


def _read(response: httpx2.Response) -> None:
    try:
        response.read()
    except BaseException:
        response.close()
        raise


class _Timely(httpx2.SyncByteStream):
    """A body that is not sent, or not read, beyond the deadline; TimeoutError then.

    A time-out of the connection begins anew with every byte; this one does not.
    """

    def __init__(self, inner: httpx2.SyncByteStream | httpx2.AsyncByteStream) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        if not isinstance(self._inner, httpx2.SyncByteStream):
            raise TypeError(self._inner)  # the client is a synchronous one
        for block in self._inner:
            for start in range(0, len(block), SENT_AT_A_TIME):
                if is_overdue():
                    raise TimeoutError("it takes too long")
                yield block[start : start + SENT_AT_A_TIME]

    def close(self) -> None:
        if isinstance(self._inner, httpx2.SyncByteStream):
            self._inner.close()


def _bounded(timeout: dict[str, float | None]) -> dict[str, float]:
    """The time-outs of a request, none of them for ever and none beyond the deadline."""
    usual = TIMEOUT.as_dict()
    left_s = max(_deadline.until - time.monotonic(), 0.001) if _deadline.until is not None else TIMEOUT.read or 0.0
    return {key: min(timeout.get(key) or most or left_s, most or left_s, left_s) for key, most in usual.items()}


def _is_repeated_for_ever(request: httpx2.Request, response: httpx2.Response) -> bool:
    return response.status_code == httpx2.codes.CONFLICT and request.url.path == CREATE_PATH


def _reason(error: Exception, request: httpx2.Request) -> str:
    return f"no answer from {request.url.netloc.decode()}: {str(error) or type(error).__name__}"


def _request_hooks() -> Iterator[Callable[[httpx2.Request], object]]:
    from huggingface_hub.utils._http import hf_request_event_hook  # noqa: PLC0415  trace ids; no public name

    yield hf_request_event_hook


def ignore_quota(_remaining: int, _limit: int | None, _reset_s: float) -> None:
    """For one-off commands."""


def install_client(
    on_quota: Callable[[int, int | None, float], None] = ignore_quota, observe: Observe = ignore
) -> None:
    """Give the client library finite time-outs and no retries of its own; before it makes its first request.

    `on_quota` hears from any thread how many requests the Hub still allows, of how many, and the seconds until all of
    them are there again.
    """
    set_client_factory(lambda: SingleTry(on_quota, observe))
