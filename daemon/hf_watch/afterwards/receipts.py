"""Receipts: for each published file where it went, appended and synced before the ledger says so.

At least once: a process killed between the receipt and the ledger's record writes the receipt again, without a commit
if the Hub is then found to hold the content already.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from hf_watch.disk.relocation import write_text
from hf_watch.errors import LedgerError, SourceError
from hf_watch.paths import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hf_watch.settings.values import ReceiptsMode

log = structlog.get_logger()

SIDECAR_SUFFIX = ".hf-watch.json"


@dataclass(frozen=True, slots=True)
class FileReceipt:
    """One published file. `commit` and `url` are None when the repo held its content already."""

    target: str
    path: str  # on this machine, absolute
    sha256: str
    size_bytes: int
    repo: str
    repo_path: str
    commit: str | None
    url: str | None
    at: str  # ISO 8601, UTC

    def as_json(self) -> dict[str, object]:
        """As it is written down, and handed to hooks."""
        values = asdict(self)
        values["bytes"] = values.pop("size_bytes")
        return values


class ReceiptBook(Protocol):
    """Where receipts go. Raises LedgerError when one that was asked for cannot be kept: then nothing is recorded.

    The answer: which of them, by their position, could not be put beside their files, and why.
    """

    def note(self, mode: ReceiptsMode, receipts: Sequence[FileReceipt]) -> dict[int, str]: ...


class Receipts:
    """One JSON line a file in `file`, or a file beside each published one. Safe from any thread."""

    def __init__(self, file: Path, on_published: Callable[[Sequence[FileReceipt]], None] = lambda _: None) -> None:
        self._file = file
        self._on_published = on_published
        self._lock = threading.Lock()

    def note(self, mode: ReceiptsMode, receipts: Sequence[FileReceipt]) -> dict[int, str]:
        """Keep them, durably, as asked for, and tell whoever listens; see ReceiptBook."""
        if mode == "jsonl":
            self._append(receipts)
        refused = _put_beside(receipts) if mode == "sidecar" else {}
        self._on_published(receipts)
        return refused

    def _append(self, receipts: Sequence[FileReceipt]) -> None:
        lines = "".join(json.dumps(each.as_json()) + "\n" for each in receipts).encode()
        try:
            with self._lock:
                _append(self._file, lines)
        except OSError as error:
            raise LedgerError(f"{self._file}: receipts cannot be kept ({error.strerror})") from error


def _append(file: Path, lines: bytes) -> None:
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size_bytes = os.fstat(fd).st_size
        is_cut = size_bytes > 0 and os.pread(fd, 1, size_bytes - 1) != b"\n"  # by a loss of power
        left = memoryview(b"\n" + lines if is_cut else lines)
        while left:
            left = left[os.write(fd, left) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _put_beside(receipts: Sequence[FileReceipt]) -> dict[int, str]:
    """The source need not be ours to write to: then its files are published all the same."""
    refused = {}
    for position, receipt in enumerate(receipts):
        place = receipt.path + SIDECAR_SUFFIX
        try:
            write_text(place, json.dumps(receipt.as_json(), indent=2) + "\n")
        except SourceError as error:
            refused[position] = str(error).removeprefix(f"{printable(place)}: ")  # whoever tells it names the file
    return refused
