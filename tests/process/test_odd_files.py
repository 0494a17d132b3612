"""Odd files end to end: the real watch, the real client, the local Hub."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.contents import contents
from tests.disk import fill
from tests.eventually import eventually
from tests.running import environment, running

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.local_hub import LocalHub

DEST = "hf://datasets/acme/drop"
QUICK = ["--quiet-s", "0.2", "--create-repo"]


@pytest.fixture(name="drop")
def _drop(tmp_path: Path) -> Path:
    fill(tmp_path / "drop", {"other": b"other"})
    return tmp_path / "drop"


def _held(hub: LocalHub) -> dict[str, bytes]:
    return contents(hub, "dataset", "acme/drop")


def _on_disk(drop: Path) -> dict[str, bytes]:
    return {str(path.relative_to(drop)): path.read_bytes() for path in drop.rglob("*") if path.is_file()}


def test_a_mirror_follows_a_path_from_file_to_directory_and_back(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    fill(drop, {"x": b"a file"})
    with running(
        ["run", str(drop), DEST, *QUICK, "--on-delete", "mirror"], environment(hub.url, tmp_path), tmp_path / "log"
    ) as daemon:
        eventually(lambda: _held(hub) == _on_disk(drop), "the file")
        for _ in range(2):
            (drop / "x").unlink()
            fill(drop, {"x/y": b"inside", "x/deep/z": b"deeper"})
            eventually(lambda: _held(hub) == _on_disk(drop), "the directory")
            shutil.rmtree(drop / "x")
            fill(drop, {"x": b"a file again"})
            eventually(lambda: _held(hub) == _on_disk(drop), "the file again")
        assert not daemon.events("path.quarantined")
        assert daemon.stop() == 0


def test_names_of_all_kinds_arrive_byte_for_byte(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    names = [
        "n" * 255,
        "é" * 127,
        "/".join(["d" * 200] * 10) + "/f",
        "new\nline",
        "e\u0301",
        "\u00e9",
        "A",
        "a",
        "#%3F",
    ]
    with running(["run", str(drop), DEST, *QUICK], environment(hub.url, tmp_path), tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        fill(drop, {name: name.encode() for name in names})
        (drop / os.fsdecode(b"latin-\xe9")).write_bytes(b"x")
        daemon.wait_for("path.quarantined")
        expected = {"other": b"other", **{name: name.encode() for name in names}}
        eventually(lambda: _held(hub) == expected, "all names")
        assert [each["path"] for each in daemon.events("path.quarantined")] == ["latin-\\udce9"]
        assert daemon.stop() == 0


def test_directories_in_one_breath_moves_and_tools(hub: LocalHub, drop: Path, tmp_path: Path) -> None:
    fill(tmp_path / "tree", {f"{letter}/{number}": letter.encode() for letter in "abc" for number in range(10)})
    arguments = ["run", str(drop), DEST, *QUICK, "--on-delete", "mirror"]
    with running(arguments, environment(hub.url, tmp_path), tmp_path / "log") as daemon:
        daemon.wait_for("service.started")
        for number in range(30):
            (drop / f"m{number}" / "k" / "d").mkdir(parents=True)
            (drop / f"m{number}" / "k" / "d" / "f").write_bytes(str(number).encode())
        (tmp_path / "tree").rename(drop / "tree")
        partial = drop / ".data.bin.a1B2c3"
        partial.write_bytes(b"half")
        partial.write_bytes(b"whole")
        partial.rename(drop / "data.bin")
        shutil.copytree(drop / "tree", drop / "copied", copy_function=shutil.copy2)
        eventually(lambda: _held(hub) == _on_disk(drop), "everything")
        (drop / "tree").rename(tmp_path / "out")
        eventually(lambda: _held(hub) == _on_disk(drop), "a tree that was moved out")
        assert daemon.stop() == 0
