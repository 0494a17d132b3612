"""How far the Hub's client has read a file that it was handed by its path, which it tells nobody but its own bars.

It opens the path anew, so the kernel keeps a position for it. What is read is sent soon after, for it reads no further
ahead than it can send.
"""

from __future__ import annotations

import os
from pathlib import Path

OPEN = Path("/proc/self/fd")
ABOUT = Path("/proc/self/fdinfo")


def read_bytes(fd: int, inode: int) -> int | None:
    """The furthest position that another descriptor of this process has in the file behind `fd`.

    None when there is no other: it was not begun to be read, or all of it was.

    From any thread. `fd` may be closed, or stand for another file, at any time: `inode` says which file is meant.
    """
    try:
        wanted = os.fstat(fd)
    except OSError:
        return None  # it is sent, and was closed
    if wanted.st_ino != inode:
        return None
    others = [each for each in OPEN.iterdir() if each.name != str(fd) and _is(each, wanted)]
    return max((_position(each.name) for each in others), default=None)


def _is(link: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(link.stat(), wanted)
    except OSError:
        return False  # it was closed meanwhile


def _position(name: str) -> int:
    try:
        text = (ABOUT / name).read_text("ascii")
    except OSError:
        return 0  # as above
    return int(text.split("pos:", 1)[1].split(maxsplit=1)[0])
