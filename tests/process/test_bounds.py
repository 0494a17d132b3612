"""Promise 9 by inputs made to break it; tests/soak has the same with far more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import bounds

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.local_hub import LocalHub
from hf_watch.targets.lookout import ENOUGH


def test_large_files_due_at_once_take_no_more_memory_than_stated(hub: LocalHub, tmp_path: Path) -> None:
    bounds.memory_holds(tmp_path, hub, files=8)


def test_64_descriptors_suffice(hub: LocalHub, tmp_path: Path) -> None:
    bounds.descriptors_suffice(tmp_path, hub, files=300)


def test_many_directories_leave_descriptors_to_what_is_published(hub: LocalHub, tmp_path: Path) -> None:
    limited = bounds.watches_leave_descriptors(tmp_path, hub, targets=20, destinations=2)
    assert {(each["setting"], each["limit"]) for each in limited} == {("RLIMIT_NOFILE", 64)}
    assert 5 <= len({each["target"] for each in limited}) < 20
    assert max(each["needed"] for each in limited) >= 64 + 5 * ENOUGH["descriptors"], "of all of them, not of one"


def test_the_number_of_threads_stays(hub: LocalHub, tmp_path: Path) -> None:
    bounds.threads_stay(tmp_path, hub, files=600)
