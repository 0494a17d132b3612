"""What tests do to a watched root."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

CAPABILITY_VERSION_3 = 0x20080522


def fill(root: Path, files: Mapping[str, bytes]) -> None:
    """Write the files, with the directories that they need."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def taking_turns(place: Path, aims: Sequence[Path], make: Callable[[Path, Path], None]) -> Iterator[None]:
    """Another thread that puts what `make` makes of each aim at `place`, in one step each, without a rest."""
    over = threading.Event()

    def put() -> None:
        for aim in cycle(aims):
            if over.is_set():
                return
            spare = place.with_name("spare.tmp")
            make(aim, spare)
            spare.replace(place)

    thread = threading.Thread(target=put)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def numbered(count: int) -> dict[str, bytes]:
    """So many small files, each with a content of its own."""
    return {f"{number:04}.txt": str(number).encode() for number in range(count)}


@contextmanager
def without_privileges() -> Iterator[None]:
    """Let permissions count for root too, on this thread: its capabilities are not in effect meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    held, none = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    _checked(libc.capget(header, held))
    none[:] = [0, held[1], held[2], 0, held[4], held[5]]
    _checked(libc.capset(header, none))
    try:
        yield
    finally:
        _checked(libc.capset(header, held))


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "capabilities")
