"""What `explain` says of a path is what a pass then does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import RetryableError
from hf_watch.inspection.explain import Explainer, Explanation, inside
from hf_watch.ledger.ledger import Ledger
from hf_watch.rules.filters import Filter, Sizes
from tests.disk import fill
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.targets.spec import TargetSpec


def explained(
    tmp_path: Path, spec: TargetSpec, path: str, hub: FakeHub | None = None, *, is_paused: bool = False
) -> Explanation:
    with Ledger(tmp_path / "ledger.sqlite3", read_only=True) as ledger:
        root = ledger.roots.known(DESTINATION, spec.source, spec.mapping.key)
        return Explainer(spec, ledger, root, hub, time.time_ns(), is_paused=is_paused).explain(path)


@pytest.mark.parametrize(
    ("path", "changes", "rule"),
    [
        ("x.tmp", {}, "built-in list"),
        (".h/a", {}, ".h/ is left out: hidden"),
        ("a.log", {"wanted": Filter(exclude=["*.log"])}, "excluded by '*.log'"),
        ("d/a", {"wanted": Filter(exclude=["d/"])}, "d/ is left out: excluded by 'd/'"),
        ("e/a", {}, "ignored by 'a' of e/.hfwatchignore"),
        ("large", {"sizes": Sizes(0, 3)}, "larger than max_size"),
    ],
)
def test_the_rule_that_leaves_a_file_out_is_named(
    tmp_path: Path, path: str, changes: dict[str, object], rule: str
) -> None:
    fill(tmp_path / "drop", {path: b"12345", "e/.hfwatchignore": b"a\n"})
    spec = target_spec(tmp_path / "drop", **changes)
    told = explained(tmp_path, spec, path)
    assert rule in told.rule
    assert told.verdict.startswith("not published")
    hub = FakeHub()
    Engine(tmp_path, [spec], hub).sync()
    assert told.repo_path not in hub.repo.files


@pytest.mark.parametrize("path_in_repo", ["{relpath}", "{sha256:.8}/{name}"])
def test_a_file_is_followed_from_new_to_gone(tmp_path: Path, path_in_repo: str) -> None:
    spec = target_spec(tmp_path / "drop", path_in_repo=path_in_repo, on_delete="mirror")
    hub = FakeHub()
    fill(tmp_path / "drop", {"a": b"1", "rest": b""})
    new = explained(tmp_path, spec, "a", hub)
    assert (new.ledger, new.hub) == ("nothing is known of it", "it holds nothing there")
    assert new.verdict == "published with the next commit"
    Engine(tmp_path, [spec], hub).sync()
    assert new.repo_path in hub.repo.files
    done = explained(tmp_path, spec, "a", hub)
    assert done.verdict == "published; nothing is to be done"
    assert done.hub == "it holds this content"
    (tmp_path / "drop" / "a").unlink()
    gone = explained(tmp_path, spec, "a", hub)
    assert gone.repo_path == new.repo_path
    assert gone.verdict.startswith("deleted on the Hub")


def test_it_tells_what_is_being_written_what_is_set_aside_and_what_the_hub_did_not_say(tmp_path: Path) -> None:
    spec = target_spec(tmp_path / "drop", path_in_repo="{name}", quiet_s=60.0)
    fill(tmp_path / "drop", {"x/a": b"1", "y/a": b"2", "b": b"3"})
    hub = FakeHub()
    hub.fail("paths_info", Fault(RetryableError("503: Service Unavailable")))
    with (tmp_path / "drop" / "b").open("ab"):
        told = explained(tmp_path, spec, "b", hub)
    assert told.verdict == "published when it is closed"
    assert told.hub == "not known: 503: Service Unavailable"
    assert explained(tmp_path, spec, "b").verdict == "published with the next commit, once it has settled"
    Engine(tmp_path, [target_spec(tmp_path / "drop", path_in_repo="{name}")], hub).sync()
    assert "maps to the same repo path" in explained(tmp_path, spec, "x/a").verdict


def test_it_tells_which_step_of_quiet_s_counts(tmp_path: Path) -> None:
    spec = target_spec(tmp_path / "drop", quiet_s={"0": 0, "1 kB": 60.0})
    fill(tmp_path / "drop", {"small": b"1", "large": b"1" * 1000})
    large = explained(tmp_path, spec, "large")
    assert large.disk.startswith("1000 bytes, settled in ")
    assert large.disk.endswith(" s (quiet_s = 60 from 1000 bytes on)")
    assert large.verdict == "published with the next commit, once it has settled"
    assert explained(tmp_path, spec, "small").disk == "1 byte, settled (quiet_s = 0 from 0 bytes on)"


def test_a_path_lies_in_a_root_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "drop", {"d/a": b""})
    (tmp_path / "link").symlink_to("drop")
    spec = target_spec(tmp_path / "link")
    monkeypatch.chdir(tmp_path / "drop")
    for path in ("d/a", "../link/d/a", str(tmp_path / "drop/d/a"), "d/../d/a"):
        assert inside(spec, path) == "d/a"
    for path in (".", "..", str(tmp_path), str(tmp_path / "drop-2/a")):
        assert inside(spec, path) is None


def test_a_paused_target_keeps_what_is_to_go_until_it_is_resumed(tmp_path: Path) -> None:
    spec = target_spec(tmp_path / "drop", on_delete="mirror")
    fill(tmp_path / "drop", {"a": b"1", "b": b"2"})
    Engine(tmp_path, [spec], FakeHub()).sync()
    fill(tmp_path / "drop", {"new": b"3"})
    (tmp_path / "drop" / "b").unlink()
    verdicts = {path: explained(tmp_path, spec, path, is_paused=True).verdict for path in ("a", "b", "new", "never")}
    kept = "it waits until `hf-watch resume drop`: the target is paused"
    assert verdicts == {
        "a": "published; nothing is to be done",
        "b": kept,
        "new": kept,
        "never": "there is nothing to be done",
    }


def test_what_somebody_else_did_on_the_hub_is_said(tmp_path: Path) -> None:
    spec, hub = target_spec(tmp_path / "drop"), FakeHub()
    fill(tmp_path / "drop", {"a": b"1", "b": b"2"})
    Engine(tmp_path, [spec], hub).sync()
    again = "published, but somebody else {} on the Hub since; `hf-watch sync --verify` publishes it again"
    hub.repo.files[explained(tmp_path, spec, "a").repo_path or ""] = b"another"
    del hub.repo.files[explained(tmp_path, spec, "b").repo_path or ""]
    assert explained(tmp_path, spec, "a", hub).verdict == again.format("changed it")
    assert explained(tmp_path, spec, "b", hub).verdict == again.format("deleted it")
    assert explained(tmp_path, spec, "a").verdict == "published; nothing is to be done"
