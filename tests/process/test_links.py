"""`--symlinks follow` with the real command: what links lead to is published as it changes, nothing from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_watch.local_hub import LocalHub
from tests.contents import contents
from tests.eventually import eventually
from tests.running import environment, running

if TYPE_CHECKING:
    from pathlib import Path

REPO = ("dataset", "acme/drop")
NO_RESCAN = ["--rescan-s", "100000", "--poll-s", "100000"]


def point(link: Path, aim: str) -> None:
    spare = link.with_name("spare.tmp")
    spare.symlink_to(aim)
    spare.replace(link)


def test_links_are_followed_as_they_come_change_and_go(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    (drop / "runs" / "1").mkdir(parents=True)
    (drop / "runs" / "1" / "model").write_text("one")
    (tmp_path / "secret").write_text("secret")
    (drop / "best").symlink_to("latest/model")  # leads nowhere yet
    (drop / "runs" / "up").symlink_to("..")
    arguments = ["run", str(drop), "hf://datasets/acme/drop", "--create-repo", "--quiet-s", "0.1"]
    arguments += ["--symlinks", "follow", "--on-delete", "mirror", *NO_RESCAN]
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:

        def held() -> dict[str, str]:
            return {path: content.decode() for path, content in contents(hub, *REPO).items()}

        def holds(expected: dict[str, str]) -> None:
            eventually(lambda: held() == expected, f"the Hub holds {expected}")

        env = environment(hub.url, tmp_path)
        with running(arguments, env, tmp_path / "log") as daemon:
            eventually(lambda: daemon.published() >= 1, "the file itself is published")
            holds(files := {"runs/1/model": "one"})
            (drop / "latest").symlink_to("runs/1")
            holds(files | {"latest/model": "one", "best": "one"})
            (drop / "runs" / "1" / "model").write_text("better")
            holds(dict.fromkeys(("runs/1/model", "latest/model", "best"), "better"))
            (drop / "runs" / "2").mkdir()
            (drop / "runs" / "2" / "model").write_text("two")
            point(drop / "latest", "runs/2")
            holds(two := {"runs/1/model": "better", "runs/2/model": "two", "latest/model": "two", "best": "two"})
            point(drop / "best", "../secret")
            (drop / "latest").unlink()
            holds({path: content for path, content in two.items() if path != "latest/model"})
            assert daemon.stop() == 0
