"""The live view's layout: whatever the values, it fits the width."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from hf_watch.cli import frames
from hf_watch.cli.console import STATUS_HEADINGS
from hf_watch.control.contract import CommitView, StatusView, TargetView


def _status(names: list[str], reason: str) -> StatusView:
    targets = tuple(
        TargetView(
            target=name, source="/srv/drop", source_encoded="/srv/drop", dest="hf://datasets/a/b", state="watching",
            waiting=10**6, in_flight=12, quarantined=3, quarantine=(), oldest_s=86_400.0, lag_s=0.0,
            published_today=10**7, last_commit=None, next_commit_s=7.0, reason=reason, held_deletes=0,
            held_example=None, held_example_encoded=None,
        )
        for name in names
    )  # fmt: skip
    return StatusView(
        version="1", pid=1, state_dir="/s", health="late", problems=(reason,), max_lag_s=1.0, targets=targets
    )


def _rows(status: StatusView, width: int, height: int) -> list[str]:
    out = io.StringIO()
    commit = CommitView(
        destination="d", commit="c" * 40, url="https://hub/" + "c" * 40, at=datetime.now(UTC).isoformat(), files=1,
        bytes=10**12,
    )  # fmt: skip
    picture = frames.live(status, Text("uploads"), [commit] * 5, width, height)
    Console(file=out, width=width, legacy_windows=False).print(picture)
    return out.getvalue().splitlines()


@given(st.text(max_size=80), st.integers(8, 60))
def test_a_shortened_text_fits_and_ends_as_it_did(text: str, width: int) -> None:
    short = frames.shortened(text, width)
    assert cell_len(short) <= width
    assert short == text or (short.startswith("..") and text.rstrip().endswith(short[2:]))


def test_it_fits_forty_columns_and_says_what_it_leaves_out() -> None:
    rows = _rows(_status([f"target number {n} with a name" for n in range(30)], "the Hub does not answer " * 5), 40, 12)
    assert max(map(cell_len, rows)) <= 40
    assert "26 more" in "\n".join(rows)
    assert len(rows) < 20


def test_a_wide_one_shows_all_columns_and_whole_links() -> None:
    rows = _rows(_status(["drop"], "it waits"), 120, 30)
    assert set(frames.WIDE_HEADINGS) < set(STATUS_HEADINGS), "the same words as `status`"
    assert "quarantine" in rows[1]
    assert sum("https://hub/ccc" in row for row in rows) == frames.MOST_COMMITS
