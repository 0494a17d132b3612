"""`symlinks = "follow"`: what links inside the root lead to is published under their paths, nothing from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hf_watch.inspection.explain import Explainer, inside
from hf_watch.model import Change, ChangeKind, Gap
from tests.disk import fill
from tests.engine import DESTINATION, Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.engine import Running

RUNS = {"a": b"a", "runs/1/model": b"one", "runs/2/model": b"two", "runs/2/notes": b"notes"}
PUBLISHED = RUNS | {"latest/model": b"one", "best": b"one"}


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    fill(drop, RUNS)
    fill(tmp_path / "outside", {"model": b"secret"})
    (drop / "latest").symlink_to("runs/1")
    (drop / "best").symlink_to("latest/model")
    return drop


def engine(drop: Path, **changes: object) -> Engine:
    spec = target_spec(drop, **{"symlinks": "follow", "on_delete": "mirror", **changes})
    return Engine(drop.parent, [spec], FakeHub())


def held(done: Engine) -> Mapping[str, bytes]:
    assert isinstance(done.hub, FakeHub)
    return {path.removeprefix("incoming/"): content for path, content in done.hub.repo.files.items()}


def point(link: Path, aim: str) -> None:
    """As `ln -sfn` does, in one step."""
    spare = link.with_name("spare.tmp")
    spare.symlink_to(aim)
    spare.replace(link)


def told(running: Running, path: str, kind: ChangeKind = ChangeKind.ARRIVED) -> None:
    """What the watch says, which follows no link."""
    running.hint(Change(path, kind, running.clock()))
    running.go_on(5.0)


def test_what_links_lead_to_is_published_under_their_paths_and_not_read_again(drop: Path) -> None:
    done = engine(drop)
    done.sync()
    assert held(done) == PUBLISHED
    assert isinstance(done.hub, FakeHub)
    commits = len(done.hub.repo.commits)
    done.sync()
    assert len(done.hub.repo.commits) == commits


def test_links_are_ignored_unless_they_are_to_be_followed(drop: Path) -> None:
    done = engine(drop, symlinks="ignore")
    done.sync()
    assert held(done) == RUNS


def test_what_changes_at_the_end_of_a_link_is_published_under_every_path_of_it(drop: Path) -> None:
    done = engine(drop)
    with done.running() as running:
        running.go_on(5.0)
        fill(drop, {"runs/1/model": b"better", "runs/1/new": b"new"})
        told(running, "runs/1/model", ChangeKind.CLOSED)
        told(running, "runs/1/new", ChangeKind.CLOSED)
    better = dict.fromkeys(("runs/1/model", "latest/model", "best"), b"better")
    assert held(done) == PUBLISHED | better | {"runs/1/new": b"new", "latest/new": b"new"}


def test_a_link_that_changes_takes_everything_behind_it_along(drop: Path) -> None:
    done = engine(drop)
    with done.running() as running:
        running.go_on(5.0)
        point(drop / "latest", "runs/2")
        told(running, "latest")
        assert held(done) == PUBLISHED | {"latest/model": b"two", "best": b"two", "latest/notes": b"notes"}
        point(drop / "latest", "runs/1")
        told(running, "latest")
        assert held(done) == PUBLISHED


def test_what_a_link_waits_for_is_published_when_it_comes(drop: Path) -> None:
    (drop / "next").symlink_to("runs/3")
    (drop / "final").symlink_to("runs/3/model")
    done = engine(drop)
    with done.running() as running:
        running.go_on(5.0)
        assert held(done) == PUBLISHED
        fill(drop, {"runs/3/model": b"three"})
        running.hint(Gap("runs/3", "new directory", running.clock()))
        running.go_on(5.0)
    assert held(done) == PUBLISHED | dict.fromkeys(("runs/3/model", "next/model", "final"), b"three")


@pytest.mark.parametrize("aim", ["../outside/model", "nowhere"])
def test_what_a_link_does_not_lead_to_any_more_stays_on_the_hub(drop: Path, aim: str) -> None:
    done = engine(drop)
    with done.running() as running:
        running.go_on(5.0)
        point(drop / "best", aim)
        point(drop / "latest", aim.removesuffix("/model"))
        for path in ("best", "latest"):
            told(running, path)
        running.go_on(700.0)
    done.sync()
    assert held(done) == PUBLISHED


def test_a_link_that_goes_is_a_deleted_file(drop: Path) -> None:
    done = engine(drop)
    with done.running() as running:
        running.go_on(5.0)
        for path in ("best", "latest"):
            (drop / path).unlink()
            told(running, path, ChangeKind.GONE)
        running.go_on(30.0)
    assert held(done) == RUNS


def test_no_longer_following_links_deletes_nothing(drop: Path) -> None:
    done = engine(drop)
    done.sync()
    done.targets = [target_spec(drop, on_delete="mirror")]
    done.sync()
    (drop / "runs/1/model").unlink()
    done.sync()
    assert held(done) == {path: content for path, content in PUBLISHED.items() if path != "runs/1/model"}


def test_a_file_that_takes_a_links_place_and_a_link_that_takes_a_files_are_published(drop: Path) -> None:
    done = engine(drop)
    done.sync()
    (drop / "best").unlink()
    (drop / "best").write_bytes(b"itself")
    (drop / "a").unlink()
    (drop / "a").symlink_to("runs/2/model")
    done.sync()
    assert held(done) == PUBLISHED | {"best": b"itself", "a": b"two"}
    (drop / "latest").unlink()
    (drop / "latest").write_bytes(b"a file")
    done.sync()
    assert held(done) == {"latest": b"a file", "best": b"itself"} | RUNS | {"a": b"two"}


def test_a_linked_directory_is_a_group_like_any_other(drop: Path) -> None:
    point(drop / "latest", "runs/2")
    done = engine(drop, group="directory")
    done.sync()
    assert held(done) == PUBLISHED | {"latest/model": b"two", "best": b"two", "latest/notes": b"notes"}
    assert isinstance(done.hub, FakeHub)
    together = {"incoming/latest/model", "incoming/latest/notes"}
    assert [together <= commit.added.keys() for commit in done.hub.repo.commits if together & commit.added.keys()] == [
        True
    ]


def test_only_the_file_itself_is_moved_to_quarantine_never_what_a_link_leads_to(drop: Path) -> None:
    fill(drop, {"runs/1/bad": b"?"})
    (drop / "bad").symlink_to("a")
    aside = drop.parent / "aside"
    done = engine(drop, quarantine_dir=str(aside))
    done.hub = FakeHub(bad=lambda path: path.endswith("/bad"))
    done.sync()
    done.sync()
    moved = {str(path.relative_to(aside)) for path in aside.rglob("*") if path.is_file()}
    assert moved == {"runs/1/bad", "runs/1/bad.reason.json"}
    assert (drop / "bad").read_bytes() == b"a"
    assert held(done) == PUBLISHED


def explained(done: Engine, path: str) -> tuple[str, str]:
    with done.ledger_of(done.state_dir / "ledger.sqlite3") as ledger:
        root = ledger.roots.of(DESTINATION, done.targets[0].source, done.targets[0].mapping.key)
        found = Explainer(done.targets[0], ledger, root, None, 0).explain(path)
        return found.disk, found.verdict


def test_it_is_explained_where_a_link_leads_and_why_it_is_left_out(drop: Path) -> None:
    (drop / "out").symlink_to("../outside/model")
    done = engine(drop)
    done.sync()
    disk, verdict = explained(done, "latest/model")
    assert "by a link to runs/1/model" in disk
    assert verdict == "published; nothing is to be done"
    astray = "a link that leads nowhere, out of the watched directory, or in a circle"
    assert explained(done, "out")[1] == f"not published: {astray}"
    point(drop / "best", "nowhere")
    assert explained(done, "best")[1] == f"what the Hub holds stays there: {astray}"
    done.targets = [target_spec(drop)]
    assert explained(done, "out")[1] == 'not published: a link, and symlinks = "ignore"'
    assert inside(target_spec(drop, symlinks="follow"), str(drop / "latest/model")) == "latest/model"
    assert inside(target_spec(drop), str(drop / "latest/model")) == "runs/1/model"
