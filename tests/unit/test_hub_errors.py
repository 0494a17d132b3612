"""What the Hub says of when to come back: its headers, its words, and anything else that may stand there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.errors import (
    AmbiguousError,
    HfWatchError,
    RejectedError,
    RetryableError,
    SourceError,
    UnauthorizedError,
    UnreachableError,
)
from hf_watch.hub.errors import LONGEST_WAIT_S, NoAnswer, Phase, rate_limit, retry_after_s, translate

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
NOW_S = NOW.timestamp()
QUOTA = (
    "You have exceeded the rate limit for repository commits (128 per hour). You can retry this action in about 1 hour."
)
NUMBERS = st.integers().map(str) | st.sampled_from(["9" * 400, "9" * 5_000, "١٢", "1e9", "-1", "0.5", ""])
RATE_LIMITS = st.builds('"{}";r={};t={}'.format, st.text(max_size=3) | st.just("api"), NUMBERS, NUMBERS)
DATES = st.sampled_from(
    ["Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 99 Foo 99999 99:99:99 GMT", "1 Jan 0001 00:00:00 -0000",
     "31 Dec 9999 23:59:59 -2359", "1 Jan 2026 00:00:00 +999999999999", "Mon, , , ", ",", "a b c d e f"]
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["Retry-After", "retry-after", "RateLimit", "ratelimit-policy", "x"]),
        st.text(max_size=10) | NUMBERS | RATE_LIMITS | DATES,
    ),
    st.text(max_size=10) | st.builds("retry in about {} {}s".format, NUMBERS, st.sampled_from(["hour", "day", "week"])),
)
def test_whatever_stands_there_is_a_wait_or_nothing(headers: dict[str, str], message: str) -> None:
    wait_s = retry_after_s(headers, message, NOW_S)
    assert wait_s is None or 0.0 <= wait_s <= LONGEST_WAIT_S


@given(st.integers(0, 86_400))
def test_seconds_and_dates_come_back_as_they_were_meant(wait_s: int) -> None:
    assert retry_after_s({"Retry-After": str(wait_s)}, "", NOW_S) == wait_s
    then = format_datetime(NOW + timedelta(seconds=wait_s), usegmt=True)
    assert retry_after_s({"retry-after": then}, "", NOW_S) == wait_s
    assert retry_after_s({"ratelimit": f'"api";r=0;t={wait_s}'}, "", NOW_S) == wait_s
    assert retry_after_s({}, f"Please retry in {wait_s} seconds.", NOW_S) == wait_s


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (QUOTA, 3_600.0),
        (QUOTA.replace("1 hour.", "12 minutes."), 720.0),
        (QUOTA.replace("1 hour.", "an hour."), 3_600.0),
        (QUOTA.replace("1 hour.", "a minute."), 60.0),
        ("Too many requests, retry later.", 300.0),
        ("Too many requests", None),
        ("in about 3 weeks", None),
    ],
)
def test_the_words_of_the_quota(message: str, expected: float | None) -> None:
    assert retry_after_s({}, message, NOW_S) == expected


def test_the_longest_of_all_that_is_asked_for_counts() -> None:
    headers = {"RateLimit": '"api";r=0;t=55', "Retry-After": "7"}
    assert retry_after_s(headers, "", NOW_S) == 55.0
    assert retry_after_s(headers, QUOTA, NOW_S) == 3_600.0


def test_a_limit_that_is_not_used_up_asks_for_nothing() -> None:
    assert retry_after_s({"RateLimit": '"api";r=12;t=55'}, "", NOW_S) is None
    assert retry_after_s({"RateLimit": '"api";r=12;t=55'}, QUOTA, NOW_S) == 3_600.0


def test_a_date_that_has_passed_is_no_wait() -> None:
    assert retry_after_s({"Retry-After": format_datetime(NOW - timedelta(hours=1), usegmt=True)}, "", NOW_S) == 0.0


@pytest.mark.parametrize("digits", ["9" * 40, "9" * 400, "9" * 5_000])
def test_a_number_beyond_all_sense_is_no_crash(digits: str) -> None:
    for headers in (
        {"RateLimit": f'"api";r=0;t={digits}'},
        {"RateLimit": '"api";r=0;t=5', "RateLimit-Policy": f'"fixed window";"api";q={digits};w=300'},
        {"Retry-After": digits},
    ):
        wait_s = retry_after_s(headers, f"in about {digits} hours", NOW_S)
        assert wait_s in {None, 5.0, LONGEST_WAIT_S}


def test_a_limit_that_cannot_be_understood_is_none() -> None:
    for value in ("", "api", '"api";r=x;t=1', f'"api";r=0;t={"9" * 5_000}'):
        assert rate_limit({"RateLimit": value}) is None
    found = rate_limit({"ratelimit": '"api";r=3;t=7'})
    assert found is not None
    assert (found.resource_type, found.remaining, found.reset_in_seconds) == ("api", 3, 7)


def _hidden(cause: Exception) -> RuntimeError:
    error = RuntimeError("Error while uploading 'x' to the Hub.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (ValueError("Invalid path_in_repo"), RejectedError),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), RejectedError),
        (FileNotFoundError(2, "No such file or directory", "x"), SourceError),
        (OSError(5, "Input/output error"), SourceError),
        (OSError("I/O error: I/O error: Input/output error (os error 5)"), SourceError),
        (PermissionError(13, "Permission denied"), SourceError),
        (_hidden(OSError(5, "Input/output error")), SourceError),
        (OSError(28, "No space left on device"), RetryableError),
        (OSError("I/O error: No space left on device (os error 28)"), RetryableError),
        (OSError(24, "Too many open files"), RetryableError),
        (PermissionError("403 on the token route"), UnauthorizedError),
        (ConnectionError("Network error: HTTP status client error (401 Unauthorized), domain: x"), UnauthorizedError),
        (ConnectionError("Network error: connection refused (os error 111)"), UnreachableError),
        (ConnectionResetError(104, "Connection reset by peer"), UnreachableError),
        (RuntimeError("Operation cancelled: Task cancelled"), UnreachableError),
        (_hidden(NoAnswer("no answer", sent=True)), UnreachableError),
    ],
)
def test_what_the_client_s_own_errors_mean(raised: Exception, error: type[HfWatchError]) -> None:
    assert type(translate(raised, Phase.STAGING)) is error


def test_only_a_commit_that_was_sent_is_unclear() -> None:
    assert type(translate(NoAnswer("", sent=True), Phase.COMMITTING)) is AmbiguousError
    assert type(translate(NoAnswer("", sent=False), Phase.COMMITTING)) is UnreachableError
    assert type(translate(NoAnswer("", sent=True), Phase.READING)) is UnreachableError


@pytest.mark.parametrize("off", [timedelta(), timedelta(days=1), timedelta(days=-1), timedelta(days=30_000)])
def test_a_date_to_wait_for_is_meant_by_the_hub_s_clock(off: timedelta) -> None:
    headers = {
        "Date": format_datetime(NOW, usegmt=True),
        "Retry-After": format_datetime(NOW + timedelta(seconds=90), usegmt=True),
    }
    assert retry_after_s(headers, "", (NOW + off).timestamp()) == 90.0
