"""Reading real files: what takes a file's place while it is opened, and who changes it while it is read."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from hf_watch.disk import opening, reading
from hf_watch.errors import NotSettledError
from tests.disk import taking_turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROBING = """
import os, sys
from hf_watch.disk import opening
fd = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(100_000):
    opening.writers(fd)
for _ in range(20_000):
    with opening.leased(fd):
        pass
"""
OPENING = """
import os, sys
while True:
    os.close(os.open(sys.argv[1], os.O_WRONLY))
"""
INLINE_BYTES = 1 << 20
OPENINGS = 30_000


@pytest.mark.timeout(60)  # without a writer, the open of a FIFO has no end
@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_takes_a_files_place_is_neither_waited_for_nor_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "root").mkdir()
    regular, other, outside = tmp_path / "regular", tmp_path / "other", tmp_path / "outside"
    regular.write_bytes(b"regular")
    outside.write_bytes(b"outside")
    if kind == "fifo":
        os.mkfifo(other)
    else:
        other.symlink_to(outside)
    place = tmp_path / "root" / "f"
    os.link(regular, place)
    seen = set()
    with taking_turns(place, (other, regular), partial(os.link, follow_symlinks=False)):
        for _ in range(OPENINGS):
            with opening.opened(str(tmp_path / "root"), "f") as fd:
                seen.add(None if fd is None else (stat.S_IFMT(os.fstat(fd).st_mode), os.fstat(fd).st_ino))
    assert seen <= {None, (stat.S_IFREG, regular.stat().st_ino)}


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(b"content")
    return tmp_path / "f"


def _read(file: Path, change: Callable[[], object], *, open_allowed: bool = False, inline_bytes: int) -> bytes | None:
    """What is read of the file when it is changed after the first look."""
    with opening.opened(str(file.parent), file.name) as fd:
        assert fd is not None
        before = opening.fingerprint(fd)
        change()
        return reading.read(fd, file.name, before, inline_bytes, open_allowed=open_allowed).content


@pytest.mark.parametrize("open_allowed", [False, True])
@pytest.mark.parametrize("inline_bytes", [0, INLINE_BYTES])
@pytest.mark.parametrize("change", ["longer", "as long", "other times", "replaced"])
def test_a_file_that_moved_since_the_first_look_is_not_taken(
    file: Path, change: str, inline_bytes: int, *, open_allowed: bool
) -> None:
    other = file.with_name("other")
    other.write_bytes(b"another")
    changes: dict[str, Callable[[], object]] = {
        "longer": lambda: file.write_bytes(b"content and more"),
        "as long": lambda: file.write_bytes(b"CONTENT"),
        "other times": lambda: os.utime(file, ns=(1, 1)),
        "replaced": lambda: other.replace(file),
    }
    with pytest.raises(NotSettledError, match="changed while it was read"):
        _read(file, changes[change], open_allowed=open_allowed, inline_bytes=inline_bytes)


@pytest.mark.parametrize("inline_bytes", [0, INLINE_BYTES])
def test_a_file_that_somebody_opened_since_the_first_look_is_taken_only_where_that_is_allowed(
    file: Path, inline_bytes: int
) -> None:
    with ExitStack() as writers:
        with pytest.raises(NotSettledError, match="a writer came"):
            _read(file, lambda: writers.enter_context(file.open("r+b")), inline_bytes=inline_bytes)
        assert _read(file, lambda: None, open_allowed=True, inline_bytes=INLINE_BYTES) == b"content"
    assert _read(file, lambda: None, inline_bytes=INLINE_BYTES) == b"content"


def test_whoever_opens_a_file_to_write_while_it_is_asked_about_ends_nobody(file: Path) -> None:
    """What the kernel tells the holder of a lease, whose default is to end the process, must not do so."""
    with subprocess.Popen([sys.executable, "-c", OPENING, str(file)]) as writer:
        try:
            probing = subprocess.run([sys.executable, "-c", PROBING, str(file)], check=False, timeout=120)
        finally:
            writer.kill()
    assert probing.returncode == 0
