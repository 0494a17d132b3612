"""How long files hold still, by their size: which step counts, and when a path of a size is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.model import Change, ChangeKind, Fingerprint
from hf_watch.rules.grouping import GroupSettler
from hf_watch.rules.quiet import Quiet, always, by_size
from hf_watch.rules.settle import Settler

MAX_WAIT_S = 60.0
GIB = 1 << 30
STEPS = {0: 1.0, GIB: 30.0}
SIZES = st.integers(0, 1 << 40)
KINDS = st.sampled_from([ChangeKind.WRITTEN, ChangeKind.CLOSED])
SECONDS = st.floats(0, MAX_WAIT_S)
TABLES = st.dictionaries(SIZES, SECONDS).map(lambda table: table | {0: 1.0})


@given(table=TABLES, size=SIZES)
def test_the_step_that_counts_is_the_last_one_that_is_not_larger_than_the_file(
    table: dict[int, float], size: int
) -> None:
    quiet = by_size(table)
    begins = max(each for each in table if each <= size)
    assert quiet.step(size) == (begins, table[begins])
    assert quiet.shortest_s <= quiet.of(size) <= quiet.longest_s


@pytest.mark.parametrize("table", [{}, {1: 1.0}])
def test_a_table_that_says_nothing_of_the_smallest_files_is_refused(table: dict[int, float]) -> None:
    with pytest.raises(ValueError, match='"0" bytes'):
        by_size(table)


@given(
    table=TABLES,
    size=SIZES,
    hints=st.lists(
        st.tuples(st.sampled_from([ChangeKind.WRITTEN, ChangeKind.CLOSED]), SECONDS), min_size=1, max_size=8
    ),
)
def test_a_path_is_published_when_files_of_its_size_were_quiet_and_no_later_than_max_wait(
    table: dict[int, float], size: int, hints: list[tuple[ChangeKind, float]]
) -> None:
    settler, now = Settler(by_size(table), MAX_WAIT_S), 0.0
    first = hints[0][1]
    for kind, pause_s in hints:
        now += pause_s
        settler.note(Change("a", kind, now))
    came = _published_at(settler, size)
    expected = min(now + by_size(table).of(size), first + MAX_WAIT_S)
    assert came == max(expected, settler_due(table, first, now))


def settler_due(table: dict[int, float], first: float, latest: float) -> float:
    """When the path is looked at first: nothing is known of its size before."""
    return max(min(latest + by_size(table).shortest_s, first + MAX_WAIT_S), latest)


def _published_at(settler: Settler, size: int) -> float:
    for _ in range(3):
        due = settler.next_due()
        assert due is not None
        (waiting,) = settler.take(due, 1)
        if not settler.is_early(waiting, size, due):
            return due
    raise AssertionError("it was given back again and again")


def test_a_size_that_a_scan_saw_counts_from_the_start() -> None:
    settler = Settler(by_size(STEPS), MAX_WAIT_S)
    settler.note(Change("a", ChangeKind.FOUND, 10.0), Fingerprint(1, GIB, 2, 3))
    assert settler.next_due() == 40.0


def test_what_came_by_rename_or_was_asked_for_is_not_waited_for_however_large() -> None:
    settler = Settler(by_size(STEPS), MAX_WAIT_S)
    settler.note(Change("renamed", ChangeKind.ARRIVED, 10.0))
    settler.note(Change("asked for", ChangeKind.CLOSED, 10.0))
    assert settler.hurry(10.0) == 2
    assert [settler.is_early(each, GIB, 10.0) for each in settler.take(10.0, 2)] == [False, False]


def test_a_change_after_it_was_asked_for_is_waited_for_again() -> None:
    settler = Settler(by_size(STEPS), MAX_WAIT_S)
    settler.note(Change("a", ChangeKind.CLOSED, 10.0))
    settler.hurry(10.0)
    settler.note(Change("a", ChangeKind.CLOSED, 10.5))
    (waiting,) = settler.take(11.5, 1)
    assert settler.is_early(waiting, GIB, 11.5)
    assert settler.next_due() == 40.5


def test_a_hint_that_came_meanwhile_is_not_put_off_by_the_earlier_one() -> None:
    settler = Settler(by_size(STEPS), MAX_WAIT_S)
    settler.note(Change("a", ChangeKind.CLOSED, 10.0))
    (waiting,) = settler.take(11.0, 1)
    settler.note(Change("a", ChangeKind.ARRIVED, 11.0))
    assert settler.is_early(waiting, GIB, 11.0)
    assert settler.next_due() == 11.0


def test_a_group_waits_for_as_long_as_its_largest_file_whatever_its_age_and_is_not_hurried() -> None:
    settler = GroupSettler(by_size(STEPS), MAX_WAIT_S, 10, "")
    for at in (10.0, 100.0):
        settler.note(Change("ckpt/weights", ChangeKind.CLOSED, at))
    (waiting,) = settler.take(101.0, 1)
    assert waiting.path == "ckpt"
    assert settler.is_early(waiting, GIB, 101.0)
    assert settler.next_due() == 130.0
    assert settler.hurry(102.0) == 0
    assert settler.next_due() == 130.0


def test_a_group_that_was_given_back_is_not_hurried_either() -> None:
    settler = GroupSettler(always(5.0), MAX_WAIT_S, 10, "")
    settler.note(Change("ckpt/weights", ChangeKind.CLOSED, 10.0))
    (waiting,) = settler.take(15.0, 1)
    settler.look_again(waiting, 15.0, None)
    assert settler.hurry(15.0) == 0
    assert settler.take(15.0, 1) == []


def test_always_is_one_step() -> None:
    assert always(2.5) == Quiet(((0, 2.5),))
    assert always(2.5).of(1 << 60) == 2.5
