"""systemd's watchdog: what hangs is started again, what only waits is left alone."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from hf_watch.local_hub.faults import Fault
from tests.eventually import eventually
from tests.systemd.serving import target

if TYPE_CHECKING:
    from tests.systemd.serving import Serving

LEDGER = "/var/lib/hf-watch/ledger.sqlite3"
WATCHDOG_S = 6  # far below the 30 s after which SQLite itself gives a lock up
IMPATIENT = f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=100ms\n"
OTHER = "/srv/other"


def _two_workers(serving: Serving) -> None:
    serving.install(target(), target(OTHER, "hf://datasets/acme/other/incoming"))
    serving.make_directory(OTHER)
    serving.drop_in("impatient", IMPATIENT)
    serving.start()
    serving.write("first.txt", b"first")
    serving.write("first.txt", b"first", OTHER)
    serving.wait_for("commit.recorded", 2)


def test_a_worker_that_hangs_while_the_other_lives_gets_the_service_restarted(serving: Serving) -> None:
    _two_workers(serving)
    first = serving.pid
    with serving.locked(LEDGER):
        serving.write("a.txt", b"a")
        [hung] = serving.wait_for("worker.hung")
        assert "acme/drop" in hung["HF_WATCH_DESTINATION"], "the other one had nothing to do"
        serving.wait_for_property("NRestarts", "1")
    eventually(lambda: serving.show("ActiveState") == "active" and serving.pid not in {0, first}, "it runs again")
    told = serving.told()
    assert "Watchdog timeout" in told
    assert "Fatal Python error: Aborted" in told, "the tracebacks tell where it hung"
    serving.wait_until_held({"first.txt": b"first", "a.txt": b"a"})


def test_a_process_that_stands_still_is_restarted(serving: Serving) -> None:
    serving.install()
    serving.drop_in("impatient", IMPATIENT)
    serving.start()
    serving.systemctl("kill", "-s", "STOP")
    serving.write("a.txt", b"a")
    serving.wait_for_property("NRestarts", "1")
    serving.wait_until_held({"a.txt": b"a"})


def test_neither_rest_nor_a_hub_that_does_not_answer_is_a_hang(serving: Serving) -> None:
    _two_workers(serving)
    pid = serving.pid
    serving.hub.faults.add(r"/commit/", Fault(hang=True), times=1)
    serving.write("a.bin", os.urandom(1_000))
    eventually(lambda: serving.hub.faults.met, "the commit hangs")
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 3 * WATCHDOG_S, "three times as long as a hang may take")
    assert (serving.pid, serving.show("NRestarts")) == (pid, "0"), serving.told()
    serving.hub.faults.clear()
    assert not serving.events("worker.hung")
