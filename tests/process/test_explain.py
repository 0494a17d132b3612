"""`config --example` begins well, and `explain` tells of a path with and without a daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.disk import fill
from tests.eventually import eventually
from tests.running import environment, run
from tests.steered import Place

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.local_hub import LocalHub

PUBLISHED = "watching: it was published at incoming/a.txt with commit "


def test_the_starter_configuration_passes_check(tmp_path: Path, hub: LocalHub) -> None:
    env = environment(hub.url, tmp_path)
    (tmp_path / "hf-watch.toml").write_bytes(run(["config", "--example"], env, tmp_path).stdout)
    (tmp_path / "drop").mkdir()
    checked = run(["check"], env, tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_path_is_explained_with_and_without_a_daemon(tmp_path: Path, hub: LocalHub) -> None:
    (tmp_path / "home").mkdir()
    place = Place(tmp_path / "home", hub)

    def explained(name: str) -> dict[str, Any]:
        path = str(place.drop / name)
        told = place.say("explain", path, str(place.drop), "hf://datasets/acme/drop/incoming", "--json")
        assert told.returncode == 0, told.stderr
        [found] = json.loads(told.stdout)["targets"]
        return dict(found)

    fill(place.drop, {"a.txt": b"1", "b.tmp": b"2"})
    with place.running():
        eventually(
            lambda: (explained("a.txt")["running"] or "").startswith(PUBLISHED), "the daemon knows that it is published"
        )
        done = explained("a.txt")
        assert done["verdict"].startswith("published;")
        assert done["hub"] == "it holds this content"
        assert place.say("pause").returncode == 0
        fill(place.drop, {"c.txt": b"3"})
        eventually(lambda: explained("c.txt")["running"] == "paused: it waits: it was paused", "the daemon knows of it")
        assert "resume drop" in explained("c.txt")["verdict"]
        assert explained("b.tmp")["running"] == "paused: nothing is known of it"
    assert explained("a.txt") == {**done, "running": None}
    assert "resume drop" in explained("c.txt")["verdict"], "a pause outlives the daemon"
    text = place.say("explain", str(place.drop / "a.txt"), str(place.drop), "hf://datasets/acme/drop/incoming").stdout
    assert text.splitlines()[-1] == b"  so:      published; nothing is to be done"
    hidden = explained("b.tmp")
    assert "built-in list" in hidden["rule"]
    assert hidden["verdict"].startswith("not published")
    elsewhere = place.say("explain", str(tmp_path), str(place.drop), "hf://datasets/acme/drop/incoming")
    assert elsewhere.returncode == 1
    assert b"no watched directory" in elsewhere.stderr
