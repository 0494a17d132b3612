"""Where files go by `path_in_repo`, and what becomes of two that go to one place."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hf_watch.disk.reading import digest_of
from hf_watch.errors import RetryableError
from tests.disk import fill
from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer

if TYPE_CHECKING:
    from pathlib import Path

A_DAY_NS = 24 * 3600 * 1_000_000_000
SECOND_OF_MAY_NS = int(datetime(2025, 5, 2, tzinfo=UTC).timestamp()) * 1_000_000_000


def engine(tmp_path: Path, path_in_repo: str, **changes: object) -> Engine:
    (tmp_path / "drop").mkdir(exist_ok=True)
    (tmp_path / "drop" / ".anchor").touch()  # an empty root is a case of its own
    return Engine(tmp_path, [target_spec(tmp_path / "drop", path_in_repo=path_in_repo, **changes)], FakeHub())


def held(engine: Engine) -> dict[str, bytes]:
    assert isinstance(engine.hub, FakeHub)
    return engine.hub.repo.files


def commits(engine: Engine) -> int:
    assert isinstance(engine.hub, FakeHub)
    return len(engine.hub.repo.commits)


def sha(content: bytes) -> str:
    return digest_of(content).sha256.hex()


def set_age(file: Path, mtime_ns: int) -> None:
    os.utime(file, ns=(mtime_ns, mtime_ns))


def test_files_go_where_the_template_says(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{host}/{target}/{parent}/{mtime:%Y/%m/%d}/{stem}-{sha256:.8}{suffix}")
    fill(tmp_path / "drop", {"run/a.tar.gz": b"1", "b": b"2"})
    for name in ("run/a.tar.gz", "b"):
        set_age(tmp_path / "drop" / name, SECOND_OF_MAY_NS)
    drop.sync()
    assert held(drop) == {
        f"incoming/here/drop/run/2025/05/02/a.tar-{sha(b'1')[:8]}.gz": b"1",
        f"incoming/here/drop/2025/05/02/b-{sha(b'2')[:8]}": b"2",
    }
    drop.sync()
    assert commits(drop) == 1


def test_a_name_that_the_template_leaves_out_need_not_be_one_the_hub_can_hold(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{sha256}")
    (tmp_path / "drop" / os.fsdecode(b"\xff")).write_bytes(b"1")
    assert not drop.sync().gave_up
    assert held(drop) == {f"incoming/{sha(b'1')}": b"1"}


@pytest.mark.parametrize("path_in_repo", ["{now:%Y-%m-%d}/{name}", "{mtime:%Y-%m-%d}/{name}"])
def test_a_content_keeps_its_place_when_time_goes_on_or_the_file_is_touched(tmp_path: Path, path_in_repo: str) -> None:
    drop = engine(tmp_path, path_in_repo)
    drop.wall_clock_ns = lambda: SECOND_OF_MAY_NS
    fill(tmp_path / "drop", {"a": b"1"})
    set_age(tmp_path / "drop" / "a", SECOND_OF_MAY_NS)
    drop.sync()
    drop.wall_clock_ns = lambda: SECOND_OF_MAY_NS + A_DAY_NS
    set_age(tmp_path / "drop" / "a", SECOND_OF_MAY_NS + A_DAY_NS)
    drop.sync()
    drop.verify = True
    drop.sync()
    assert held(drop) == {"incoming/2025-05-02/a": b"1"}
    (tmp_path / "drop" / "a").write_bytes(b"2")
    set_age(tmp_path / "drop" / "a", SECOND_OF_MAY_NS + A_DAY_NS)
    drop.sync()
    assert held(drop) == {"incoming/2025-05-02/a": b"1", "incoming/2025-05-03/a": b"2"}


@pytest.mark.parametrize("fault", [lost_answer(), Fault(RetryableError("503: Service Unavailable"))])
def test_a_content_whose_commit_is_in_doubt_keeps_its_place(tmp_path: Path, fault: Fault) -> None:
    drop = engine(tmp_path, "{now:%Y-%m-%d}/{name}")
    drop.wall_clock_ns = lambda: SECOND_OF_MAY_NS
    fill(tmp_path / "drop", {"a": b"1"})
    assert isinstance(drop.hub, FakeHub)
    drop.hub.fail("commit", fault)
    with drop.running() as running:
        running.turn(6)  # killed before it could try again
    drop.wall_clock_ns = lambda: SECOND_OF_MAY_NS + A_DAY_NS
    drop.sync()
    assert held(drop) == {"incoming/2025-05-02/a": b"1"}


def test_what_was_removed_from_the_hub_comes_back_where_it_was(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{now:%Y-%m-%d}/{name}")
    drop.wall_clock_ns = lambda: SECOND_OF_MAY_NS
    fill(tmp_path / "drop", {"a": b"1"})
    drop.sync()
    assert isinstance(drop.hub, FakeHub)
    drop.hub.repo.apply("", "theirs", {}, ["incoming/2025-05-02/a"])
    drop.wall_clock_ns = lambda: SECOND_OF_MAY_NS + A_DAY_NS
    drop.sync()
    assert held(drop) == {"incoming/2025-05-02/a": b"1"}


def test_where_deletes_are_kept_former_contents_stay(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{sha256:.8}/{name}")
    for content in (b"1", b"2"):
        fill(tmp_path / "drop", {"a": content})
        drop.sync()
    assert held(drop) == {f"incoming/{sha(content)[:8]}/a": content for content in (b"1", b"2")}


def test_where_deletes_are_mirrored_the_former_content_goes_with_the_same_commit(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{sha256:.8}/{name}", on_delete="mirror")
    for content in (b"1", b"2", b"1"):
        fill(tmp_path / "drop", {"a": content})
        drop.sync()
        assert held(drop) == {f"incoming/{sha(content)[:8]}/a": content}
    assert commits(drop) == 3


def test_a_former_place_that_somebody_else_took_is_left_alone(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{sha256:.8}/{name}", on_delete="mirror")
    fill(tmp_path / "drop", {"a": b"1"})
    drop.sync()
    place = f"incoming/{sha(b'1')[:8]}/a"
    assert isinstance(drop.hub, FakeHub)
    drop.hub.repo.apply("", "theirs", {place: b"theirs"}, [])
    fill(tmp_path / "drop", {"a": b"2"})
    drop.sync()
    assert held(drop) == {place: b"theirs", f"incoming/{sha(b'2')[:8]}/a": b"2"}


def test_files_with_one_content_share_its_place_until_the_last_one_goes(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{sha256:.8}", on_delete="mirror")
    fill(tmp_path / "drop", {"a": b"1", "b": b"1", "c": b"1"})
    assert not drop.sync().gave_up
    place = f"incoming/{sha(b'1')[:8]}"
    for name in ("b", "a"):
        (tmp_path / "drop" / name).unlink()
        drop.sync()
        assert held(drop) == {place: b"1"}
    (tmp_path / "drop" / "c").unlink()
    drop.sync()
    assert held(drop) == {}


def test_of_two_files_with_one_repo_path_neither_is_published_and_both_are_named(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{name}")
    fill(tmp_path / "drop", {"x/a": b"1", "y/a": b"2", "z/b": b"3"})
    with capture_logs() as logs:
        assembled = drop.sync()
    assert held(drop) == {"incoming/b": b"3"}
    x, y = str(tmp_path / "drop" / "x/a"), str(tmp_path / "drop" / "y/a")
    assert assembled.gave_up.keys() == {x, y}
    said = {each["path"]: each["reason"] for each in logs if each["event"] == "path.quarantined"}
    assert said == {
        "x/a": f"{y} maps to the same repo path incoming/a",
        "y/a": f"{x} maps to the same repo path incoming/a",
    }


def test_a_file_that_clashes_with_a_published_one_leaves_it_as_it_is(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{name}")
    fill(tmp_path / "drop", {"x/a": b"1"})
    drop.sync()
    fill(tmp_path / "drop", {"y/a": b"2"})
    assert drop.sync().gave_up.keys() == {str(tmp_path / "drop" / "y/a")}
    assert held(drop) == {"incoming/a": b"1"}


@pytest.mark.parametrize("on_delete", ["keep", "mirror"])
def test_when_a_file_goes_the_one_that_clashed_with_it_is_published(tmp_path: Path, on_delete: str) -> None:
    drop = engine(tmp_path, "{name}", on_delete=on_delete)
    fill(tmp_path / "drop", {"x/a": b"1", "y/a": b"2"})
    drop.sync()
    (tmp_path / "drop" / "x/a").unlink()
    assert not drop.sync().gave_up
    assert held(drop) == {"incoming/a": b"2"}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("newer", ["x", "y"])
def test_the_newest_is_published_where_that_is_asked_for(tmp_path: Path, newer: str, apart: bool) -> None:
    drop = engine(tmp_path, "{name}", on_clash="newest")
    for age, place in enumerate(sorted(("x", "y"), key=lambda each: each == newer)):
        fill(tmp_path / "drop", {f"{place}/a": place.encode()})
        set_age(tmp_path / "drop" / place / "a", SECOND_OF_MAY_NS + age)
        if apart:
            drop.sync()
    gave_up = drop.sync().gave_up
    older = tmp_path / "drop" / ("y" if newer == "x" else "x") / "a"
    assert gave_up == {
        str(older): f"{tmp_path / 'drop' / newer / 'a'} is newer and maps to the same repo path incoming/a"
    }
    assert held(drop) == {"incoming/a": newer.encode()}
    (tmp_path / "drop" / newer / "a").unlink()
    assert not drop.sync().gave_up
    assert held(drop) == {"incoming/a": older.parent.name.encode()}


def test_a_rename_that_keeps_the_repo_path_changes_nothing_on_the_hub(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{name}", on_delete="mirror")
    fill(tmp_path / "drop", {"x/a": b"1", "y/b": b"2"})
    drop.sync()
    (tmp_path / "drop" / "x/a").rename(tmp_path / "drop" / "y/a")
    drop.sync()
    drop.sync()
    assert held(drop) == {"incoming/a": b"1", "incoming/b": b"2"}
    assert commits(drop) == 1


def test_another_template_publishes_everything_anew_and_deletes_nothing(tmp_path: Path) -> None:
    drop = engine(tmp_path, "{relpath}", on_delete="mirror")
    fill(tmp_path / "drop", {"x/a": b"1"})
    drop.sync()
    drop.targets = [target_spec(tmp_path / "drop", path_in_repo="{name}", on_delete="mirror")]
    drop.sync()
    assert held(drop) == {"incoming/x/a": b"1", "incoming/a": b"1"}
