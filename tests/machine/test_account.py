"""What the workers of one account share: turns, the Hub's word, and who asks while it does not answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hf_watch.pacing.budget import TURN_KEPT_S, Budget
from hf_watch.pacing.outage import Outage
from hf_watch.rules.pace import (
    FAST_COMMIT_S,
    LONGEST_BACKOFF_S,
    SLOW_COMMIT_S,
    SMALLEST_COMMIT,
    CommitSize,
    Throttle,
    full_bucket,
)
from tests.engine import Clock


def _budget(clock: Clock, per_hour: float = 60.0, burst: float = 2.0) -> Budget:
    return Budget(full_bucket(per_hour, burst, clock()), Throttle(0.0), clock)


def test_who_asks_first_goes_first_and_who_has_gone_waits_behind_the_others() -> None:
    clock = Clock()
    budget = _budget(clock, burst=1.0)
    assert budget.commit_wait_s("a") == 0.0
    assert budget.commit_wait_s("b") == 60.0
    budget.spend("a")
    assert budget.commit_wait_s("b") == 60.0
    assert budget.commit_wait_s("a") == 120.0
    clock.now += 60.0
    assert budget.commit_wait_s("a") == 60.0
    assert budget.commit_wait_s("b") == 0.0


def test_a_turn_that_nobody_comes_back_for_is_given_up() -> None:
    clock = Clock()
    budget = _budget(clock, burst=1.0)
    budget.commit_wait_s("gone")
    assert budget.commit_wait_s("b") == 60.0
    clock.now += TURN_KEPT_S + 1.0
    assert budget.commit_wait_s("b") == 0.0


@given(st.lists(st.sampled_from("abc"), min_size=30, max_size=60), st.floats(1.0, 30.0))
def test_turns_are_fair_whoever_asks_how_often(askers: list[str], step_s: float) -> None:
    clock = Clock()
    budget = _budget(clock, burst=1.0)
    made: list[str] = []
    for who in askers * 20:
        clock.now += step_s / len(askers)
        for each in "abc":  # all of them always want to
            wait_s = budget.commit_wait_s(each)
            if each == who and wait_s == 0.0:
                budget.spend(each)
                made.append(each)
    for first, second, third in zip(made, made[1:], made[2:], strict=False):
        assert {first, second, third} == set("abc")


def test_what_the_hub_asks_to_wait_holds_everybody_from_every_request() -> None:
    clock = Clock()
    budget = _budget(clock)
    budget.hold(100.0)
    budget.hold(10.0)
    assert budget.request_wait_s() == 100.0
    assert budget.commit_wait_s("a") == 100.0


def test_what_the_hub_asked_an_earlier_process_holds_too_until_a_person_insists() -> None:
    clock = Clock()
    budget = _budget(clock)
    budget.restore([], 100.0)
    assert (budget.request_wait_s(), budget.commit_wait_s("a")) == (100.0, 100.0)
    budget.hold(10.0)
    budget.insist()
    assert (budget.request_wait_s(), budget.commit_wait_s("a")) == (10.0, 10.0)


def test_the_last_of_the_hub_s_quota_of_requests_is_kept_for_what_is_under_way() -> None:
    clock = Clock()
    budget = _budget(clock)
    budget.see_quota(51, 1_000, 200.0)
    assert budget.request_wait_s() == 0.0
    budget.see_quota(50, 1_000, 200.0)
    assert budget.request_wait_s() == 200.0
    small = _budget(clock)
    small.see_quota(11, 100, 200.0)
    assert small.request_wait_s() == 0.0
    small.see_quota(10, 100, 200.0)
    assert small.request_wait_s() == 200.0


def _outage(clock: Clock) -> Outage:
    return Outage(clock, lambda: 0.5)


def test_while_the_hub_does_not_answer_one_asks_for_all() -> None:
    clock = Clock()
    outage = _outage(clock)
    woken: list[str] = []
    outage.on_end(lambda: woken.append("a"))
    assert outage.take_turn()
    assert outage.take_turn()
    outage.began(clock())
    assert outage.is_known
    assert not outage.take_turn()
    clock.now += outage.wait_s()
    assert outage.take_turn()
    assert not outage.take_turn()
    assert not woken
    outage.ended()
    assert woken == ["a"]
    assert outage.take_turn()
    outage.ended()
    assert woken == ["a"]


def test_an_outage_of_a_day_costs_a_request_a_minute_and_ends_within_a_minute() -> None:
    clock = Clock()
    outage = _outage(clock)
    outage.began(clock())
    asked: list[float] = []
    end = clock() + 86_400.0
    while clock() < end:
        for _worker in range(3):
            if outage.take_turn():
                asked.append(clock())
                outage.began(clock())
        clock.now += 0.5
    assert len(asked) <= 86_400 / 60 + 10
    assert outage.wait_s() <= LONGEST_BACKOFF_S


def test_the_one_who_asks_may_die_and_another_one_takes_over() -> None:
    clock = Clock()
    outage = _outage(clock)
    outage.began(clock())
    clock.now += outage.wait_s()
    assert outage.take_turn()
    clock.now += LONGEST_BACKOFF_S
    assert outage.take_turn()


def test_commits_grow_step_by_step_while_they_run_short_and_shrink_when_slow() -> None:
    size = CommitSize(1_000, 5_000, 1_000)
    assert size.after(1_000, 2.0, short=False).files == 1_000
    assert size.after(999, 2.0, short=True).files == 1_000
    for files in (2_000, 4_000, 5_000, 5_000):
        size = size.after(size.files, FAST_COMMIT_S, short=True)
        assert size.files == files
    assert size.after(5_000, FAST_COMMIT_S + 1.0, short=True).files == 5_000
    assert size.after(5_000, SLOW_COMMIT_S + 1.0, short=True).files == 2_500
    assert size.after(10, 1.0, short=False).files == 1_000
    for _ in range(20):
        size = size.smaller()
    assert size.files == SMALLEST_COMMIT
    assert size.after(50, 1.0, short=False).files == 100


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.booleans(), st.booleans())), st.integers(1, 25_000))
def test_a_commit_is_never_larger_than_allowed_nor_empty(commits: list[tuple[float, bool, bool]], usual: int) -> None:
    size = CommitSize(usual, max(usual, 5_000), usual)
    for duration_s, short, went in commits:
        size = size.after(size.files, duration_s, short=short) if went else size.smaller()
        assert min(usual, SMALLEST_COMMIT) <= size.files <= max(usual, 5_000)
