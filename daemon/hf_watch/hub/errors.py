"""What the Hub and its client can raise → which of our errors, in one table. Only the Hub's adapter asks.

Source: huggingface_hub 2.4.0 and what it is answered; docs/decisions holds the reasons where they are not obvious.
"""

from __future__ import annotations

import errno
import re
import time
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

import httpx2
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
)
from huggingface_hub.utils import parse_ratelimit_headers

from hf_watch.errors import (
    AmbiguousError,
    HubError,
    MissingContentError,
    MissingEntryError,
    MissingRepoError,
    MovedError,
    RejectedError,
    RetryableError,
    SourceError,
    TooLargeError,
    UnauthorizedError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from huggingface_hub.utils import RateLimitInfo

    from hf_watch.errors import HfWatchError

LONGEST_WAIT_S = 24 * 3600.0  # what a Hub asks for beyond a day is taken for a mistake
SHOWN_CHARS = 500  # of the Hub's own words in a log line

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM})

POINTER_TO_NOTHING = "pointer pointed to a file that does not exist"  # a commit's 400 for content that never arrived
# What the content store refuses for good; Xet's own words. A shard may name only what is there.
REFUSED_BY_STORE = re.compile(
    r"HTTP status client error \((?!401|403|408|429)\d+ [^)]*\), domain: \S*/v\d+/(?:shards|xorbs)\b"
)

CLIENT_ERRORS = (httpx2.HTTPError, OSError, ValueError, RuntimeError)
"""All that a call of the client can raise for reasons outside this process; HfHubHTTPError is an OSError."""


class Phase(Enum):
    """What the call was about to do: only one that changes the branch can have an ambiguous outcome."""

    READING = "reading"
    STAGING = "staging"
    COMMITTING = "committing"


class NoAnswer(httpx2.HTTPError):
    """A request that got no answer. `sent` is False when it certainly never left."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


STATUS_CLASSES: dict[int, type[HubError]] = {
    400: RejectedError,
    401: UnauthorizedError,
    402: UnauthorizedError,
    403: UnauthorizedError,
    404: MissingRepoError,
    409: MovedError,  # another commit is in progress
    412: MovedError,  # a commit has happened since
    413: TooLargeError,
    422: RejectedError,
    429: RetryableError,
}


def translate(error: BaseException, phase: Phase) -> HfWatchError:
    """Our error for one that a call of the client raised: a HubError, or SourceError for an unreadable file."""
    text = _text(error)
    if isinstance(error, HfHubHTTPError):
        return _from_response(error, text, phase)
    if isinstance(error, NoAnswer):
        return AmbiguousError(text) if phase is Phase.COMMITTING and error.sent else UnreachableError(text)
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return translate(error.__cause__, phase)  # the LFS upload hides the real error behind its own
    return _from_builtin(error, text)


def _from_builtin(error: BaseException, text: str) -> HfWatchError:
    if isinstance(error, OSError) and (number := _errno(error)) is not None:
        return _from_this_machine(number, text)
    if isinstance(error, PermissionError) or _says_unauthorized(text):
        return UnauthorizedError(text)
    if REFUSED_BY_STORE.search(text):
        return MissingContentError(text)
    if isinstance(error, ValueError):
        return RejectedError(text)
    return UnreachableError(text)  # Xet's builtin errors: the way to the content store; nothing is committed there


def _from_response(error: HfHubHTTPError, text: str, phase: Phase) -> HubError:
    status = error.response.status_code
    if isinstance(error, (GatedRepoError, DisabledRepoError)):
        return UnauthorizedError(text)
    if isinstance(error, RemoteEntryNotFoundError):
        return MissingEntryError(text)
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        return RetryableError(text, retry_after_s(error.response.headers, text, time.time()))
    if known := STATUS_CLASSES.get(status):
        return _definite(known, error, text)
    if status == httpx2.codes.REQUEST_TIMEOUT or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return _unclear(error, text, phase)
    return RejectedError(text)


def _definite(known: type[HubError], error: HfHubHTTPError, text: str) -> HubError:
    if known is RejectedError and POINTER_TO_NOTHING in text:
        return MissingContentError(text)
    return MovedError(text, _header_wait_s(error)) if known is MovedError else known(text)


def _unclear(error: HfHubHTTPError, text: str, phase: Phase) -> HubError:
    known = AmbiguousError if phase is Phase.COMMITTING else UnreachableError
    return known(text, _header_wait_s(error))


def _header_wait_s(error: HfHubHTTPError) -> float | None:
    return retry_after_s(error.response.headers, "", time.time())


def _errno(error: OSError) -> int | None:
    """The number of an error of this machine's own; None for what the network made of it.

    Xet's errors carry none; where a file is the reason, its text ends in `(os error 5)`.
    """
    if isinstance(error, ConnectionError):
        return None
    if error.errno is not None:
        return error.errno
    found = re.search(r"\(os error (\d{1,5})\)", str(error), re.ASCII)
    return int(found[1]) if found else None


def _from_this_machine(number: int, text: str) -> HfWatchError:
    """A file that cannot be read; a full disk, where Xet keeps its cache, is nobody's fault and passes."""
    return RetryableError(text) if number in FULL_ERRNOS else SourceError(text)


def _says_unauthorized(text: str) -> bool:
    """Xet's token route raises a builtin ConnectionError with the status in its text only."""
    return bool(re.search(r"HTTP status client error \((401|403) ", text))


def _text(error: BaseException) -> str:
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        words = error.server_message or error.response.headers.get("X-Error-Message") or error.response.reason_phrase
        return f"{status}: {' '.join(str(words).split())}"[:SHOWN_CHARS]
    return (" ".join(str(error).split()) or type(error).__name__)[:SHOWN_CHARS]


def retry_after_s(headers: Mapping[str, str], message: str, now_s: float) -> float | None:
    """How long the Hub asks to wait, in seconds from `now_s` (wall clock); None when it does not say.

    The largest of the RateLimit header, if that limit is used up; Retry-After, as seconds or as a date; and the words
    of the commit quota, "retry this action in about 1 hour", which carries headers of a limit that is not used up.
    """
    waits = [
        _worded_s(message),
        _header_s(_header(headers, "retry-after"), _answered_at_s(headers, now_s)),
        _limit_s(headers),
    ]
    known = [wait for wait in waits if wait is not None]
    return min(max(known), LONGEST_WAIT_S) if known else None


def rate_limit(headers: Mapping[str, str]) -> RateLimitInfo | None:
    """What the RateLimit headers say of the quota; None when they say nothing that can be understood."""
    try:
        return parse_ratelimit_headers(headers)
    except ValueError:  # a number of thousands of digits
        return None


def _limit_s(headers: Mapping[str, str]) -> float | None:
    limit = rate_limit(headers)
    if limit is None or limit.remaining:
        return None
    return float(min(limit.reset_in_seconds, LONGEST_WAIT_S))


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "").strip()


def _answered_at_s(headers: Mapping[str, str], now_s: float) -> float:
    """When the Hub answered by its own clock, which its dates are meant by; the clock here may be a day off."""
    answered_at_s = _date_s(_header(headers, "date"))
    return now_s if answered_at_s is None else answered_at_s


def _date_s(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None


def _header_s(value: str, now_s: float) -> float | None:
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return float(value)
    date_s = _date_s(value)
    return None if date_s is None else max(0.0, date_s - now_s)


_UNITS_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


def _worded_s(message: str) -> float | None:
    """`in about 1 hour`, `in about 12 minutes`; `retry later` without a time counts as 5 minutes."""
    found = re.search(r"\bin (?:about )?(\d{1,6}|an?) (second|minute|hour|day)s?\b", message, re.ASCII)
    if found:
        count = float(found[1]) if found[1].isdigit() else 1.0
        return count * _UNITS_S[found[2]]
    return 300.0 if "retry later" in message else None
