"""What systemd is told, word for word."""

from __future__ import annotations

import os

import pytest

from hf_watch.systemd import notify


def test_states_travel_in_one_notification() -> None:
    sent: list[str] = []
    notify.Systemd(sent.append, None).tell(notify.READY, notify.status("watching\n1 folder"))
    assert sent == ["READY=1\nSTATUS=watching 1 folder"]


def test_times_are_microseconds() -> None:
    assert notify.reloading(12.5) == ("RELOADING=1", "MONOTONIC_USEC=12500000")
    assert notify.extension(24.0) == "EXTEND_TIMEOUT_USEC=24000000"


@pytest.mark.parametrize("error", [RuntimeError("Data could not be sent"), ValueError("Notification error", -107)])
def test_a_notification_that_cannot_be_sent_stops_nothing(error: Exception) -> None:
    def fail(_text: str) -> None:
        raise error

    notify.Systemd(fail, None).tell(notify.ALIVE)


def test_nobody_listens_where_nobody_asked() -> None:
    assert not notify.supervisor({}).listens


def test_the_watchdog_is_this_process_s_or_none() -> None:
    asked = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "6000000"}
    assert notify.supervisor(asked).watchdog_s == 6.0
    assert notify.supervisor({**asked, "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 6.0
    assert notify.supervisor({**asked, "WATCHDOG_PID": "1"}).watchdog_s is None
    assert notify.supervisor({"NOTIFY_SOCKET": "/run/notify"}).watchdog_s is None
