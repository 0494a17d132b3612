"""The ledger's file grows with what is on the disk, not with what ever was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_watch.ledger.ledger import Ledger
from hf_watch.ledger.rows import Recorded
from hf_watch.model import Fingerprint
from tests.churn import DESTINATION, DIGEST, churn, size_bytes
from tests.disk import fill, numbered
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path


def test_paths_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    with Ledger(file) as ledger:
        churn(ledger, rounds=5, files=1_000)
        before = size_bytes(file)
        churn(ledger, rounds=25, files=1_000, first=5)
        assert size_bytes(file) <= before * 1.1 + (64 << 10)  # thirty batches' rows are all that is left


def test_a_large_tree_that_went_gives_its_space_back(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    with Ledger(file) as ledger:
        root = ledger.roots.of(DESTINATION, "/drop", "incoming")
        paths = [f"{number:06} with a name of usual length.bin" for number in range(50_000)]
        ledger.files.record(root, [Recorded(path, path, Fingerprint(1, 2, 3, 4), DIGEST, 1) for path in paths])
        full = size_bytes(file)
        ledger.files.record(root, [], paths)
        for _ in range(10):
            ledger.give_back_space()
    assert size_bytes(file) < full / 10


def test_what_was_set_aside_is_forgotten_when_it_goes(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    fill(drop, {f"d/{name}": b"x" for name in numbered(20)})
    engine = Engine(tmp_path, [target_spec(drop)], FakeHub(bad=lambda path: path.endswith(".txt")))
    with engine.running() as running:
        running.go_on(60.0)
        with Ledger(tmp_path / "ledger.sqlite3") as ledger:
            root = ledger.roots.of(DESTINATION, str(drop), "incoming")
            assert len(list(ledger.quarantine.of(root))) == 20
            for name in numbered(19):
                (drop / "d" / name).unlink()
            running.go_on(400.0)
            assert [each.path for each in ledger.quarantine.of(root)] == ["d/0019.txt"]
