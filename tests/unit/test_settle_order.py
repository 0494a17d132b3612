"""What the settler says of those that wait longest agrees with a look at all of them, whatever happens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hf_watch.model import Change, ChangeKind
from hf_watch.rules.quiet import always
from hf_watch.rules.settle import Settler, Waiting

PATHS = st.sampled_from(["a", "b", "sub/c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), PATHS, st.sampled_from(list(ChangeKind))),
        st.tuples(st.just("take"), st.integers(1, 3), st.none()),
        st.tuples(st.just("put_back"), st.floats(0.0, 9.0), st.none()),
        st.tuples(st.just("look_again"), st.none(), st.none()),
        st.tuples(st.just("hurry"), st.sampled_from(["", "sub"]), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_longest_waiting_are_known_at_any_time(steps: list[tuple[str, object, object]]) -> None:
    settler, taken, now = Settler(always(2.0), 10.0), list[Waiting](), 0.0
    first_hints: dict[str, float] = {}
    for verb, what, kind in steps:
        now += 1.0
        if verb == "note":
            assert isinstance(what, str)
            assert isinstance(kind, ChangeKind)
            settler.note(Change(what, kind, now))
            first_hints.setdefault(what, now)
        elif verb == "take":
            assert isinstance(what, int)
            taken += settler.take(now, what)
        elif verb == "hurry":
            settler.hurry(now, str(what))
        elif taken:
            waiting = taken.pop()
            if verb == "look_again":
                settler.look_again(waiting, now, None)
            else:
                assert isinstance(what, float)
                settler.put_back(waiting, now + what)
        waits = settler._waiting.values()
        assert settler.oldest() == min((each.since for each in waits), default=None)
        assert settler.next_due() == min((each.due for each in waits), default=None)
        assert settler.settled_since() == min((each.settled_since for each in waits), default=None)
        for each in waits:  # however often it failed or changed since
            assert each.since == first_hints[each.path] or each.path in _in(taken)
        for path in set(first_hints) - {each.path for each in waits} - _in(taken):
            del first_hints[path]


def _in(taken: list[Waiting]) -> set[str]:
    return {each.path for each in taken}


def test_a_path_keeps_the_time_of_its_first_hint_through_a_failure_and_a_newer_hint() -> None:
    settler = Settler(always(1.0), 60.0)
    settler.note(Change("a", ChangeKind.CLOSED, 10.0))
    [taken] = settler.take(11.0, 1)
    settler.note(Change("a", ChangeKind.CLOSED, 20.0))
    settler.put_back(taken, 30.0)
    assert settler.oldest() == 10.0
    assert settler.settled_since() == 11.0
    assert settler.next_due() == 21.0
    assert [each.path for each in settler.waits_since(10.0)] == ["a"]


def test_a_long_wait_does_not_make_the_order_of_the_others_grow() -> None:
    settler = Settler(always(0.0), 60.0)
    settler.note(Change("open", ChangeKind.WRITTEN, 0.0))
    settler.put_back(settler.take(1.0, 1)[0], 1e9)
    for number in range(1_000):
        settler.note(Change(f"{number}", ChangeKind.ARRIVED, 2.0 + number))
        settler.take(2.0 + number, 1)
    assert len(settler._by_age._heap) < 100
    assert settler.oldest() == 0.0
