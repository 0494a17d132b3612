"""Directories that files are moved to: none may be watched, none may hold what is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from hf_watch.errors import ConfigError
from hf_watch.settings import places
from hf_watch.settings.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

DEST = "hf://datasets/acme/drop"


def settings(*targets: dict[str, Any]) -> Settings:
    return Settings.model_validate({"target": [{"dest": DEST, **target} for target in targets]})


@pytest.mark.parametrize("key", ["archive_dir", "quarantine_dir"])
@pytest.mark.parametrize("place", ["drop", "drop/done", "drop/a/../done", ".", ""])
def test_a_directory_that_would_feed_the_source_or_hold_it_is_refused(tmp_path: Path, key: str, place: str) -> None:
    (tmp_path / "drop/a").mkdir(parents=True)
    found = settings({"source": str(tmp_path / "drop"), key: str(tmp_path / place)})
    with pytest.raises(ConfigError, match="lies inside"):
        places.check(found, {})


def test_an_archive_inside_another_target_is_refused(tmp_path: Path) -> None:
    found = settings(
        {"source": str(tmp_path / "a"), "after_upload": "archive", "archive_dir": str(tmp_path / "b/done")},
        {"source": str(tmp_path / "b")},
    )
    with pytest.raises(ConfigError, match=r"target\[1\]\.source"):
        places.check(found, {})


def test_an_archive_beside_the_source_is_fine(tmp_path: Path) -> None:
    place = str(tmp_path / "done")
    found = settings({"source": str(tmp_path / "drop"), "after_upload": "archive", "archive_dir": place})
    places.check(found, {"state_dir": tmp_path / "s"})


def test_what_one_target_takes_away_no_other_one_may_publish(tmp_path: Path) -> None:
    source = str(tmp_path)
    found = settings({"source": source, "after_upload": "delete"}, {"source": source, "dest": f"{DEST}/b"})
    with pytest.raises(ConfigError, match=r"target\[0\]\.after_upload = 'delete': another target publishes"):
        places.check(found, {})


def test_archiving_needs_a_place(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="needs archive_dir"):
        settings({"source": str(tmp_path), "after_upload": "archive"})
