"""What an earlier hf-watch wrote is opened and understood: an upgrade forgets nothing and repeats nothing."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from hf_watch.ledger.ledger import Ledger
from hf_watch.ledger.rows import Recorded
from hf_watch.model import Destination, Digest, Fingerprint

LEDGERS = Path(__file__).parents[1] / "ledgers"
DROP = Destination("https://huggingface.co", "dataset", "acme/drop", "main")
MODEL = Destination("https://huggingface.co", "model", "acme/model", "v1")
HEAD = "c0ffee" + "0" * 34


def _digest(content: bytes) -> Digest:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return Digest(hashlib.sha256(content).digest(), blob.digest())


@pytest.fixture(name="file", params=sorted(LEDGERS.glob("*.gz")), ids=lambda file: file.name.partition(".")[0])
def _file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy: opening one brings it up to date."""
    copy = tmp_path / "ledger.sqlite3"
    copy.write_bytes(gzip.decompress(request.param.read_bytes()))
    return copy


def test_all_that_was_known_is_known(file: Path) -> None:
    with Ledger(file) as ledger:
        root = ledger.roots.known(DROP, "/srv/drop", "incoming")
        assert root is not None
        assert ledger.roots.head(root) == HEAD
        assert ledger.roots.generation(root, 2049, (1 << 63) + 7) == 1, "the directory is the one that it was"
        assert list(ledger.files.directories(root, "")) == ["", "sub"]

        doubted, published = ledger.files.known(root, "a.txt"), ledger.files.known(root, "sub/b\udcff.bin")
        assert doubted is not None
        assert doubted.digest is None
        assert doubted.fingerprint == Fingerprint(11, 5, 1_767_000_000_000_000_001, 1_767_000_000_000_000_002)
        assert {each.sha256 for each in ledger.files.candidates(root, "a.txt")} == {
            _digest(content).sha256 for content in (b"alpha", b"alpha two")
        }
        assert published is not None
        assert (published.repo_path, published.digest) == ("incoming/sub/b.bin", _digest(b"beta"))

        assert ledger.batches.unanswered(root) == ["batch-2"]
        assert 1_767_225_660.0 in ledger.batches.commits_since(DROP.endpoint, 0.0)
        [aside] = ledger.quarantine.of(root)
        assert (aside.path, aside.reason) == ("bad.bin", "the Hub wants it otherwise")
        assert aside.fingerprint == Fingerprint(12, 7, 3, 4)

        other = ledger.roots.known(MODEL, "/srv/checkpoints", "")
        assert other is not None
        assert ledger.roots.head(other) == "f" * 40


def test_it_is_written_on_and_opened_again(file: Path) -> None:
    with Ledger(file) as ledger:
        root = ledger.roots.of(DROP, "/srv/drop", "incoming")
        ledger.files.record(root, [Recorded("a.txt", "incoming/a.txt", None, _digest(b"alpha two"), 1)], ["gone.txt"])
        ledger.batches.found("batch-2", HEAD)
    with Ledger(file) as ledger:
        known = ledger.files.known(root, "a.txt")
        assert known is not None
        assert known.digest == _digest(b"alpha two")
        assert ledger.files.known(root, "gone.txt") is None
        assert ledger.batches.unanswered(root) == []
