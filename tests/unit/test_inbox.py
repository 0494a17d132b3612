"""What threads leave for a worker: merged by path, bounded, and nothing lost but into a gap above it."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.paths import within
from hf_watch.threads.inbox import COLLAPSED, Inbox

PATHS = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "f/a", "f/b", "\udcff/a"])
HINTS = st.one_of(
    st.builds(Change, PATHS, st.sampled_from(ChangeKind), st.floats(0, 9)),
    st.builds(Gap, st.sampled_from(["", "d", "d/e", "f", "g", "h"]), st.just("overflow"), st.floats(0, 9)),
)


@given(st.lists(HINTS, max_size=30), st.integers(0, 6), st.integers(1, 4))
def test_a_hint_is_there_or_below_a_gap(hints: list[Change | Gap], most_paths: int, most_gaps: int) -> None:
    inbox = Inbox(most_paths, most_gaps)
    for hint in hints:
        inbox.put(0, hint)
    found = inbox.take(0).get(0)
    if found is None:
        assert not hints
        return
    assert len(found.changes) <= most_paths
    assert len(found.gaps) <= most_gaps
    changed = {change.path for change in found.changes}
    assert len(changed) == len(found.changes)
    for hint in hints:
        covered = any(within(hint.path, gap.path) for gap in found.gaps)
        assert covered or (isinstance(hint, Change) and hint.path in changed)


@given(st.lists(st.builds(Change, PATHS, st.sampled_from(ChangeKind), st.floats(0, 9)), max_size=20))
def test_the_latest_hint_of_a_path_counts_but_metadata_never_hides_content(hints: list[Change]) -> None:
    inbox = Inbox()
    for hint in hints:
        inbox.put(0, hint)
    hinted = inbox.take(0)
    found = {change.path: change for change in hinted[0].changes} if hinted else {}
    for path in {hint.path for hint in hints}:
        mine = [hint for hint in hints if hint.path == path]
        telling = [hint for hint in mine if hint.kind is not ChangeKind.TOUCHED]
        assert found[path] is (telling[-1] if telling else mine[0])


def test_a_storm_becomes_a_gap_at_each_directory() -> None:
    inbox = Inbox(most_paths=3)
    for path in ("d/a", "d/b", "e/a", "a"):
        inbox.put(0, Change(path, ChangeKind.WRITTEN, 1.0))
    found = inbox.take(0)[0]
    assert found.changes == ()
    assert {gap.path for gap in found.gaps} == {"d", "e", ""}
    assert {gap.reason for gap in found.gaps} == {COLLAPSED}


def test_a_storm_of_directories_becomes_one_gap_at_the_root() -> None:
    inbox = Inbox(most_gaps=3)
    for n in range(4):
        inbox.put(0, Gap(f"d{n}", "new", float(n)))
    assert inbox.take(0)[0].gaps == (Gap("", COLLAPSED, 3.0),)


def test_each_target_has_its_own_hints_and_its_own_bound() -> None:
    inbox = Inbox(most_paths=1)
    for target in (0, 1):
        inbox.sink(target).put(Change("a", ChangeKind.WRITTEN, 1.0))
    found = inbox.take(0)
    assert [len(found[target].changes) for target in (0, 1)] == [1, 1]
    assert inbox.take(0) == {}


def test_a_wake_is_not_lost_when_nobody_waits_yet() -> None:
    inbox = Inbox()
    inbox.wake()
    assert inbox.take(None) == {}
    assert not inbox._woken


def test_whoever_waits_gets_what_another_thread_puts() -> None:
    inbox = Inbox()
    thread = threading.Thread(target=inbox.put, args=(0, Change("a", ChangeKind.WRITTEN, 1.0)))
    thread.start()
    assert [change.path for change in inbox.take(None)[0].changes] == ["a"]
    thread.join()
