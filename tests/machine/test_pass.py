"""One pass of a destination over real files, against the fake Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine import Engine, target_spec
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from pathlib import Path


def _fill(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_everything_present_is_published_in_one_commit(tmp_path: Path) -> None:
    files = {"a.txt": b"a", "sub/b.txt": b"b", "sub/deeper/empty": b""}
    _fill(tmp_path / "drop", files)
    hub = FakeHub()
    Engine(tmp_path, [target_spec(tmp_path / "drop")], hub).sync()
    assert hub.repo.files == {f"incoming/{name}": content for name, content in files.items()}
    assert [commit.message for commit in hub.repo.commits] == ["Add 3 files under incoming/"]


def test_a_second_pass_over_unchanged_files_asks_for_nothing_but_the_start_up_probes(tmp_path: Path) -> None:
    _fill(tmp_path / "drop", {"a.txt": b"a", "b.txt": b"b"})
    hub = FakeHub()
    engine = Engine(tmp_path, [target_spec(tmp_path / "drop")], hub)
    engine.sync()
    hub.calls.clear()
    engine.sync()
    assert hub.calls == ["check_write", "head"]
