"""What is to be scanned: everything that was asked for, and nothing twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hf_watch.paths import within
from hf_watch.targets.dirty import MOST_DIRECTORIES, ScanQueue

DIRECTORIES = st.lists(st.sampled_from("ab"), max_size=4).map("/".join)


def emptied(queue: ScanQueue) -> list[str]:
    found = []
    while queue:
        found.append(queue.pop())
    return found


@given(st.lists(DIRECTORIES, max_size=12))
def test_all_that_was_asked_for_is_covered_once(asked: list[str]) -> None:
    queue = ScanQueue()
    for directory in asked:
        queue.add(directory)
    found = emptied(queue)
    assert set(found) <= set(asked)
    for directory in asked:
        assert sum(within(directory, each) for each in found) == 1


def test_a_name_that_only_begins_alike_is_another_directory() -> None:
    queue = ScanQueue()
    for directory in ("run", "run2", "run/a"):
        queue.add(directory)
    assert emptied(queue) == ["run", "run2"]


def test_what_was_asked_for_first_comes_first() -> None:
    queue = ScanQueue()
    for directory in ("b", "a", "b"):
        queue.add(directory)
    assert emptied(queue) == ["b", "a"]


def test_too_many_become_the_root() -> None:
    queue = ScanQueue()
    for n in range(MOST_DIRECTORIES):
        queue.add(f"d{n}")
    queue.add("d0/below")
    assert len(queue._directories) == MOST_DIRECTORIES
    queue.add("one more")
    assert emptied(queue) == [""]


def test_clear_empties_it() -> None:
    queue = ScanQueue()
    queue.add("")
    queue.clear()
    assert not queue
