"""ports.Hub: one suite for the fake and for the real adapter against the local Hub.

By Xet; test_plain_lfs.py runs what concerns the real adapter once more without it.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hf_watch.disk.reading import digest_of
from hf_watch.errors import HubError, MissingEntryError, MissingRepoError, MovedError, RejectedError
from hf_watch.hub.hub import HubClient
from hf_watch.hub.transport import install_client
from hf_watch.local_hub import LocalHub
from hf_watch.model import Batch, Created, Delete, Destination, Fingerprint, Operation, Outcome, Snapshot, Upload
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hf_watch.model import Receipt, Staged
    from hf_watch.ports import Hub

SMALL = b"some text\n"
LARGE = os.urandom(1 << 20) * 11  # above what the Hub keeps as a git blob


@dataclass
class Subject:
    """A Hub under test, its repo empty but for what a new repo holds."""

    hub: Hub
    missing: Hub  # the same for a repo that does not exist
    directory: Path

    def upload(self, path: str, content: bytes, *, by_path: bool = False) -> Upload:
        fingerprint = Fingerprint(1, len(content), 1, 1)
        place = self.directory / uuid.uuid4().hex
        place.write_bytes(content)
        return Upload(
            path, Snapshot(path, fingerprint, digest_of(content), None if by_path else content, 1), str(place)
        )

    def put(self, files: dict[str, bytes]) -> Receipt:
        return self.commit(self.hub.stage([self.upload(path, content) for path, content in files.items()]))

    def commit(self, operations: Sequence[Operation], batch_id: str = "", parent: str | None = None) -> Receipt:
        return self.hub.commit(Batch(batch_id or uuid.uuid4().hex, tuple(operations), "A message"), parent)

    def held(self) -> dict[str, int]:
        return {file.repo_path: file.size_bytes for file in self.hub.tree("") if file.repo_path != ".gitattributes"}


@pytest.fixture(name="subject", params=["fake", "client"])
def _subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "fake":
        missing = FakeHub()
        missing.exists = False
        yield Subject(FakeHub(), missing, tmp_path)
        return
    install_client()
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        place = Destination(hub.url, "dataset", "acme/drop", "main")
        client = HubClient(place, token=lambda: "hf_contract")
        client.create(private=True)
        nowhere = HubClient(Destination(hub.url, "model", "acme/nowhere", "main"), token=lambda: "hf_contract")
        yield Subject(client, nowhere, tmp_path)


def test_what_is_staged_and_committed_is_held(subject: Subject) -> None:
    staged = subject.hub.stage([subject.upload("a/small", SMALL), subject.upload("large", LARGE, by_path=True)])
    assert [each.outcome for each in staged] == [Outcome.COMMITTED] * 2
    assert [each.held_bytes for each in staged] == [len(SMALL), 0]
    receipt = subject.commit(staged)
    assert receipt.commit == receipt.head == subject.hub.head()
    small, large = sorted(subject.hub.paths_info(["a/small", "large", "nothing"]), key=lambda file: file.repo_path)
    assert small.holds(digest_of(SMALL))
    assert not small.holds(digest_of(b"else"))
    assert large.holds(digest_of(LARGE))
    assert subject.held() == {"a/small": len(SMALL), "large": len(LARGE)}


def test_content_that_is_there_already_is_told(subject: Subject) -> None:
    subject.put({"a": SMALL, "large": LARGE})
    again = subject.hub.stage([subject.upload("a", SMALL), subject.upload("large", LARGE), subject.upload("b", SMALL)])
    assert [each.outcome for each in again] == [Outcome.UNCHANGED, Outcome.UNCHANGED, Outcome.COMMITTED]


def test_an_empty_file_can_be_published(subject: Subject) -> None:
    subject.put({"empty": b""})
    assert subject.held() == {"empty": 0}


def test_uploads_and_deletes_go_in_one_commit(subject: Subject) -> None:
    before = subject.put({"old": SMALL})
    receipt = subject.commit([*subject.hub.stage([subject.upload("new", SMALL)]), Delete("old")])
    assert receipt.head != before.head
    assert subject.held() == {"new": len(SMALL)}


def test_a_delete_of_what_is_not_there_is_refused_as_a_whole(subject: Subject) -> None:
    head = subject.put({"a": SMALL}).head
    with pytest.raises(MissingEntryError):
        subject.commit([*subject.hub.stage([subject.upload("b", SMALL)]), Delete("nothing")])
    assert subject.hub.head() == head
    assert subject.held() == {"a": len(SMALL)}


def test_a_stale_parent_is_refused_and_the_staged_operations_can_be_sent_again(subject: Subject) -> None:
    stale = subject.hub.head()
    head = subject.put({"a": SMALL}).head
    staged = subject.hub.stage([subject.upload("b", SMALL), subject.upload("large", LARGE)])
    with pytest.raises(MovedError):
        subject.commit(staged, parent=stale)
    assert subject.commit(staged, parent=head).head == subject.hub.head()
    assert subject.held().keys() == {"a", "b", "large"}


def test_a_batch_is_found_by_its_id(subject: Subject) -> None:
    receipt = subject.commit(subject.hub.stage([subject.upload("a", SMALL)]), batch_id="0123456789abcdef")
    subject.put({"b": SMALL})
    assert subject.hub.find("0123456789abcdef") == receipt.commit
    assert subject.hub.find("f" * 16) is None


def test_the_most_recent_commits_come_first(subject: Subject) -> None:
    before = subject.hub.head()
    made = [subject.put({name: SMALL}).commit for name in "abc"]
    assert subject.hub.recent()[:4] == [*reversed(made), before]


def test_a_tree_is_all_below_a_directory(subject: Subject) -> None:
    subject.put({"in/a": SMALL, "in/deeper/b": SMALL, "inside": SMALL})
    assert sorted(file.repo_path for file in subject.hub.tree("in")) == ["in/a", "in/deeper/b"]
    assert list(subject.hub.tree("nowhere")) == []


def test_five_hundred_and_more_paths_are_asked_about(subject: Subject) -> None:
    names = [f"f{number:04}" for number in range(1_100)]
    subject.put(dict.fromkeys(names, SMALL))
    assert len(subject.hub.paths_info(names)) == len(names)


def test_a_missing_repo_is_a_missing_repo_everywhere(subject: Subject) -> None:
    for call in (
        subject.missing.head,
        subject.missing.check_write,
        lambda: subject.missing.stage([subject.upload("a", SMALL)]),
        lambda: subject.missing.find("x"),
        subject.missing.recent,
        lambda: subject.missing.paths_info(["a"]),
        lambda: list(subject.missing.tree("")),
    ):
        with pytest.raises(MissingRepoError):
            call()
    assert subject.missing.create(private=True) is Created.REPO
    assert subject.missing.create(private=True) is Created.NOTHING
    subject.missing.check_write()
    assert subject.missing.head()


def test_write_permission_is_probed(subject: Subject) -> None:
    subject.hub.check_write()
    subject.hub.refresh_token()
    subject.hub.check_write()


@dataclass
class Real:
    """The real adapter alone, for what a fake has no part in."""

    local: LocalHub
    client: HubClient

    def stage(self, path: str, content: bytes) -> list[Staged]:
        snapshot = Snapshot(path, Fingerprint(1, len(content), 1, 1), digest_of(content), content, 1)
        return self.client.stage([Upload(path, snapshot, "")])


@pytest.fixture(name="real")
def _real(tmp_path: Path) -> Iterator[Real]:
    install_client()
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        client = HubClient(Destination(hub.url, "dataset", "acme/drop", "main"), token=lambda: "hf_contract")
        client.create(private=True)
        yield Real(hub, client)


def test_a_missing_branch_is_created_and_told_apart_from_a_missing_repo(real: Real) -> None:
    branch = HubClient(Destination(real.local.url, "dataset", "acme/drop", "more/work"), token=lambda: "hf_contract")
    with pytest.raises(MissingRepoError):
        branch.head()
    assert branch.create(private=True) is Created.BRANCH
    assert branch.create(private=True) is Created.NOTHING
    assert branch.head() == real.client.head()
    other = HubClient(Destination(real.local.url, "dataset", "acme/other", "work"), token=lambda: "hf_contract")
    assert other.create(private=True) is Created.REPO
    assert other.head()


def test_bytes_arrive_as_they_were(real: Real) -> None:
    content = {"text": SMALL, "binary": bytes(range(256)), "large": LARGE, "name with ünïcode #?%": b"x"}
    for path, data in content.items():
        real.client.commit(Batch(uuid.uuid4().hex, tuple(real.stage(path, data)), "One"))
        assert real.local.read("dataset", "acme/drop", path) == data


def test_the_repo_s_gitignore_is_told(real: Real) -> None:
    real.client.commit(Batch("1", tuple(real.stage(".gitignore", b"*.log\n")), "Ignore"))
    (staged,) = real.stage("x.log", SMALL)
    assert staged.outcome is Outcome.IGNORED


@pytest.mark.parametrize("path", ["../x", ".git/x", "a/../b"])
def test_a_path_that_the_hub_refuses_names_the_culprit(real: Real, path: str) -> None:
    with pytest.raises(RejectedError) as caught:
        real.stage(path, SMALL)
    assert caught.value.repo_path == path


def test_a_readme_with_bad_metadata_is_rejected(real: Real) -> None:
    with pytest.raises(RejectedError, match="metadata"):
        real.client.commit(Batch("1", tuple(real.stage("README.md", b"---\nlicense: [\n---\n")), "Readme"))


def test_a_hub_that_is_not_there_is_retryable_and_takes_no_time(tmp_path: Path) -> None:
    install_client()
    with LocalHub(tmp_path / "hub") as hub:
        url = hub.url
    client = HubClient(Destination(url, "dataset", "acme/drop", "main"), token=lambda: "hf_contract")
    with pytest.raises(HubError):
        client.head()


@pytest.mark.parametrize("in_place_of", ["a", "a/b/c"])
def test_a_path_is_a_file_or_a_directory(subject: Subject, in_place_of: str) -> None:
    subject.put({"a/b": SMALL})
    with pytest.raises(RejectedError):
        subject.put({in_place_of: SMALL})
    with pytest.raises(RejectedError):
        subject.put({"x": SMALL, "x/y": SMALL})
    assert subject.held() == {"a/b": len(SMALL)}
    subject.commit([Delete("a/b")])
    subject.put({in_place_of: SMALL})
    assert subject.held() == {in_place_of: len(SMALL)}
