"""Without Xet, which the client leaves alone when it is told so before its import: in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MOST_S = 240


def test_without_xet_the_port_keeps_its_contract_and_large_files_go_by_lfs() -> None:
    suites = [str(HERE / "test_hub_port.py"), str(HERE / "plain_lfs.py")]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "client or plain_lfs", *suites],
        cwd=HERE.parents[1], env={**os.environ, "HF_HUB_DISABLE_XET": "1"},
        capture_output=True, text=True, timeout=MOST_S, check=False,
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None
    assert int(passed[1]) >= 18, said
