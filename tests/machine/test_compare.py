"""When the branch is not as it was left: what others changed or deleted there is published anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import RetryableError
from hf_watch.ledger.ledger import Ledger
from tests.disk import fill
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hf_watch.model import RemoteFile

PUBLISHED = {"incoming/a": b"a", "incoming/b": b"b", "incoming/d/c": b"c" * 5_000}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    fill(tmp_path / "drop", {path.removeprefix("incoming/"): content for path, content in PUBLISHED.items()})
    hub = FakeHub(largest_regular_bytes=1_000)
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop")], hub, inline_bytes=1_000)
    engine.sync()
    return engine


def _hub(engine: Engine) -> FakeHub:
    assert isinstance(engine.hub, FakeHub)
    return engine.hub


def test_what_somebody_deleted_or_changed_on_the_hub_is_published_anew(engine: Engine) -> None:
    hub = _hub(engine)
    hub.repo.apply("", "theirs", {"incoming/b": b"edited", "incoming/new": b"theirs"}, ["incoming/a", "incoming/d/c"])
    engine.sync()
    assert hub.repo.files == {**PUBLISHED, "incoming/new": b"theirs"}
    assert set(hub.repo.commits[-1].added) == set(PUBLISHED)


def test_a_head_that_moved_elsewhere_is_compared_once_and_uploads_nothing(engine: Engine) -> None:
    hub = _hub(engine)
    hub.repo.apply("", "theirs", {"elsewhere": b"theirs"}, [])
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head", "tree"]
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head"]


def test_a_comparison_that_failed_is_made_again(engine: Engine) -> None:
    hub = _hub(engine)
    hub.repo.apply("", "theirs", {}, ["incoming/a"])
    hub.fail("tree", *[Fault(RetryableError("503: Service Unavailable"))] * 6)
    assert engine.sync().worker.failure is not None
    engine.sync()
    assert hub.repo.files == PUBLISHED


def test_verify_compares_even_when_the_head_is_the_one_last_made(engine: Engine) -> None:
    hub = _hub(engine)
    del hub.repo.files["incoming/a"]  # as a rewritten history would
    engine.sync()
    assert "incoming/a" not in hub.repo.files
    engine.verify = True
    engine.sync()
    assert hub.repo.files == PUBLISHED


def test_a_comparison_keeps_no_other_destination_waiting(engine: Engine, tmp_path: Path) -> None:
    hub = _hub(engine)
    file = tmp_path / "ledger.sqlite3"
    with Ledger(file) as ledger, Ledger(file, lock_timeout_s=0.0) as other:
        root = ledger.roots.of(DESTINATION, str(tmp_path / "drop"), "incoming")

        def slow_pages() -> Iterator[RemoteFile]:
            for file in hub.tree("incoming"):
                other.roots.see_head(root, "written meanwhile")
                yield file

        assert ledger.comparison.doubt_unlike(root, slow_pages()) == 0
