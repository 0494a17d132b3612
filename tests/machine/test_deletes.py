"""What becomes of the Hub's files when the disk's are gone: nothing, unless mirroring is asked for and it is sure."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import AmbiguousError, RetryableError
from hf_watch.model import Change, ChangeKind
from hf_watch.rules.filters import Filter
from tests.disk import fill, numbered, without_privileges
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {"a": b"a", "b": b"b", "d/c": b"c", "d/e/f": b"f"}
PUBLISHED = {f"incoming/{name}": content for name, content in FILES.items()}


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    fill(tmp_path / "drop", FILES)
    return tmp_path / "drop"


def _published(tmp_path: Path, drop: Path, **changes: object) -> tuple[Engine, FakeHub]:
    hub = FakeHub()
    hub.repo.apply("", "theirs", {"README.md": b"theirs", "incoming/theirs": b"theirs"}, [])
    engine = Engine(tmp_path, [target_spec(drop, **{"on_delete": "mirror", **changes})], hub)
    engine.sync()
    return engine, hub


def _ours(hub: FakeHub) -> dict[str, bytes]:
    assert hub.repo.files["README.md"] == hub.repo.files["incoming/theirs"] == b"theirs"
    return {path: content for path, content in hub.repo.files.items() if content != b"theirs"}


def test_keep_leaves_on_the_hub_what_the_disk_lost(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop, on_delete="keep")
    (drop / "a").unlink()
    shutil.rmtree(drop / "d")
    engine.sync()
    assert _ours(hub) == PUBLISHED


def test_a_kept_file_that_comes_back_changed_is_published(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop, on_delete="keep")
    (drop / "a").unlink()
    engine.sync()
    fill(drop, {"a": b"new"})
    engine.sync()
    assert _ours(hub) == {**PUBLISHED, "incoming/a": b"new"}


def test_mirror_deletes_what_the_disk_lost_and_nothing_else(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "a").unlink()
    shutil.rmtree(drop / "d")
    engine.sync()
    assert _ours(hub) == {"incoming/b": b"b"}
    assert len(hub.repo.commits) == 3
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head"]


def test_a_directory_that_a_watch_says_is_gone_is_deleted_without_a_rescan(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    with engine.running() as running:
        running.go_on(5.0)
        shutil.rmtree(drop / "d")
        running.hint(Change("d", ChangeKind.GONE, engine.clock()))
        running.go_on(2.0)
    assert _ours(hub) == {"incoming/a": b"a", "incoming/b": b"b"}


def test_a_file_whose_replacement_never_landed_is_deleted_as_what_it_was(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    fill(drop, {"a": b"replacement"})
    hub.fail("commit", Fault(AmbiguousError("504: Gateway Time-out")))
    hub.fail("head", None, *[Fault(RetryableError("503: Service Unavailable"))] * 9)
    engine.sync()
    hub.script.clear()
    (drop / "a").unlink()
    engine.sync()
    assert _ours(hub) == {path: content for path, content in PUBLISHED.items() if path != "incoming/a"}


def test_a_former_content_that_somebody_else_brought_back_is_not_deleted(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    fill(drop, {"a": b"second"})
    engine.sync()
    (drop / "a").unlink()
    hub.repo.apply("", "theirs", {"incoming/a": b"a"}, [])
    engine.sync()
    assert hub.repo.files["incoming/a"] == b"a"


def test_a_renamed_file_is_one_commit(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "a").rename(drop / "d" / "a2")
    engine.sync()
    assert _ours(hub) == {**{p: c for p, c in PUBLISHED.items() if p != "incoming/a"}, "incoming/d/a2": b"a"}
    assert len(hub.repo.commits) == 3


def test_a_renamed_directory_of_many_files_is_one_commit_and_no_delete_to_be_asked_about(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    fill(drop, {f"old/{name}": content for name, content in numbered(300).items()})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub)
    engine.sync()
    (drop / "old").rename(drop / "new")
    engine.sync()
    assert sorted(hub.repo.files) == [f"incoming/new/{name}" for name in sorted(numbered(300))]
    assert len(hub.repo.commits) == 2


def test_a_renamed_directory_is_one_commit(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "d").rename(drop / "g")
    engine.sync()
    assert _ours(hub) == {"incoming/a": b"a", "incoming/b": b"b", "incoming/g/c": b"c", "incoming/g/e/f": b"f"}
    assert len(hub.repo.commits) == 3


def _remove(drop: Path) -> None:
    shutil.rmtree(drop)


def _replace(drop: Path) -> None:
    drop.rename(drop.parent / "old")
    fill(drop, {"a": b"a"})


def _empty(drop: Path) -> None:
    for entry in drop.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _turn_into_a_file(drop: Path) -> None:
    shutil.rmtree(drop)
    drop.write_bytes(b"")


@pytest.mark.parametrize("loss", [_remove, _replace, _empty, _turn_into_a_file])
def test_a_root_that_is_lost_replaced_or_emptied_deletes_nothing_at_the_next_start(
    tmp_path: Path, drop: Path, loss: Callable[[Path], None]
) -> None:
    engine, hub = _published(tmp_path, drop)
    loss(drop)
    engine.sync()
    engine.sync()
    assert _ours(hub) == PUBLISHED


@pytest.mark.parametrize("loss", [_remove, _replace, _empty, _turn_into_a_file])
def test_a_root_that_is_lost_replaced_or_emptied_while_it_is_watched_deletes_nothing(
    tmp_path: Path, drop: Path, loss: Callable[[Path], None]
) -> None:
    engine, hub = _published(tmp_path, drop)
    with engine.running() as running:
        running.go_on(10.0)
        loss(drop)
        running.go_on(1_000.0)
    assert _ours(hub) == PUBLISHED


def test_a_root_that_comes_back_is_taken_up_and_its_losses_count_again(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    with engine.running() as running:
        running.go_on(10.0)
        drop.rename(tmp_path / "away")
        running.go_on(100.0)
        (tmp_path / "away" / "a").unlink()
        fill(tmp_path / "away", {"new": b"n"})
        (tmp_path / "away").rename(drop)
        running.go_on(10.0)
    assert _ours(hub) == {**{p: c for p, c in PUBLISHED.items() if p != "incoming/a"}, "incoming/new": b"n"}


def test_a_file_of_a_former_root_is_never_deleted_but_one_seen_in_the_new_root_is(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    drop.rename(tmp_path / "old")
    fill(drop, {"a": b"a", "b": b"b"})
    engine.sync()
    (drop / "a").unlink()
    engine.sync()
    assert _ours(hub) == {path: content for path, content in PUBLISHED.items() if path != "incoming/a"}


def test_a_file_published_after_its_root_was_replaced_belongs_to_the_old_one(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", Fault(RetryableError("429: slow down", retry_after_s=100.0)))
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub)
    with engine.running() as running:
        running.go_on(20.0)
        drop.rename(tmp_path / "old")
        fill(drop, {"b": b"b"})
        running.go_on(1_000.0)
    assert hub.repo.files == PUBLISHED


def test_a_delete_that_was_put_off_is_dropped_when_the_root_is_lost_or_the_file_is_back(
    tmp_path: Path, drop: Path
) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "a").unlink()
    (drop / "b").unlink()
    hub.fail("commit", Fault(RetryableError("429: slow down", retry_after_s=100.0)))
    with engine.running() as running:
        running.go_on(20.0)
        fill(drop, {"a": b"a"})
        running.go_on(400.0)
    assert _ours(hub) == {path: content for path, content in PUBLISHED.items() if path != "incoming/b"}
    (drop / "d" / "c").unlink()
    hub.fail("commit", Fault(RetryableError("429: slow down", retry_after_s=100.0)))
    with engine.running() as running:
        running.go_on(20.0)
        drop.rename(tmp_path / "old")
        running.go_on(400.0)
    assert "incoming/d/c" in hub.repo.files


@pytest.mark.parametrize("poll_s", [1.0, 1_000.0])  # noticed before the delete goes, or not
def test_a_delete_that_was_put_off_is_dropped_when_the_root_is_replaced(
    tmp_path: Path, drop: Path, poll_s: float
) -> None:
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror", poll_s=poll_s)], hub)
    engine.sync()
    (drop / "d" / "c").unlink()
    hub.fail("commit", Fault(RetryableError("429: slow down", retry_after_s=100.0)))
    with engine.running() as running:
        running.go_on(20.0)
        drop.rename(tmp_path / "old")
        fill(drop, {"other": b"other"})
        running.go_on(400.0)
    assert hub.repo.files == {**PUBLISHED, "incoming/other": b"other"}


@pytest.mark.parametrize("is_busy", [False, True])  # others commit all the time
def test_a_delete_that_was_put_off_leaves_what_somebody_put_in_the_place_meanwhile(
    tmp_path: Path, drop: Path, *, is_busy: bool
) -> None:
    engine, hub = _published(tmp_path, drop)

    def theirs(path: str) -> None:
        hub.repo.apply("", "theirs", {path: b"theirs"}, [])

    with engine.running() as running:
        running.go_on(20.0)
        if is_busy:
            for _ in range(2):
                theirs("elsewhere")
                fill(drop, {"new": b"%d" % len(hub.repo.commits)})
                running.worker._targets[0].rescan(engine.clock())
                running.go_on(20.0)
        (drop / "a").unlink()
        (drop / "b").unlink()
        hub.fail("commit", Fault(RetryableError("429: slow down", retry_after_s=100.0)))
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(20.0)
        theirs("incoming/a")
        running.go_on(400.0)
    assert hub.repo.files["incoming/a"] == b"theirs"
    assert "incoming/b" not in hub.repo.files


def test_a_file_whose_move_was_put_off_leaves_what_somebody_put_in_its_former_place(tmp_path: Path) -> None:
    drop, hub = tmp_path / "drop", FakeHub()
    fill(drop, {"a": b"old"})
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror", path_in_repo="{sha256:.8}/{name}")], hub)
    with engine.running() as running:
        running.go_on(20.0)
        [former] = hub.repo.files
        fill(drop, {"a": b"new"})
        hub.fail("commit", Fault(RetryableError("429: slow down", retry_after_s=100.0)))
        running.worker._targets[0].rescan(engine.clock())
        running.go_on(20.0)
        hub.repo.apply("", "theirs", {former: b"theirs"}, [])
        running.go_on(400.0)
    assert sorted(hub.repo.files.values()) == [b"new", b"theirs"]
    assert hub.repo.files[former] == b"theirs"


def test_an_unmounted_directory_below_the_root_that_cannot_be_listed_loses_nothing(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "d").chmod(0)
    try:
        with without_privileges():
            engine.sync()
    finally:
        (drop / "d").chmod(0o755)
    assert _ours(hub) == PUBLISHED


def test_what_leaves_the_filter_is_not_deleted(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    engine.targets = [target_spec(drop, on_delete="mirror", wanted=Filter(exclude=["a", "d/"]))]
    engine.sync()
    (drop / "a").unlink()
    shutil.rmtree(drop / "d")
    engine.sync()
    assert _ours(hub) == PUBLISHED


def test_a_target_that_leaves_the_configuration_deletes_nothing(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    fill(tmp_path / "other", {"x": b"x"})
    engine.targets = [target_spec(tmp_path / "other", on_delete="mirror")]
    shutil.rmtree(drop)
    engine.sync()
    assert _ours(hub) == {**PUBLISHED, "incoming/x": b"x"}


def test_what_somebody_else_put_at_the_path_is_not_deleted(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "a").unlink()
    hub.repo.apply("", "theirs", {"incoming/a": b"theirs"}, [])
    engine.sync()
    assert hub.repo.files["incoming/a"] == b"theirs"


def test_what_somebody_else_deleted_already_is_forgotten_without_a_commit(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "a").unlink()
    hub.repo.apply("", "theirs", {}, ["incoming/a"])
    engine.sync()
    assert len(hub.repo.commits) == 3
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head"]


def test_a_file_whose_upload_got_no_answer_is_deleted_when_it_goes(tmp_path: Path, drop: Path) -> None:
    hub = FakeHub()
    hub.fail("commit", lost_answer(), *[Fault(RetryableError("503"))] * 9)
    engine = Engine(tmp_path, [target_spec(drop, on_delete="mirror")], hub)
    hub.fail("head", None, *[Fault(RetryableError("503"))] * 9)
    engine.sync()
    assert hub.repo.files == PUBLISHED
    hub.script.clear()
    (drop / "a").unlink()
    engine.sync()
    assert hub.repo.files == {path: content for path, content in PUBLISHED.items() if path != "incoming/a"}


def test_a_delete_whose_answer_was_lost_is_not_sent_again(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    (drop / "a").unlink()
    hub.fail("commit", lost_answer())
    engine.sync()
    assert _ours(hub) == {path: content for path, content in PUBLISHED.items() if path != "incoming/a"}
    assert len(hub.repo.commits) == 3


def test_a_file_deleted_while_its_upload_may_still_land_leaves_no_orphan(tmp_path: Path, drop: Path) -> None:
    engine, hub = _published(tmp_path, drop)
    fill(drop, {"late": b"late"})
    hub.fail("commit", Fault(AmbiguousError("504"), late=True))
    with engine.running() as running:
        while not hub.late:
            running.turn()
        (drop / "late").unlink()
        running.go_on(20.0)
        hub.land()
        assert "incoming/late" in hub.repo.files
        running.go_on(600.0)
    assert _ours(hub) == PUBLISHED
