"""When a path is due: by example, and as laws over every order of hints, looks and times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.model import Change, ChangeKind, Fingerprint, Writers
from hf_watch.rules.quiet import always
from hf_watch.rules.settle import (
    LONGEST_BUSY_WAIT_S,
    TIMESTAMP_TICK_NS,
    TOGETHER_S,
    Settler,
    Waiting,
    is_racy,
    may_read,
)

QUIET_S, MAX_WAIT_S = 1.0, 60.0
ALL = 1_000  # more than any test has waiting
LOOKED = Fingerprint(1, 2, 3, 4)


def settler() -> Settler:
    return Settler(always(QUIET_S), MAX_WAIT_S)


def noted(kind: ChangeKind, *at: float, path: str = "a") -> Settler:
    waiting = settler()
    for each in at:
        waiting.note(Change(path, kind, each))
    return waiting


def taken(waiting: Settler, now: float) -> list[str]:
    return [each.path for each in waiting.take(now, ALL)]


@pytest.mark.parametrize("kind", [ChangeKind.WRITTEN, ChangeKind.CLOSED, ChangeKind.FOUND, ChangeKind.GONE])
def test_a_path_is_due_when_it_was_quiet(kind: ChangeKind) -> None:
    waiting = noted(kind, 10.0)
    assert waiting.next_due() == 11.0
    assert taken(waiting, 10.9) == []
    assert taken(waiting, 11.0) == ["a"]
    assert waiting.next_due() is None


def test_what_came_by_rename_is_due_at_once_even_while_it_settled() -> None:
    assert taken(noted(ChangeKind.ARRIVED, 10.0), 10.0) == ["a"]
    waiting = noted(ChangeKind.WRITTEN, 10.0)
    waiting.note(Change("a", ChangeKind.ARRIVED, 10.2))
    assert taken(waiting, 10.2) == ["a"]


def test_every_write_puts_it_off_until_max_wait() -> None:
    waiting = noted(ChangeKind.WRITTEN, *(10.0 + n / 2 for n in range(100)))
    assert taken(waiting, 10.0 + 49.5) == []
    assert waiting.next_due() == 10.0 + 49.5 + QUIET_S
    waiting = noted(ChangeKind.WRITTEN, *(10.0 + n / 2 for n in range(120)))
    assert waiting.next_due() == 10.0 + MAX_WAIT_S
    assert waiting.oldest() == 10.0


def test_a_chmod_neither_completes_nor_disturbs() -> None:
    waiting = noted(ChangeKind.WRITTEN, 10.0)
    waiting.note(Change("a", ChangeKind.TOUCHED, 10.9))
    assert waiting.next_due() == 11.0
    (found,) = waiting.take(11.0, ALL)
    assert found.kind is ChangeKind.WRITTEN
    assert found.seen_open


def test_a_close_ends_what_was_seen_open() -> None:
    waiting = noted(ChangeKind.WRITTEN, 10.0)
    waiting.note(Change("a", ChangeKind.CLOSED, 10.1))
    (found,) = waiting.take(ALL, ALL)
    assert not found.seen_open
    assert found.changed == 10.1


def test_a_scan_does_not_hide_the_event_before_it() -> None:
    waiting = noted(ChangeKind.WRITTEN, 10.0)
    waiting.note(Change("a", ChangeKind.FOUND, 10.9), LOOKED)
    (found,) = waiting.take(11.0, ALL)
    assert found.kind is ChangeKind.WRITTEN


def test_a_rename_makes_both_ends_due_together_whichever_comes_first() -> None:
    for first, second in ((("old", ChangeKind.GONE), ("new", ChangeKind.ARRIVED)),) * 2:
        for pair in ((first, second), (second, first)):
            waiting = settler()
            for path, kind in pair:
                waiting.note(Change(path, kind, 10.0))
            assert sorted(taken(waiting, 10.0)) == ["new", "old"]


def test_a_delete_long_before_an_arrival_is_not_its_other_end() -> None:
    waiting = noted(ChangeKind.GONE, 10.0, path="old")
    waiting.note(Change("new", ChangeKind.ARRIVED, 10.0 + 2 * TOGETHER_S))
    assert taken(waiting, 10.5) == ["new"]
    waiting.note(Change("other", ChangeKind.GONE, 10.0 + 4 * TOGETHER_S))
    assert taken(waiting, 10.5) == []


def test_an_old_name_that_is_written_again_is_not_hurried() -> None:
    waiting = noted(ChangeKind.GONE, 10.0, path="old")
    waiting.note(Change("old", ChangeKind.WRITTEN, 10.01))
    waiting.note(Change("new", ChangeKind.ARRIVED, 10.02))
    assert taken(waiting, 10.02) == ["new"]


def test_a_busy_path_is_looked_at_less_and_less_often_but_at_least_every_half_minute() -> None:
    waiting = noted(ChangeKind.WRITTEN, 10.0)
    now, waits = 11.0, []
    for _ in range(12):
        (busy,) = waiting.take(now, ALL)
        waiting.look_again(busy, now, LOOKED)
        due = waiting.next_due()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert waits[6:] == [LONGEST_BUSY_WAIT_S] * 6
    assert waiting.take(now, ALL)[0].looked == LOOKED


def test_a_newer_hint_wins_over_what_is_given_back() -> None:
    waiting = noted(ChangeKind.WRITTEN, 10.0)
    (busy,) = waiting.take(11.0, ALL)
    waiting.note(Change("a", ChangeKind.CLOSED, 11.0))
    waiting.look_again(busy, 11.0, LOOKED)
    waiting.put_back(busy, 99.0)
    (found,) = waiting.take(12.0, ALL)
    assert found.kind is ChangeKind.CLOSED


def test_a_path_named_busy_is_not_named_again() -> None:
    waiting = settler()
    waiting.put_back(Waiting("a", ChangeKind.WRITTEN, 10.0, 10.0, 11.0, named=True), 11.0)
    waiting.note(Change("a", ChangeKind.WRITTEN, 10.5))
    assert waiting.take(ALL, ALL)[0].named


def test_the_longest_due_go_first_and_no_more_than_asked_for() -> None:
    waiting = settler()
    for path, at in (("late", 12.0), ("early", 10.0), ("middle", 11.0)):
        waiting.note(Change(path, ChangeKind.CLOSED, at))
    assert [each.path for each in waiting.waits_since(ALL)] == ["early", "middle", "late"]
    assert [each.path for each in waiting.take(20.0, 2)] == ["early", "middle"]
    assert taken(waiting, 20.0) == ["late"]


def test_hurrying_takes_all_but_what_is_being_written() -> None:
    waiting = settler()
    waiting.note(Change("open", ChangeKind.WRITTEN, 10.0))
    waiting.note(Change("closed", ChangeKind.CLOSED, 10.0))
    waiting.hurry(10.1)
    assert taken(waiting, 10.1) == ["closed"]


def test_what_was_put_off_does_not_settle() -> None:
    waiting = noted(ChangeKind.CLOSED, 10.0)
    assert waiting.is_settling()
    (found,) = waiting.take(11.0, ALL)
    assert not waiting.is_settling()
    waiting.look_again(found, 11.0, None)
    assert not waiting.is_settling()


def test_counting_what_is_due_is_left_when_there_cannot_be_enough() -> None:
    waiting = noted(ChangeKind.CLOSED, 10.0)
    waiting.note(Change("b", ChangeKind.CLOSED, 20.0))
    assert waiting.count_due(11.0, 1) == 1
    assert waiting.count_due(11.0, 3) == 0


def test_overdue_counts_from_the_first_hint() -> None:
    waiting = noted(ChangeKind.WRITTEN, 10.0, 60.0)
    (found,) = waiting.take(ALL, ALL)
    assert not waiting.overdue(found, 10.0 + MAX_WAIT_S - 0.1)
    assert waiting.overdue(found, 10.0 + MAX_WAIT_S)


def test_forgetting_forgets_all() -> None:
    waiting = noted(ChangeKind.WRITTEN, 10.0)
    waiting.forget()
    assert not len(waiting)
    assert waiting.next_due() is None
    assert waiting.oldest() is None


@pytest.mark.parametrize(
    ("kind", "seen_open", "writers", "expected"),
    [
        (ChangeKind.WRITTEN, True, Writers.NONE, True),  # the lease knows better than a missing close
        (ChangeKind.CLOSED, False, Writers.SOME, False),
        (ChangeKind.CLOSED, False, Writers.UNKNOWN, True),
        (ChangeKind.WRITTEN, True, Writers.UNKNOWN, False),
        (ChangeKind.ARRIVED, False, Writers.UNKNOWN, True),
        (ChangeKind.FOUND, False, Writers.UNKNOWN, False),  # nobody has seen it twice
    ],
)
def test_what_may_be_read(kind: ChangeKind, seen_open: bool, writers: Writers, expected: bool) -> None:
    assert may_read(Waiting("a", kind, 0.0, 0.0, 1.0, seen_open=seen_open), writers, LOOKED) is expected


def test_what_only_a_scan_found_must_look_the_same_twice() -> None:
    waiting = Waiting("a", ChangeKind.FOUND, 0.0, 0.0, 1.0, looked=LOOKED)
    assert may_read(waiting, Writers.UNKNOWN, LOOKED)
    assert not may_read(waiting, Writers.UNKNOWN, Fingerprint(1, 2, 3, 5))


def test_a_change_within_a_tick_of_the_snapshot_is_racy() -> None:
    assert is_racy(1_000 * TIMESTAMP_TICK_NS, 1_000 * TIMESTAMP_TICK_NS)
    assert is_racy(1_000 * TIMESTAMP_TICK_NS, 1_001 * TIMESTAMP_TICK_NS - 1)
    assert not is_racy(1_000 * TIMESTAMP_TICK_NS, 1_001 * TIMESTAMP_TICK_NS)
    assert not is_racy(1_001 * TIMESTAMP_TICK_NS, 1_000 * TIMESTAMP_TICK_NS)


PATHS = st.sampled_from("abcd")
HINTS = st.tuples(st.just("note"), PATHS, st.sampled_from(ChangeKind))
ACTS = st.tuples(st.sampled_from(["take", "take one", "look again", "put back", "hurry"]), PATHS, st.none())
STEPS = st.lists(st.tuples(HINTS | ACTS, st.sampled_from([0.0, 0.02, 0.4, 1.0, 7.0, 61.0])), max_size=30)


@given(STEPS)
def test_no_path_is_ever_lost_and_none_waits_beyond_its_bound(
    steps: list[tuple[tuple[str, str, ChangeKind | None], float]],
) -> None:
    waiting, now = settler(), 100.0
    expected: set[str] = set()
    out: dict[str, Waiting] = {}
    hinted: dict[str, float] = {}
    for (act, path, kind), pause in steps:
        now += pause
        if kind is not None:
            waiting.note(Change(path, kind, now))
            expected.add(path)
            hinted[path] = now
        elif act in {"take", "take one"}:
            found = waiting.take(now, 1 if act == "take one" else ALL)
            assert all(each.due <= now for each in found)
            assert [each.due for each in found] == sorted(each.due for each in found)
            out |= {each.path: each for each in found}
            expected -= {each.path for each in found}
        elif act == "hurry":
            waiting.hurry(now)
        elif path in out:
            given_back = out.pop(path)
            if act == "look again":
                waiting.look_again(given_back, now, LOOKED)
            else:
                waiting.put_back(given_back, now + 5.0)
            expected.add(path)
            hinted.setdefault(path, now)
        assert {each.path for each in waiting.waits_since(ALL)} == expected
        assert len(waiting) == len(expected)
        if (due := waiting.next_due()) is not None:
            assert due <= now + MAX_WAIT_S
    last = waiting.take(now + MAX_WAIT_S, ALL)
    assert {each.path for each in last} == expected
    assert not len(waiting)


@given(
    st.lists(st.tuples(st.sampled_from([k for k in ChangeKind if k is not ChangeKind.FOUND]), st.floats(0.0, 30.0))),
    st.floats(0.0, 30.0),
    st.floats(0.0, 90.0),
)
def test_a_path_is_due_within_its_two_times(
    hints: list[tuple[ChangeKind, float]], quiet_s: float, more_s: float
) -> None:
    max_wait_s = quiet_s + more_s
    waiting, now = Settler(always(quiet_s), max_wait_s), 0.0
    for kind, pause in hints:
        now += pause
        waiting.note(Change("a", kind, now))
        due, since = waiting.next_due(), waiting.oldest()
        assert due is not None
        assert since == hints[0][1]
        assert due <= max(since + max_wait_s, now)
        assert due <= now + quiet_s


def test_a_path_rewritten_for_ever_takes_no_more_memory() -> None:
    waiting = noted(ChangeKind.WRITTEN, *(n / 1_000 for n in range(2_000)))
    assert len(waiting) == 1
    assert len(waiting._by_due._heap) <= 64 + 4
    for n in range(2_000):
        waiting.note(Change(f"{n % 20}", ChangeKind.WRITTEN, 2.0 + n / 1_000))
    assert sorted(taken(waiting, 9.0)) == sorted(["a", *map(str, range(20))])
