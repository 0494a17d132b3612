"""Paths that come and go, as the ledger meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_watch.ledger.rows import Intended, Recorded
from hf_watch.model import Destination, Digest, Fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from hf_watch.ledger.ledger import Ledger

DESTINATION = Destination("http://hub.example", "dataset", "acme/drop", "main")
DIGEST = Digest(b"d" * 32, b"g" * 20)


def size_bytes(file: Path) -> int:
    """The file with its log and index."""
    return sum(each.stat().st_size for each in file.parent.glob(file.name + "*"))


def churn(ledger: Ledger, *, rounds: int, files: int, first: int = 0) -> None:
    """Publish and forget so many paths, each of them new: `rounds` batches of `files`."""
    root = ledger.roots.of(DESTINATION, "/drop", "incoming")
    for number in range(first, first + rounds):
        paths = [f"{number:06}/{each:06} with a name of usual length.bin" for each in range(files)]
        batch = f"{number:032}"
        ledger.batches.intend(batch, root.destination_id, [Intended(root, path, path, DIGEST, 1) for path in paths], 1)
        ledger.files.record(root, [Recorded(path, path, Fingerprint(1, 2, 3, 4), DIGEST, 1) for path in paths])
        ledger.batches.recorded(batch, f"{number:040}")
        for path in paths[:10]:
            ledger.quarantine.set_aside(root, path, None, "a reason")
        ledger.files.record(root, [], paths)
