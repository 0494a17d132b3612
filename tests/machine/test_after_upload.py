"""What becomes of a published file: it goes only when the Hub says that it holds what was read, and nothing is lost."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import RetryableError
from hf_watch.model import Change, ChangeKind
from tests.disk import fill, numbered, without_privileges
from tests.engine import Engine, Kept, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer
from tests.mortal import Crash, Fate, MortalHub, mortal_ledger
from tests.mortal_disk import mortal_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = b"\0" * 100  # handed over by its path
FILES = {"a": b"1", "d/b": b"2", "d/e/large": LARGE}
IN_REPO = {f"incoming/{name}": content for name, content in FILES.items()}
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  another file system than the test's own directory


@dataclass
class World:
    """A drop folder whose files leave, the Hub, and where they go."""

    place: Path
    archive: Path
    how: str = "delete"
    hub: FakeHub = field(default_factory=lambda: FakeHub(largest_regular_bytes=64))
    options: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.drop = self.place / "drop"
        self.drop.mkdir(parents=True)
        spec = target_spec(
            self.drop, after_upload=self.how, archive_dir=str(self.archive), on_delete="mirror", receipts="jsonl",
            **self.options,
        )  # fmt: skip
        self.engine = Engine(
            self.place, [spec], self.hub, inline_bytes=64,
            wall_clock_ns=lambda: time.time_ns() + 10**9,  # no file is so new that it has to be looked at twice
        )  # fmt: skip

    def left(self) -> dict[str, bytes]:
        return _files(self.drop)

    def archived(self) -> dict[str, bytes]:
        return _files(self.archive) if self.archive.exists() else {}


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def other_file_system() -> Iterator[Path]:
    with TemporaryDirectory(dir=SHARED_MEMORY) as place:
        yield Path(place)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, tmp_path / "archive")


def test_what_the_hub_holds_is_deleted_here_and_stays_there(world: World) -> None:
    fill(world.drop, FILES)
    for _ in range(3):
        world.engine.sync()
    assert world.left() == {}
    assert world.hub.repo.files == IN_REPO
    assert len(world.hub.repo.commits) == 1


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_what_the_hub_holds_is_archived_under_its_path(
    tmp_path: Path, other_file_system: Path, *, is_elsewhere: bool
) -> None:
    archive = other_file_system if is_elsewhere else tmp_path / "archive"
    world = World(tmp_path, archive, "archive")
    fill(world.drop, FILES)
    os.utime(world.drop / "a", ns=(1, 2))
    (world.drop / "a").chmod(0o640)
    world.engine.sync()
    world.engine.sync()
    assert (world.left(), world.archived()) == ({}, FILES)
    found = (archive / "a").stat()
    assert (found.st_mtime_ns, found.st_mode & 0o777) == (2, 0o640)
    assert world.hub.repo.files == IN_REPO


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_an_archived_file_is_never_replaced(tmp_path: Path, other_file_system: Path, *, is_elsewhere: bool) -> None:
    world = World(tmp_path, other_file_system if is_elsewhere else tmp_path / "archive", "archive")
    for version in (b"1", b"2", b"3", b"3"):
        fill(world.drop, {"a.txt": version})
        world.engine.sync()
    assert world.archived() == {"a.txt": b"1", "a-1.txt": b"2", "a-2.txt": b"3"}
    assert world.left() == {}


def test_emptied_directories_go_if_they_are_asked_to(tmp_path: Path) -> None:
    world = World(tmp_path, tmp_path / "archive", options={"remove_empty_dirs": True})
    fill(world.drop, {**FILES, "kept/.hidden": b""})
    (world.drop / "empty").mkdir()
    world.engine.sync()
    assert sorted(path.name for path in world.drop.iterdir()) == ["empty", "kept"]  # those were not emptied by us


def test_a_file_that_changes_after_its_commit_stays_and_is_published_again(world: World) -> None:
    fill(world.drop, {"a": b"1", "b": b"1"})

    def rewrite(verb: str) -> None:
        if verb == "paths_info" and world.hub.repo.commits:
            world.hub.on_call = lambda _: None
            (world.drop / "a").write_bytes(b"2")

    world.hub.on_call = rewrite
    world.engine.sync()
    contents = [commit.added.get("incoming/a") for commit in world.hub.repo.commits]
    assert contents == [b"1", b"2"]
    assert world.left() == {}


@pytest.mark.parametrize("how", ["delete", "archive"])
def test_a_file_that_somebody_opened_for_writing_stays(tmp_path: Path, how: str) -> None:
    world = World(tmp_path, tmp_path / "archive", how)
    fill(world.drop, {"a": b"1", "b": b"1"})
    writer = None

    def open_it(verb: str) -> None:
        nonlocal writer
        if verb == "paths_info" and writer is None and world.hub.repo.commits:
            writer = (world.drop / "a").open("ab")

    world.hub.on_call = open_it
    with world.engine.running() as running:
        running.go_on(20.0)
        assert world.left() == {"a": b"1"}
        assert writer is not None
        writer.write(b"2")
        writer.close()
        running.hint(Change("a", ChangeKind.CLOSED, running.clock()))
        running.go_on(20.0)
    assert world.left() == {}
    assert world.hub.repo.files["incoming/a"] == b"12"


def test_a_file_stays_that_somebody_replaced_on_the_hub(world: World) -> None:
    fill(world.drop, {"a": b"1"})

    def replace(verb: str) -> None:
        if verb == "paths_info" and len(world.hub.repo.commits) == 1:
            world.hub.repo.apply("", "theirs", {"incoming/a": b"theirs"}, [])

    world.hub.on_call = replace
    world.engine.sync()
    assert [commit.added for commit in world.hub.repo.commits] == [
        {"incoming/a": b"1"}, {"incoming/a": b"theirs"}, {"incoming/a": b"1"},
    ]  # fmt: skip
    assert world.left() == {}


def test_a_hub_that_does_not_answer_keeps_files_here(world: World) -> None:
    fill(world.drop, {"a": b"1"})
    world.hub.fail("paths_info", *[Fault(RetryableError("503"))] * 4)
    with world.engine.running() as running:
        while not world.hub.repo.commits:
            running.turn()
        assert world.left() == {"a": b"1"}
        running.go_on(300.0)
    assert (world.left(), len(world.hub.repo.commits)) == ({}, 1)


def test_what_was_published_before_it_was_to_go_goes(tmp_path: Path) -> None:
    world = World(tmp_path, tmp_path / "archive", "keep")
    fill(world.drop, FILES)
    world.engine.sync()
    world.engine.targets = [target_spec(world.drop, after_upload="delete", on_delete="mirror")]
    world.engine.sync()
    assert world.left() == {}
    assert world.hub.repo.files == IN_REPO
    assert len(world.hub.repo.commits) == 1


def test_a_directory_that_may_not_be_changed_keeps_its_files_and_a_pass_says_so(world: World) -> None:
    fill(world.drop, {"d/a": b"1", "b": b"2"})
    (world.drop / "d").chmod(0o500)
    try:
        with without_privileges():
            first, second = world.engine.sync(), world.engine.sync()
    finally:
        (world.drop / "d").chmod(0o700)
    assert world.left() == {"d/a": b"1"}
    assert [list(each.stayed) for each in (first, second)] == [[str(world.drop / "d/a")]] * 2
    assert len(world.hub.repo.commits) == 1


def test_more_files_than_one_request_takes_all_go(world: World) -> None:
    fill(world.drop, numbered(1_200))
    world.engine.sync()
    assert world.left() == {}
    assert len(world.hub.repo.files) == 1_200


@pytest.mark.parametrize(
    ("how", "is_answer_lost"),
    [("delete", False), ("delete", True), ("archive", False), ("archive elsewhere", False)],
)
def test_a_kill_at_any_step_neither_loses_nor_doubles_a_file(
    tmp_path: Path, other_file_system: Path, how: str, *, is_answer_lost: bool
) -> None:
    step = 0
    while _killed_at(step, tmp_path / str(step), other_file_system / str(step), how, is_answer_lost=is_answer_lost):
        step += 1
    assert step > 30


def _killed_at(step: int, place: Path, elsewhere: Path, how: str, *, is_answer_lost: bool) -> bool:
    """Play it with a death at this step; whether there was one."""
    archive = elsewhere if how == "archive elsewhere" else place / "archive"
    world = World(place, archive, how.split(" ", maxsplit=1)[0], options={"remove_empty_dirs": True})
    fate = Fate(step)
    world.engine.hub = MortalHub(world.hub, fate)
    world.engine.ledger_of = partial(mortal_ledger, fate=fate)
    fill(world.drop, FILES)
    if is_answer_lost:
        world.hub.fail("commit", lost_answer())
    has_died = False
    for _ in range(3):
        try:
            with mortal_disk(fate):
                world.engine.sync()
        except Crash:
            has_died, fate.left = True, None
            world.engine.clock.now += 300.0  # a commit that was lost may land until then
    assert world.hub.repo.files == IN_REPO, f"step {step}"
    batches = [commit for commit in world.hub.repo.commits if commit.batch_id]
    assert [sorted(commit.added) for commit in batches] == [sorted(IN_REPO)], f"step {step}"
    assert [path for path in world.drop.rglob("*") if not path.is_dir()] == [], f"step {step}"
    if how != "delete":
        assert world.archived() == FILES, f"step {step}"
    assert isinstance(world.engine.receipts, Kept)
    receipts = {receipt.repo_path: receipt.sha256 for receipt in world.engine.receipts.receipts}
    assert receipts.keys() == IN_REPO.keys(), f"step {step}"
    return has_died


def test_what_cannot_be_published_is_moved_to_quarantine_with_its_reason(tmp_path: Path) -> None:
    hub = FakeHub(bad=lambda path: path.endswith("bad"))
    world = World(tmp_path, tmp_path / "archive", "keep", hub, {"quarantine_dir": str(tmp_path / "aside")})
    fill(world.drop, {"d/bad": b"1", "good": b"1"})
    assert list(world.engine.sync().gave_up) == [str(world.drop / "d/bad")]
    fill(world.drop, {"d/bad": b"2"})
    world.engine.sync()
    aside = _files(tmp_path / "aside")
    assert (aside.pop("d/bad"), aside.pop("d/bad-1")) == (b"1", b"2")
    assert {name: json.loads(text) for name, text in aside.items()} == {
        name: {"path": "d/bad", "path_encoded": "d/bad", "target": "drop", "reason": "400: one of these is bad"}
        for name in ("d/bad.reason.json", "d/bad-1.reason.json")
    }
    assert world.left() == {"good": b"1"}


def test_what_was_published_stays_on_the_hub_when_its_next_version_goes_to_quarantine(tmp_path: Path) -> None:
    hub = FakeHub()
    world = World(tmp_path, tmp_path / "archive", "keep", hub, {"quarantine_dir": str(tmp_path / "aside")})
    fill(world.drop, {"a": b"1", "b": b"1"})
    world.engine.sync()
    hub._bad = lambda path: path.endswith("a")
    fill(world.drop, {"a": b"2"})
    for _ in range(2):
        world.engine.sync()
    assert hub.repo.files == {"incoming/a": b"1", "incoming/b": b"1"}
    assert (tmp_path / "aside/a").read_bytes() == b"2"
