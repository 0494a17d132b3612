"""How far a file was read, as the kernel tells it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hf_watch.hub import positions

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_what_another_descriptor_has_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1_000)
    other = tmp_path / "g"
    other.write_bytes(b"y" * 1_000)
    with path.open("rb") as ours, other.open("rb") as elsewhere:
        inode = os.fstat(ours.fileno()).st_ino
        ours.read()
        os.read(elsewhere.fileno(), 900)
        assert positions.read_bytes(ours.fileno(), inode) is None
        with open(f"/dev/fd/{ours.fileno()}", "rb", buffering=0) as theirs:  # noqa: PTH123  as the client opens it
            theirs.read(300)
            assert positions.read_bytes(ours.fileno(), inode) == 300
            assert positions.read_bytes(ours.fileno(), inode + 1) is None, "another file has taken the number"
    assert positions.read_bytes(9_999, inode) is None
