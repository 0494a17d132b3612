"""The bounds of tests/process/test_bounds.py and tests/contract/test_ledger_size.py, by far more of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hf_watch.ledger.ledger import Ledger
from hf_watch.local_hub import LocalHub
from tests import bounds
from tests.churn import churn, size_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(3_600)


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        yield hub


def test_two_hundred_large_files_due_at_once(hub: LocalHub, tmp_path: Path) -> None:
    bounds.memory_holds(tmp_path, hub, files=200)


def test_64_descriptors_suffice_for_thousands(hub: LocalHub, tmp_path: Path) -> None:
    bounds.descriptors_suffice(tmp_path, hub, files=5_000)


def test_the_number_of_threads_stays(hub: LocalHub, tmp_path: Path) -> None:
    bounds.threads_stay(tmp_path, hub, files=10_000)


def test_a_million_paths_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    with Ledger(file) as ledger:
        churn(ledger, rounds=10, files=1_000)
        before = size_bytes(file)
        churn(ledger, rounds=990, files=1_000, first=10)
        assert size_bytes(file) <= before + (1 << 20)  # a row of some 150 bytes for each of a thousand batches
