"""What `plan` says a pass would do, before one was made, after it, and where there is no repo yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hf_watch.cli.console import plan_json, plan_text
from hf_watch.errors import MissingRepoError
from hf_watch.inspection.preview import Estimate, Item, Preview, Previewer, estimate, inside_bytes, settle_clashes
from hf_watch.ledger.ledger import Ledger
from hf_watch.rules.forecast import Backlog, Forecast, forecast
from hf_watch.rules.pace import CommitSize, full_bucket
from hf_watch.rules.plan import Limits
from tests.disk import fill
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path


def _preview(tmp_path: Path, hub: FakeHub | None, *, create_repo: bool = False, on_delete: str = "keep") -> Preview:
    spec = target_spec(tmp_path / "drop", on_delete=on_delete)
    with Ledger(tmp_path / "ledger.sqlite3", read_only=True) as ledger:
        root = ledger.roots.known(DESTINATION, spec.source, spec.mapping.key)
        return Previewer(spec, ledger, root, hub, create_repo=create_repo).preview()


def test_it_says_what_a_pass_then_does(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1", "held": b"2", "x.tmp": b"", "d/b": b"3"})
    hub = FakeHub()
    hub.repo.files["incoming/held"] = b"2"
    found = _preview(tmp_path, hub)
    assert sorted((item.repo_path, item.reason) for item in found.uploads) == [
        ("incoming/a", "new"),
        ("incoming/d/b", "new"),
    ]
    assert [item.path for item in found.skips] == ["x.tmp"]
    assert found.unchanged == 1
    Engine(tmp_path, [target_spec(tmp_path / "drop")], hub).sync()
    assert hub.repo.commits[-1].added.keys() == {item.repo_path for item in found.uploads}
    assert _preview(tmp_path, hub).uploads == []


def test_after_a_pass_it_names_what_changed_and_what_would_be_deleted(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1", "b": b"2", "c": b"3"})
    hub = FakeHub()
    Engine(tmp_path, [target_spec(tmp_path / "drop", on_delete="mirror")], hub).sync()
    fill(tmp_path / "drop", {"a": b"other"})
    (tmp_path / "drop" / "b").unlink()
    found = _preview(tmp_path, None, on_delete="mirror")
    assert [(item.path, item.reason) for item in found.uploads] == [("a", "changed")]
    assert [(item.path, item.repo_path) for item in found.deletes] == [("b", "incoming/b")]
    assert _preview(tmp_path, None).deletes == []


def test_what_a_replaced_root_does_not_have_is_not_announced_as_deleted(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1", "b": b"2"})
    Engine(tmp_path, [target_spec(tmp_path / "drop", on_delete="mirror")], FakeHub()).sync()
    (tmp_path / "drop").rename(tmp_path / "aside")
    fill(tmp_path / "drop", {"a": b"1"})
    assert _preview(tmp_path, None, on_delete="mirror").deletes == []


def test_a_repo_that_will_be_created_holds_nothing_yet(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {"a": b"1"})
    hub = FakeHub()
    hub.exists = False
    assert len(_preview(tmp_path, hub, create_repo=True).uploads) == 1
    with pytest.raises(MissingRepoError, match="create_repo = true"):
        _preview(tmp_path, hub)


def test_a_root_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert _preview(tmp_path, FakeHub()).problem == "there is no directory at this path"


def test_no_name_reaches_the_terminal_raw(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    fill(drop, {"esc\x1b[2J": b"1", "two\nlines": b"2"})
    (drop / os.fsdecode(b"\xff")).write_bytes(b"")
    found = _preview(tmp_path, FakeHub())
    lines = list(plan_text([found], estimate([found], Forecast(1, 0.0, 0.0), 0.0), None))
    assert all(line.isprintable() for line in lines)
    assert "incoming/esc\\x1b[2J" in "".join(lines)
    uploads = plan_json([found], Estimate(2, 2, 1, 0.0, 0.0), None)["targets"][0]["upload"]
    assert {item["repo_path"] for item in uploads} == {"incoming/esc\x1b[2J", "incoming/two\nlines"}


def test_an_estimate_goes_by_files_bytes_and_pace(tmp_path: Path) -> None:
    fill(tmp_path / "drop", {f"{n}": b"12345" for n in range(10)})
    found = [_preview(tmp_path, None)]
    assert inside_bytes(found) == [5] * 10
    assert estimate(found, Forecast(4, 3.0, 7.0), 0.0) == Estimate(10, 50, 4, 3.0, 7.0)
    assert estimate(found, Forecast(4, 3.0, 7.0), 5.0).at_least_s == 10.0


@pytest.mark.parametrize("most_files", [0, 40])
@pytest.mark.parametrize(("per_hour", "spent_before"), [(0.0, 0), (60.0, 0), (60.0, 3)])
def test_a_backlog_takes_the_commits_and_the_time_that_were_forecast(
    tmp_path: Path, most_files: int, per_hour: float, spent_before: int
) -> None:
    fill(tmp_path / "drop", {f"{n:03}": b"%03d" % n for n in range(230)})
    hub = FakeHub()
    engine = Engine(
        tmp_path, [target_spec(tmp_path / "drop")], hub, limits=Limits(5, 100), most_files=most_files,
        per_hour=per_hour, burst=4.0, ages_s=[0.0] * spent_before,
    )  # fmt: skip
    bucket = full_bucket(per_hour, 4.0, engine.clock())
    for _ in range(spent_before):
        bucket = bucket.spent(engine.clock())
    found = [_preview(tmp_path, hub)]
    ahead = forecast([Backlog(inside_bytes(found), engine.size, 100)], bucket, engine.clock())
    began = engine.clock()
    engine.sync()
    assert len(hub.repo.commits) == ahead.commits
    assert engine.clock() - began == pytest.approx(ahead.last_s, abs=1.0)
    assert ahead.first_s == (0.0 if spent_before < 4 else 60.0)


def test_two_branches_make_commits_of_their_own_and_share_the_budget() -> None:
    one, size = [1] * 10, CommitSize(10, 10, 10)
    assert forecast([Backlog(one, size, 100)], full_bucket(60.0, 1.0, 0.0), 0.0) == Forecast(1, 0.0, 0.0)
    assert forecast([Backlog(one, size, 100)] * 2, full_bucket(60.0, 1.0, 0.0), 0.0) == Forecast(2, 0.0, 60.0)
    assert forecast([Backlog([], size, 100)], full_bucket(60.0, 1.0, 0.0).spent(0.0), 0.0) == Forecast(0, 0.0, 0.0)


@pytest.mark.parametrize("on_clash", ["set_aside", "newest"])
@pytest.mark.parametrize("published", [(), ("x/a",)])
def test_files_that_clash_are_named_as_a_pass_will(tmp_path: Path, on_clash: str, published: tuple[str, ...]) -> None:
    spec = target_spec(tmp_path / "drop", path_in_repo="{name}", on_clash=on_clash)
    hub = FakeHub()
    files = {"x/a": b"1", "y/a": b"2", "b": b"3"}
    fill(tmp_path / "drop", {name: files[name] for name in published})
    Engine(tmp_path, [spec], hub).sync()
    fill(tmp_path / "drop", {name: content for name, content in files.items() if name not in published})
    os.utime(tmp_path / "drop" / "y/a", ns=(1 << 62, 1 << 62))
    with Ledger(tmp_path / "ledger.sqlite3", read_only=True) as ledger:
        found = Previewer(spec, ledger, ledger.roots.known(DESTINATION, spec.source, spec.mapping.key), hub).preview()
    settle_clashes([(spec, found)])
    x, y = (str(tmp_path / "drop" / each / "a") for each in ("x", "y"))
    reasons = {"x/a": f"{y} maps to the same repo path incoming/a", "y/a": f"{x} maps to the same repo path incoming/a"}
    skipped = {"x/a", "y/a"} if on_clash == "set_aside" else {"x/a"}
    assert {item.path: item.reason for item in found.skips} == {
        path: reasons[path] for path in skipped if path not in published
    }
    assert {item.path for item in found.uploads} == {"b", "x/a", "y/a"} - skipped
    before = dict(hub.repo.files)
    Engine(tmp_path, [spec], hub).sync()
    assert {path: content for path, content in hub.repo.files.items() if before.get(path) != content} == {
        item.repo_path: files[item.path] for item in found.uploads
    }


def test_a_plan_is_in_the_order_of_its_paths_and_counts_what_it_leaves_out() -> None:
    preview = Preview("drop", "drop", [Item(f"{n:02}", f"{n:02}", 1, "new") for n in range(30, 0, -1)])
    lines = list(plan_text([preview], Estimate(30, 30, 1, 0.0, 0.0), None))
    assert [line.split()[1] for line in lines[1:21]] == [f"{n:02}" for n in range(1, 21)]
    assert lines[21] == "  upload  … and 10 more (--json lists them)"
    assert lines[-1] == "total: 30 files, 30 B, about 1 commit"
