"""Receipts on the disk: a line a file, or a file beside each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hf_watch.afterwards.receipts import FileReceipt, Receipts
from hf_watch.errors import LedgerError

if TYPE_CHECKING:
    from pathlib import Path


def receipt(path: Path) -> FileReceipt:
    return FileReceipt(
        target="drop", path=str(path), sha256="ab" * 32, size_bytes=3, repo="hf://datasets/acme/drop@main",
        repo_path="incoming/a", commit="c0", url="https://hub.example/commit/c0", at="2026-01-01T00:00:00.000+00:00",
    )  # fmt: skip


def test_each_file_is_a_line(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts.jsonl")
    for name in ("a", "b"):
        receipts.note("jsonl", [receipt(tmp_path / name)])
    lines = [json.loads(line) for line in (tmp_path / "receipts.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert lines[0] == {
        "target": "drop", "path": str(tmp_path / "a"), "sha256": "ab" * 32, "bytes": 3,
        "repo": "hf://datasets/acme/drop@main", "repo_path": "incoming/a", "commit": "c0",
        "url": "https://hub.example/commit/c0", "at": "2026-01-01T00:00:00.000+00:00",
    }  # fmt: skip


def test_a_line_that_a_loss_of_power_cut_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "receipts.jsonl"
    file.write_text('{"target": "dr')
    Receipts(file).note("jsonl", [receipt(tmp_path / "a")])
    assert json.loads(file.read_text().splitlines()[1])["target"] == "drop"


def test_a_receipt_that_cannot_be_kept_stops_the_record(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="receipts cannot be kept"):
        Receipts(tmp_path / "missing" / "receipts.jsonl").note("jsonl", [receipt(tmp_path / "a")])


def test_a_receipt_lies_beside_its_file(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts.jsonl")
    for _ in range(2):
        receipts.note("sidecar", [receipt(tmp_path / "a")])
    assert json.loads((tmp_path / "a.hf-watch.json").read_text())["commit"] == "c0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hf-watch.json"]


def test_a_directory_that_takes_no_sidecar_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    asked = [receipt(tmp_path / "a"), receipt(tmp_path / "file" / "a")]
    refused = Receipts(tmp_path / "receipts.jsonl").note("sidecar", asked)
    assert list(refused) == [1]
    assert (tmp_path / "a.hf-watch.json").exists()


def test_off_keeps_none(tmp_path: Path) -> None:
    Receipts(tmp_path / "receipts.jsonl").note("off", [receipt(tmp_path / "a")])
    assert list(tmp_path.iterdir()) == []
