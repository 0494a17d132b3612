"""What a rename sends: the content of a large file is not sent again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hf_watch.local_hub import LocalHub
from tests.running import environment, run

if TYPE_CHECKING:
    from pathlib import Path

SENT = ("/v1/xorbs/", "/objects/")  # where content goes that travels outside commits


def test_a_renamed_large_file_is_not_sent_again(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "large.bin").write_bytes(content := os.urandom(12 << 20))
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        env = environment(hub.url, tmp_path)
        command = ["sync", str(drop), "hf://datasets/acme/drop", "--create-repo", "--on-delete", "mirror"]
        assert run([*command, "--state-dir", "state"], env, tmp_path).returncode == 0
        first = len(hub.requests)
        assert [each for each in hub.requests if each.path.startswith(SENT[0])]
        (drop / "large.bin").rename(drop / "renamed.bin")
        assert run([*command, "--state-dir", "state"], env, tmp_path).returncode == 0
        sent = [each for each in hub.requests[first:] if any(place in each.path for place in SENT)]
        assert [each for each in sent if each.method in {"POST", "PUT"}] == []
        assert sorted(hub.files("dataset", "acme/drop")) == [".gitattributes", "renamed.bin"]
        assert hub.read("dataset", "acme/drop", "renamed.bin") == content
