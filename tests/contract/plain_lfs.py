"""Large files by Git LFS, in one piece and in parts: what test_plain_lfs.py runs with Xet switched off."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from hf_watch.disk.reading import digest_of
from hf_watch.errors import HfWatchError, UnauthorizedError, UnreachableError
from hf_watch.hub.hub import HubClient
from hf_watch.hub.transport import install_client
from hf_watch.local_hub import Fault, LocalHub
from hf_watch.model import Destination, Fingerprint, Snapshot, Upload
from tests.visitor import asked, sent_and_fetched, visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO = "acme/drop"
MIB = 1 << 20


@pytest.fixture(name="hub")
def _hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        hub.create_repo("model", REPO)
        yield hub


def test_a_large_file_goes_there_and_comes_back(hub: LocalHub, tmp_path: Path) -> None:
    content = os.urandom(21 * MIB)  # more than one part
    sent_and_fetched(hub, REPO, content, tmp_path / "cache")
    digest = sha256(content).hexdigest()
    assert asked(hub, f"/lfs/{digest}/parts/") == [("PUT", 200)] * 2
    assert asked(hub, f"/lfs/{digest}/verify") == [("POST", 200)]
    assert not asked(hub, "/v1/")


def test_content_that_is_there_is_not_asked_for_again(hub: LocalHub) -> None:
    for path in ("a", "b"):
        visitor(hub.url).upload_file(path_or_fileobj=b"\0" * MIB, path_in_repo=path, repo_id=REPO)
    assert asked(hub, f"/lfs/{sha256(bytes(MIB)).hexdigest()}") == [("PUT", 200), ("POST", 200)]
    assert hub.read("model", REPO, "b") == b"\0" * MIB


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault(503), UnreachableError), (Fault(403), UnauthorizedError), (Fault(cut=True), UnreachableError)],
)
def test_an_upload_that_fails_says_why(hub: LocalHub, fault: Fault, error: type[HfWatchError]) -> None:
    install_client()
    client = HubClient(Destination(hub.url, "model", REPO, "main"), token=lambda: "hf_contract")
    hub.faults.add("lfs", fault, method="PUT")
    content = os.urandom(1 << 10)
    snapshot = Snapshot("x", Fingerprint(1, len(content), 1, 1), digest_of(content), content, 1)
    with pytest.raises(error):
        client.stage([Upload("large.bin", snapshot, "")])
