"""What is published at all: ignore files in the tree, sizes, and what becomes of what a filter starts to hide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hf_watch.model import Change, ChangeKind, Gap
from hf_watch.rules.filters import Filter, Sizes
from tests.disk import fill
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"a.txt": b"1", "b.log": b"2", "d/a.txt": b"3", "d/b.log": b"4", "d/e/b.log": b"5"}


def engine(drop: Path, **changes: object) -> Engine:
    return Engine(drop.parent, [target_spec(drop, on_delete="mirror", **changes)], FakeHub())


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    fill(tmp_path / "drop", FILES)
    return tmp_path / "drop"


def held(engine: Engine) -> set[str]:
    assert isinstance(engine.hub, FakeHub)
    return {path.removeprefix("incoming/") for path in engine.hub.repo.files}


def test_nested_ignore_files_leave_out_what_they_say(drop: Path) -> None:
    fill(drop, {".hfwatchignore": b"*.log\n", "d/.hfwatchignore": b"!b.log\n", "d/e/.hfwatchignore": b"*\n"})
    done = engine(drop)
    done.sync()
    assert held(done) == {"a.txt", "d/a.txt", "d/b.log"}


@pytest.mark.parametrize("narrowed", [{"wanted": Filter(exclude=["*.log", "d/"])}, {"sizes": Sizes(2)}, {}])
def test_a_filter_that_is_narrowed_deletes_nothing(drop: Path, narrowed: dict[str, object]) -> None:
    engine(drop).sync()
    done = engine(drop)
    done.sync()
    assert isinstance(done.hub, FakeHub)
    commits = len(done.hub.repo.commits)
    if not narrowed:
        fill(drop, {".hfwatchignore": b"*.log\nd/\n"})
    done.targets = [target_spec(drop, on_delete="mirror", **narrowed)]
    (drop / "d/e/b.log").unlink()
    done.sync()
    assert len(done.hub.repo.commits) == commits + (1 if "sizes" in narrowed else 0)
    assert held(done) == set(FILES) - ({"d/e/b.log"} if "sizes" in narrowed else set())


def test_a_change_of_an_ignore_file_applies_at_once(drop: Path) -> None:
    done = engine(drop)
    fill(drop, {"d/.hfwatchignore": b"*.log\n"})
    with done.running() as running:
        running.go_on(5.0)
        assert held(done) == {"a.txt", "b.log", "d/a.txt"}
        (drop / "d/.hfwatchignore").write_bytes(b"e\n")
        running.hint(Change("d/.hfwatchignore", ChangeKind.CLOSED, running.clock()))
        running.go_on(5.0)
        assert held(done) == {"a.txt", "b.log", "d/a.txt", "d/b.log"}
        (drop / "d/.hfwatchignore").unlink()
        running.hint(Change("d/.hfwatchignore", ChangeKind.GONE, running.clock()))
        running.go_on(5.0)
        assert held(done) == set(FILES)


def test_what_settles_while_it_is_being_ignored_is_not_published(drop: Path) -> None:
    done = engine(drop, quiet_s=10.0)
    with done.running() as running:
        running.go_on(5.0)
        fill(drop, {".hfwatchignore": b"d/\n"})
        running.hint(Gap("d", "a directory appeared", running.clock()))
        running.go_on(30.0)
    assert held(done) == {"a.txt", "b.log"}


def test_an_ignore_file_that_cannot_be_taken_in_leaves_everything_out(drop: Path) -> None:
    fill(drop, {"d/.hfwatchignore": b"#" * ((1 << 20) + 1)})
    done = engine(drop)
    done.sync()
    assert held(done) == {"a.txt", "b.log"}


def test_only_files_of_the_sizes_asked_for_are_published(drop: Path) -> None:
    fill(drop, {"empty": b"", "large": b"x" * 11, "fits": b"x" * 10})
    done = engine(drop, sizes=Sizes(1, 10))
    assert not done.sync().gave_up
    assert held(done) == {*FILES, "fits"}
    with (drop / "fits").open("ab") as file:
        file.write(b"x")
    done.sync()
    assert isinstance(done.hub, FakeHub)
    assert done.hub.repo.files["incoming/fits"] == b"x" * 10
    os.truncate(drop / "large", 1)
    done.sync()
    assert "large" in held(done)
