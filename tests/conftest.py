"""What holds for all tests: hypothesis draws the same few examples each time; in CI a skipped test is a failure."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # read when the client is imported
os.environ.setdefault("KF_RULE_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"hf-watch-rules-{os.getuid()}"))

import pytest
from hypothesis import HealthCheck, settings

# What one local Hub got, the client would not send to another one that happens to have the same port.
SENT = tempfile.TemporaryDirectory(prefix="hf-watch-sent-")

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

# A slow machine is no reason to fail: no deadline, no opinion on how long drawing takes.
ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", ANY_MACHINE, derandomize=True, max_examples=30)  # quick; `make soak` explores
settings.register_profile("thorough", ANY_MACHINE, max_examples=1_000, print_blob=True)
settings.load_profile("steady")


def pytest_runtest_setup(item: pytest.Item) -> None:
    os.environ["HF_XET_CACHE"] = f"{SENT.name}/{zlib.crc32(item.nodeid.encode())}"  # read at each upload


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter: TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
