"""Repeats: what is not told by itself is told in a number, and the lines stay few whatever comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hf_watch.logs.repeats import FIRST_SUM_S, LONGEST_SUM_S, MOST_REASONS, TOLD_FIRST, Repeats

EVENTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40).map(str), st.floats(0.0, 500.0)), max_size=300
)  # event, reason, seconds since the one before


@given(EVENTS)
def test_every_event_is_told_or_counted(events: list[tuple[str, str, float]]) -> None:
    repeats, now, lines, counted = Repeats(), 0.0, 0, 0
    for event, reason, pause_s in events:
        now += pause_s
        counted += sum(each.count for each in repeats.due(now))
        lines += repeats.tells(event, reason, "path", now)
    counted += sum(each.count for each in repeats.rest())
    assert lines + counted == len(events)
    assert not repeats.rest()
    assert repeats.next_due() is None


def test_ten_thousand_of_a_kind_are_ten_lines_and_a_count() -> None:
    repeats = Repeats()
    told = [repeats.tells("path.busy", "open", str(number), 1.0) for number in range(10_000)]
    assert told.count(True) == TOLD_FIRST == told.index(False)
    assert repeats.due(1.0 + FIRST_SUM_S / 2) == []
    assert repeats.next_due() == 1.0 + FIRST_SUM_S
    [count] = repeats.due(1.0 + FIRST_SUM_S)
    assert (count.count, count.path, count.reason) == (9_990, "9999", "open")


def test_one_a_second_for_a_day_is_a_line_an_hour() -> None:
    repeats = Repeats()
    lines = 0
    for second in range(86_400):
        lines += repeats.tells("path.busy", "open", "path", float(second))
        lines += len(repeats.due(float(second)))
    assert lines <= TOLD_FIRST + 24 + 7


def test_a_reason_of_its_own_each_time_is_bounded_too() -> None:
    repeats = Repeats()
    lines = sum(repeats.tells("path.quarantined", f"reason {number}", "path", 1.0) for number in range(10_000))
    assert lines == MOST_REASONS + TOLD_FIRST
    assert sum(each.count for each in repeats.rest()) == 10_000 - lines


def test_after_an_hour_of_silence_it_is_news_again() -> None:
    repeats = Repeats()
    for number in range(TOLD_FIRST + 5):
        repeats.tells("path.busy", "open", str(number), 1.0)
    repeats.due(1.0 + FIRST_SUM_S)
    assert not repeats.tells("path.busy", "open", "path", LONGEST_SUM_S)
    repeats.rest()
    assert repeats.tells("path.busy", "open", "path", 2 * LONGEST_SUM_S)
