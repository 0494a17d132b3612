"""The laws of pace: a budget that is never overdrawn, waits that are bounded, a rate that holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.rules.pace import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, Throttle, backoff_s, full_bucket

PER_HOUR, BURST = st.floats(0.1, 10_000.0), st.floats(1.0, 100.0)
PAUSES = st.lists(st.floats(0.0, 4_000.0), max_size=20)
UNIT = st.floats(0.0, 1.0, exclude_max=True)
NEXT_TO_NOTHING_S = 1e-6  # what rounding leaves of a wait


@given(PER_HOUR, BURST, PAUSES)
def test_a_bucket_never_holds_more_than_its_burst(per_hour: float, burst: float, pauses: list[float]) -> None:
    now, bucket = 0.0, full_bucket(per_hour, burst, 0.0)
    for pause in pauses:
        now += pause
        bucket = bucket.spent(now)
        assert bucket.tokens <= burst - 1.0
        assert bucket.now(now + pause).tokens <= burst


@given(PER_HOUR, BURST, PAUSES)
def test_whoever_waits_as_told_is_let_go_and_no_hour_has_more_than_its_commits(
    per_hour: float, burst: float, pauses: list[float]
) -> None:
    now, bucket, commits = 0.0, full_bucket(per_hour, burst, 0.0), 0
    for pause in pauses:
        now += pause
        now += bucket.wait_s(now)
        assert bucket.wait_s(now) < NEXT_TO_NOTHING_S
        bucket, commits = bucket.spent(now), commits + 1
        assert bucket.tokens > -NEXT_TO_NOTHING_S
        assert commits <= burst + now * per_hour / 3_600.0 + NEXT_TO_NOTHING_S


def test_a_burst_goes_at_once_and_then_one_after_another() -> None:
    bucket = full_bucket(100.0, 25.0, 0.0)
    for _ in range(25):
        assert bucket.wait_s(0.0) == 0.0
        bucket = bucket.spent(0.0)
    assert bucket.wait_s(0.0) == 36.0
    assert bucket.wait_s(30.0) == pytest.approx(6.0)


def test_what_was_spent_beyond_the_budget_is_paid_back_first() -> None:
    bucket = full_bucket(60.0, 1.0, 0.0).spent(0.0).spent(0.0)
    assert bucket.wait_s(0.0) == 120.0


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    bucket = full_bucket(60.0, 2.0, 100.0).spent(100.0)
    assert bucket.now(50.0).tokens == 1.0
    assert bucket.spent(50.0).now(100.0).tokens == 0.0


def test_no_budget_no_wait() -> None:
    bucket = full_bucket(0.0, 1.0, 0.0)
    for _ in range(1_000):
        bucket = bucket.spent(0.0)
    assert bucket.wait_s(0.0) == 0.0
    assert bucket.gather_s(0.0) == 0.0


@given(PER_HOUR, BURST, st.integers(0, 200))
def test_the_emptier_the_budget_the_longer_files_are_gathered(per_hour: float, burst: float, commits: int) -> None:
    bucket = full_bucket(per_hour, burst, 0.0)
    assert bucket.gather_s(0.0) == 0.0
    before = 0.0
    for _ in range(commits):
        bucket = bucket.spent(0.0)
        assert before <= bucket.gather_s(0.0) <= 3_600.0 / per_hour
        before = bucket.gather_s(0.0)


@given(st.integers(1, 10_000), UNIT, st.none() | st.floats(0.0, 86_400.0))
def test_a_backoff_stays_within_its_bounds(attempt: int, unit_random: float, asked_s: float | None) -> None:
    wait_s = backoff_s(attempt, unit_random, asked_s)
    assert wait_s >= FIRST_BACKOFF_S / 2
    if asked_s is None:
        assert wait_s <= LONGEST_BACKOFF_S
    else:
        assert asked_s <= wait_s <= max(LONGEST_BACKOFF_S, asked_s + 1.0)


@given(st.lists(UNIT, min_size=9, max_size=9), st.floats(0.0, 60.0))
def test_the_end_of_an_outage_of_a_minute_is_found_within_half_of_one(chance: list[float], lasts_s: float) -> None:
    asked_at, attempt = 0.0, 0
    while asked_at < lasts_s:
        asked_at += backoff_s(attempt + 1, chance[attempt])
        attempt += 1
    assert asked_at - lasts_s <= 32.0


@given(st.lists(UNIT, min_size=8, max_size=8))
def test_an_outage_costs_nine_requests_in_two_minutes_and_one_a_minute_then(chance: list[float]) -> None:
    first = [backoff_s(attempt, unit_random) for attempt, unit_random in enumerate(chance, 1)]  # after each of eight
    assert max(first) < LONGEST_BACKOFF_S
    assert sum(first) <= 127.0
    assert {backoff_s(attempt, chance[0]) for attempt in range(9, 1_000)} == {LONGEST_BACKOFF_S}


def test_backoff_doubles_and_spreads() -> None:
    waits_s = [backoff_s(attempt, 0.0) for attempt in range(1, 12)]
    assert waits_s == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0, 60.0, 60.0, 60.0]
    assert backoff_s(3, 0.5) == 3.0
    assert backoff_s(1, 0.5, 3_600.0) == 3_600.5


@given(st.floats(1.0, 1e9), st.lists(st.tuples(st.integers(0, 1 << 30), st.floats(0.0, 100.0)), max_size=20))
def test_the_average_rate_holds(bytes_per_s: float, sendings: list[tuple[int, float]]) -> None:
    now, throttle, sent = 0.0, Throttle(bytes_per_s), 0
    for size_bytes, pause in sendings:
        now += pause
        now += throttle.wait_s(now)
        assert sent <= bytes_per_s * now * (1 + 1e-9) + 1.0
        throttle, sent = throttle.sent(size_bytes, now), sent + size_bytes


def test_what_goes_out_together_is_waited_for_together() -> None:
    assert Throttle(10.0).sent(100, 5.0).sent(100, 5.0).wait_s(5.0) == 20.0


def test_no_rate_no_wait() -> None:
    assert Throttle(0.0).sent(1 << 40, 0.0).wait_s(0.0) == 0.0
