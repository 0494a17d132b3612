"""What the control socket's thread leaves behind when it ends: nothing."""

from __future__ import annotations

import gc
import socket
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from hf_watch.control import place
from tests.seat import Seat

if TYPE_CHECKING:
    from pathlib import Path

ENDS = 20


def test_a_connection_that_comes_as_the_server_ends_is_closed(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    for _ in range(ENDS):
        with warnings.catch_warnings(record=True) as left:
            warnings.simplefilter("always")
            _end_among_newcomers(Seat(tmp_path))
            gc.collect()
        assert [str(each.message) for each in left] == []


def _end_among_newcomers(seat: Seat) -> None:
    came = threading.Event()
    is_over = threading.Event()

    def come() -> None:
        while not is_over.is_set():
            with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.connect(short)
                came.set()

    thread = threading.Thread(target=come)
    try:
        with seat.serving(), place.found([seat.directory]) as short:
            thread.start()
            assert came.wait(60.0), "no connection came"
    finally:
        is_over.set()
        thread.join()
