"""Log events as fields of systemd's journal."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

import structlog

from hf_watch.logs import logs
from hf_watch.systemd import journald

if TYPE_CHECKING:
    from pathlib import Path


def test_an_event_s_fields_become_the_journal_s() -> None:
    told = journald.fields({
        "event": "commit.recorded", "level": "info", "timestamp": "2026-01-01T00:00:00Z", "target": "my drop",
        "files": 3, "stuck": ["a", "b"],
    })  # fmt: skip
    assert told == {
        "MESSAGE": 'commit.recorded target="my drop" files=3 stuck="[\\"a\\", \\"b\\"]"',
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "hf-watch",
        "HF_WATCH_EVENT": "commit.recorded",
        "HF_WATCH_TARGET": "my drop",
        "HF_WATCH_FILES": "3",
        "HF_WATCH_STUCK": '["a", "b"]',
    }


def test_each_level_has_its_priority() -> None:
    levels = {level: journald.fields({"event": "e", "level": level})["PRIORITY"] for level in journald.PRIORITIES}
    assert levels == {"debug": "7", "info": "6", "warning": "4", "error": "3", "critical": "2"}


def test_what_a_library_says_is_no_event_of_ours() -> None:
    told = journald.fields({"event": "Retrying", "level": "warning", "logger": "huggingface_hub"})
    assert (told["HF_WATCH_LOGGER"], told["MESSAGE"]) == ("huggingface_hub", "Retrying")
    assert "HF_WATCH_EVENT" not in told


def test_a_traceback_follows_the_message() -> None:
    told = journald.fields({"event": "worker.died", "level": "critical", "exception": "Traceback …\nKeyError"})
    assert told["MESSAGE"] == "worker.died\nTraceback …\nKeyError"


def test_a_name_is_one_that_the_journal_takes() -> None:
    told = journald.fields({"event": "e", "not-é-before": 1, "x" * 80: 2})
    assert set(told) >= {"HF_WATCH_NOT___BEFORE"}
    assert all(len(name) <= 64 for name in told)


def test_the_journal_is_written_to_only_when_it_reads_the_stream(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert journald.sender(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}) is not None
        assert journald.sender(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"}) is None
        assert journald.sender(stream, {}) is None


def test_no_token_reaches_it() -> None:
    sent: list[dict[str, str]] = []
    logs.configure("info")
    formatter = logging.getLogger().handlers[0].formatter
    handler = journald.JournalHandler(lambda **told: sent.append(told))
    handler.setFormatter(formatter)
    logging.getLogger().handlers[:] = [handler]
    structlog.get_logger().warning("e", reason="with hf_" + "a" * 30, token="short")  # noqa: S106  not one
    assert "aaa" not in json.dumps(sent)
    assert sent[0]["HF_WATCH_TOKEN"] == logs.HIDDEN
