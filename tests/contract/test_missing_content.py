"""Content that the client takes for sent, and that the Hub does not hold: it is sent whole when it is staged again.

The transfer library remembers for weeks what it sent to an address; the Hub there may be another one by now.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from hf_watch.disk.reading import digest_of
from hf_watch.errors import MissingContentError, RejectedError
from hf_watch.hub.hub import HubClient
from hf_watch.hub.transport import install_client
from hf_watch.local_hub import Fault, LocalHub
from hf_watch.model import Batch, Destination, Fingerprint, Snapshot, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hf_watch.model import Receipt, Staged

KIND: Final = "dataset"
REPO = "acme/drop"
CONTENT = os.urandom(1 << 20)
NO_POINTER = Fault(
    400, '{"error": "Your push was rejected because an LFS pointer pointed to a file that does not exist"}'
)


@dataclass
class Subject:
    """A client, and the local Hub that it talks to."""

    local: LocalHub
    client: HubClient
    place: Path

    def stage(self, content: bytes, *, by_path: bool = False) -> Staged:
        file = self.place / uuid.uuid4().hex
        file.write_bytes(content)
        held = None if by_path else content
        snapshot = Snapshot("x", Fingerprint(1, len(content), 1, 1), digest_of(content), held, 1)
        (staged,) = self.client.stage([Upload("large.bin", snapshot, str(file))])
        return staged

    def commit(self, staged: Staged) -> Receipt:
        return self.client.commit(Batch(uuid.uuid4().hex, (staged,), "A message"))

    def is_held(self, content: bytes) -> bool:
        return self.local.read(KIND, REPO, "large.bin") == content


def _subject(place: Path, port: int = 0) -> Subject:
    install_client()
    local = LocalHub(place / "hub", port=port, open_namespaces=True)
    with local:
        pass  # the port is known, and its own
    client = HubClient(Destination(local.url, KIND, REPO, "main"), token=lambda: "hf_contract")
    return Subject(local, client, place)


@pytest.fixture(name="subject")
def _after_another_hub(tmp_path: Path) -> Iterator[Subject]:
    """On the port of a Hub that got the content, and is gone with all that it held."""
    subject = _subject(tmp_path)
    with subject.local:
        subject.client.create(private=True)
        subject.commit(subject.stage(CONTENT))
    shutil.rmtree(tmp_path / "hub")
    with subject.local:
        subject.client.create(private=True)
        yield subject


@pytest.mark.parametrize("by_path", [False, True])
def test_what_only_an_earlier_hub_got_is_sent_whole_when_it_is_staged_again(subject: Subject, *, by_path: bool) -> None:
    with pytest.raises(MissingContentError):
        subject.stage(CONTENT, by_path=by_path)
    assert subject.commit(subject.stage(CONTENT, by_path=by_path)).commit
    assert subject.is_held(CONTENT)


def test_what_is_like_it_is_sent_as_usual_then(subject: Subject) -> None:
    with pytest.raises(MissingContentError):
        subject.stage(CONTENT)
    alike = CONTENT + b"and more"
    subject.commit(subject.stage(alike))
    assert subject.is_held(alike)
    assert subject.local.xet_bytes_received >= len(CONTENT)


def test_what_is_missed_after_something_else_was_is_sent_whole_still(tmp_path: Path) -> None:
    subject, other = _subject(tmp_path), os.urandom(1 << 20)
    with subject.local:
        subject.client.create(private=True)
        subject.local.faults.add("/v1/shards", Fault(404), times=None)
        for content in (CONTENT, other):
            with pytest.raises(MissingContentError):
                subject.stage(content)
        for content in (CONTENT, other):
            subject.commit(subject.stage(content))
            assert subject.is_held(content)


def test_what_is_missed_at_the_commit_is_sent_by_another_way_once_and_refused_for_good_then(tmp_path: Path) -> None:
    subject = _subject(tmp_path)
    with subject.local:
        subject.client.create(private=True)
        subject.local.faults.add("/commit/", NO_POINTER, times=2)
        with pytest.raises(MissingContentError):
            subject.commit(subject.stage(CONTENT))
        again = subject.stage(CONTENT)
        with pytest.raises(RejectedError):
            subject.commit(again)
        subject.commit(again)
        assert subject.is_held(CONTENT)
        assert [each.status for each in subject.local.requests if each.path.startswith("/lfs/")] == [200, 200]
