"""What a rename sends, by the local Hub's own count: nothing of a large file, and a small text once more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hf_watch.local_hub import LocalHub
from tests.running import environment, run

if TYPE_CHECKING:
    from pathlib import Path

REPO = ("dataset", "acme/drop")
LARGE_BYTES = 12 << 20
SMALL_BYTES = 20_000
WORDS_BYTES = 5_000  # what is said about files, and of which chunks they are made


def sent(hub: LocalHub, since: int) -> tuple[int, int]:
    """The bytes of all requests: those of commits, with what travels inside, and those of all others."""
    commits = [each.body_bytes for each in hub.requests[since:] if "/commit/" in each.path]
    return sum(commits), sum(each.body_bytes for each in hub.requests[since:]) - sum(commits)


@pytest.mark.parametrize("transfer", ["xet", "lfs"])
def test_a_rename_sends_nothing_of_a_large_file_and_a_small_text_once_more(tmp_path: Path, transfer: str) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "large.bin").write_bytes(large := os.urandom(LARGE_BYTES))
    (drop / "small.txt").write_bytes(small := os.urandom(SMALL_BYTES // 2).hex().encode())
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        env = environment(hub.url, tmp_path, **({"HF_HUB_DISABLE_XET": "1"} if transfer == "lfs" else {}))
        command = ["sync", str(drop), "hf://datasets/acme/drop", "--create-repo", "--on-delete", "mirror"]
        assert run([*command, "--state-dir", "state"], env, tmp_path).returncode == 0
        inside, outside = sent(hub, 0)
        assert SMALL_BYTES <= inside < 2 * SMALL_BYTES  # base64, and the rest of the commit
        assert outside >= LARGE_BYTES
        first, commits = len(hub.requests), len(hub.commits(*REPO))
        (drop / "large.bin").rename(drop / "renamed.bin")
        (drop / "small.txt").rename(drop / "renamed.txt")
        assert run([*command, "--state-dir", "state"], env, tmp_path).returncode == 0
        inside, outside = sent(hub, first)
        assert SMALL_BYTES <= inside < 2 * SMALL_BYTES
        assert outside < WORDS_BYTES
        assert len(hub.commits(*REPO)) == commits + 1
        assert sorted(hub.files(*REPO)) == [".gitattributes", "renamed.bin", "renamed.txt"]
        assert hub.read(*REPO, "renamed.bin") == large
        assert hub.read(*REPO, "renamed.txt") == small
