"""What the Hub is known to hold from now on: receipts first, then the ledger's rows, then files that may leave."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hf_watch.afterwards.receipts import FileReceipt
from hf_watch.threads.measured import Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.afterwards.after_upload import AfterUpload
    from hf_watch.afterwards.receipts import ReceiptBook
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Receipt
    from hf_watch.snapshots.second_look import SecondLook
    from hf_watch.targets.findings import Found
    from hf_watch.targets.target import Target
    from hf_watch.threads.measured import Observe


@dataclass(slots=True)
class _Unwritten:
    """What is to be written down of one target."""

    touched: list[Found] = field(default_factory=list)
    held: list[Found] = field(default_factory=list)  # those of them that the ledger had not known
    forgotten: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recorder:
    """For one destination, on its worker's thread.

    What needs no commit, a touched file or one that was forgotten, waits in `flush` for one transaction.
    """

    ledger: Ledger
    receipts: ReceiptBook
    after_upload: AfterUpload
    second_look: SecondLook
    wall_clock_ns: Callable[[], int]
    observe: Observe
    accounted: set[tuple[int, str]] = field(default_factory=set)  # what the Hub holds, or is not to; for whole groups
    _unwritten: dict[Target, _Unwritten] = field(default_factory=dict, init=False)

    def account_for(self, target: Target, path: str) -> None:
        """Nothing of it is to be committed now."""
        self.accounted.add((target.root.id, path))

    def touch(self, found: Found, *, is_new: bool = True) -> None:
        """The Hub holds this content already: only to be written down, with a receipt if the ledger did not know."""
        self.look_again_if_racy(found)
        found = found.without_content()
        self.account_for(found.target, found.waiting.path)
        unwritten = self._of(found.target)
        unwritten.touched.append(found)
        self.observe(Skipped(found.target.spec.name, found.waiting.path, found.repo_path, "unchanged"))
        if is_new:
            unwritten.held.append(found)

    def look_again_if_racy(self, found: Found) -> None:
        """A file stamped within a tick of its snapshot may have changed since without its times telling."""
        if found.is_racy:
            self.second_look.add(found)

    def forget(self, target: Target, path: str) -> None:
        """The Hub holds nothing of ours at this path any more."""
        self._of(target).forgotten.append(path)

    def flush(self) -> None:
        """Write down what needed no commit."""
        for target in list(self._unwritten):
            unwritten = self._unwritten.pop(target)
            self._receive(target, unwritten.held, None)
            self._write(target, unwritten.touched, unwritten.forgotten)

    def record(self, target: Target, published: Sequence[Found], lost: Iterable[str], receipt: Receipt) -> None:
        """The Hub holds what was `published`, and nothing any more at the `lost` paths: write it down, for good."""
        self._receive(target, published, receipt)
        self._write(target, published, lost)

    def let_go(self) -> None:
        """Forget what waits to be written down: the ledger cannot be written, and it is found out again."""
        self._unwritten.clear()
        self.after_upload.let_go()
        self.second_look.let_go()

    def _of(self, target: Target) -> _Unwritten:
        return self._unwritten.setdefault(target, _Unwritten())

    def _write(self, target: Target, held: Sequence[Found], gone: Iterable[str]) -> None:
        self.ledger.files.record(target.root, [found.recorded for found in held], gone)
        self.after_upload.published(held)

    def _receive(self, target: Target, published: Sequence[Found], receipt: Receipt | None) -> None:
        """Keep a receipt of each file; before the ledger vouches for it, so that none is ever missing."""
        if not published:
            return
        receipts = [self._file_receipt(found, receipt) for found in published]
        for position, reason in self.receipts.note(target.spec.receipts, receipts).items():
            target.journal.tell("warning", "receipt.failed", published[position].waiting.path, reason)

    def _file_receipt(self, found: Found, receipt: Receipt | None) -> FileReceipt:
        at = datetime.fromtimestamp(self.wall_clock_ns() / 1e9, UTC)
        return FileReceipt(
            target=found.target.spec.name,
            path=os.path.join(found.target.path, found.waiting.path),  # noqa: PTH118  the name need not be UTF-8
            sha256=found.snapshot.digest.sha256.hex(),
            size_bytes=found.snapshot.fingerprint.size_bytes,
            repo=str(found.target.destination),
            repo_path=found.repo_path,
            commit=receipt.commit if receipt is not None else None,
            url=receipt.url if receipt is not None else None,
            at=at.isoformat(timespec="milliseconds"),
        )
