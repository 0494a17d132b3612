from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hf_watch.errors import AlreadyRunningError, LedgerError
from hf_watch.process import state_lock

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from hf_watch.process import state_lock
with state_lock.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    with (
        state_lock.held(tmp_path),
        pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
        state_lock.held(tmp_path),
    ):
        pass
    with state_lock.held(tmp_path):
        pass


def test_a_killed_holder_leaves_it_free_and_the_directory_is_private(tmp_path: Path) -> None:
    place = tmp_path / "a/state"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError, match=f"process {holder.pid}"), state_lock.held(place):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with state_lock.held(place):
        assert place.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_kept_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="no state can be kept there"), state_lock.held(tmp_path / "file/state"):
        pass
