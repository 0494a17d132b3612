"""What the Hub, the client and the way between them can do wrong → what the port raises: a row of the table each."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Literal

import pytest

from hf_watch.disk.reading import digest_of
from hf_watch.errors import (
    AmbiguousError,
    HfWatchError,
    MissingContentError,
    MissingEntryError,
    MissingRepoError,
    MovedError,
    RejectedError,
    RetryableError,
    SourceError,
    TooLargeError,
    UnauthorizedError,
    UnreachableError,
)
from hf_watch.hub.hub import HubClient
from hf_watch.hub.transport import Patience, install_client
from hf_watch.local_hub import Fault, LocalHub
from hf_watch.model import Batch, Delete, Destination, Fingerprint, Snapshot, Upload
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hf_watch.model import Staged

REPO = "acme/drop"
Call = Literal["read", "stage", "commit", "create"]
PATHS: dict[Call, str] = {
    "read": "/revision/",
    "stage": "/preupload/",
    "commit": "/commit/",
    "create": "/api/repos/create",
}


def _error(status: int, text: str = "refused", **headers: str) -> Fault:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Fault(status, f'{{"error": "{text}"}}', named)


def _snapshot(content: bytes) -> Snapshot:
    return Snapshot("x", Fingerprint(1, len(content), 1, 1), digest_of(content), content, 1)


@dataclass
class Subject:
    """One destination on a local Hub."""

    local: LocalHub
    client: HubClient

    def stage(self, path: str = "a.txt", content: bytes = b"text\n") -> list[Staged]:
        return self.client.stage([Upload(path, _snapshot(content), "")])

    def commit(self, operations: list[Staged | Delete], batch_id: str = "") -> None:
        self.client.commit(Batch(batch_id or uuid.uuid4().hex, tuple(operations), "A message"))

    def call(self, which: Call, fault: Fault) -> HfWatchError:
        """What the port raises when this call meets the fault."""
        staged = self.stage(content=os.urandom(8).hex().encode()) if which == "commit" else []
        self.local.faults.add(PATHS[which], fault)
        calls: dict[Call, Callable[[], object]] = {
            "read": self.client.head,
            "stage": self.stage,
            "commit": lambda: self.commit([*staged]),
            "create": lambda: self.client.create(private=True),
        }
        with pytest.raises(HfWatchError) as caught:
            calls[which]()
        return caught.value


@contextmanager
def _subject(directory: Path, patience: Patience | None = None) -> Iterator[Subject]:
    install_client()
    with LocalHub(directory / "hub", open_namespaces=True) as local:
        local.create_repo("dataset", REPO)
        destination = Destination(local.url, "dataset", REPO, "main")
        yield Subject(local, HubClient(destination, token=lambda: "hf_contract", patience=patience))


@pytest.fixture(name="subject", scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """One for all rows: none of them leaves anything behind but commits."""
    with _subject(tmp_path_factory.mktemp("refusals")) as subject:
        yield subject


DEFINITE: list[tuple[Fault, type[HfWatchError]]] = [
    (_error(400, "bad request"), RejectedError),
    (_error(401, "Invalid credentials in Authorization header"), UnauthorizedError),
    (_error(402, "payment required"), UnauthorizedError),
    (_error(403, "Authorization error."), UnauthorizedError),
    (_error(403, "gated", X_Error_Code="GatedRepo"), UnauthorizedError),
    (_error(403, "off", X_Error_Message="Access to this resource is disabled."), UnauthorizedError),
    (_error(404, "Repository not found", X_Error_Code="RepoNotFound"), MissingRepoError),
    (_error(404, "Invalid rev id", X_Error_Code="RevisionNotFound"), MissingRepoError),
    (_error(404, "not found"), MissingRepoError),
    (_error(404, "Entry not found", X_Error_Code="EntryNotFound"), MissingEntryError),
    (_error(409, "Another commit operation is in progress"), MovedError),
    (_error(412, "A commit has happened since"), MovedError),
    (_error(413, "too large"), TooLargeError),
    (_error(422, "unprocessable"), RejectedError),
    (_error(418, "something new"), RejectedError),
    (_error(429, "slow down"), RetryableError),
]
UNCLEAR = [_error(408), _error(500), _error(502), _error(503), _error(504), Fault(503, "<html>no JSON</html>")]


@pytest.mark.parametrize("which", ["read", "stage", "commit"])
@pytest.mark.parametrize(("fault", "error"), DEFINITE)
def test_a_definite_refusal(subject: Subject, which: Call, fault: Fault, error: type[HfWatchError]) -> None:
    raised = subject.call(which, fault)
    assert type(raised) is error
    assert str(raised).startswith(f"{fault.status}: ")


@pytest.mark.parametrize("fault", UNCLEAR)
def test_a_hub_out_of_order_leaves_a_commit_unclear_and_nothing_else(subject: Subject, fault: Fault) -> None:
    assert type(subject.call("commit", fault)) is AmbiguousError
    assert type(subject.call("stage", fault)) is UnreachableError
    assert type(subject.call("read", fault)) is UnreachableError


@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(cut=True, after_effect=True)])
def test_an_answer_that_is_cut_off_leaves_a_commit_unclear(subject: Subject, fault: Fault) -> None:
    assert type(subject.call("commit", fault)) is AmbiguousError
    assert type(subject.call("read", Fault(cut=True))) is UnreachableError


def test_a_commit_that_landed_though_its_answer_was_lost_is_found(subject: Subject) -> None:
    staged = subject.stage("lost.txt", b"lost")
    subject.local.faults.add("/commit/", Fault(504, after_effect=True))
    with pytest.raises(AmbiguousError):
        subject.commit([*staged], "lost")
    assert subject.client.find("lost") == subject.client.head()
    assert subject.client.find("never") is None


def test_a_delete_of_what_is_not_there(subject: Subject) -> None:
    with pytest.raises(MissingEntryError):
        subject.commit([Delete("nowhere")])


DATE_S = 1.0  # an answer's date has whole seconds, and a web server renews it once in one
QUOTA = (
    "You have exceeded the rate limit for repository commits (128 per hour). You can retry this action in about 1 hour."
)


@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        (_error(429, QUOTA, RateLimit='"api";r=994;t=241'), 3600.0),
        (_error(429, "You have exceeded our hourly quotas for action: commit. We invite you to retry later."), 300.0),
        (_error(429, "slow", Retry_After="37"), 37.0),
        (_error(429, "slow", Retry_After="37", RateLimit=f'"api";r=0;t={"9" * 5_000}'), 37.0),
        (_error(429, "slow", RateLimit='"api";r=0;t=55'), 55.0),
        (_error(429, "slow", Retry_After="10", RateLimit='"api";r=0;t=55'), 55.0),
    ],
)
def test_what_the_hub_asks_to_wait(subject: Subject, fault: Fault, wait_s: float) -> None:
    raised = subject.call("commit", fault)
    assert isinstance(raised, RetryableError)
    assert raised.retry_after_s == wait_s


@pytest.mark.parametrize("status", [408, 409, 412, 500, 503, 504])
def test_whatever_stands_in_the_way_of_a_commit_may_ask_to_wait(subject: Subject, status: int) -> None:
    raised = subject.call("commit", _error(status, "busy", Retry_After="37"))
    assert isinstance(raised, AmbiguousError if status == 408 or status >= 500 else MovedError)
    assert raised.retry_after_s == 37.0


def test_a_file_that_the_client_cannot_decode_is_refused(subject: Subject) -> None:
    with pytest.raises(RejectedError):
        subject.commit([*subject.stage(".gitignore", b"\xff\xfe")])


def test_a_date_to_wait_for(subject: Subject) -> None:
    raised = subject.call("commit", _error(429, "slow", Retry_After=formatdate(time.time() + 100, usegmt=True)))
    assert isinstance(raised, RetryableError)
    assert raised.retry_after_s is not None
    assert 60.0 < raised.retry_after_s <= 100.0 + 2 * DATE_S


def test_a_repo_that_somebody_creates_at_the_same_time_is_not_asked_for_without_end(subject: Subject) -> None:
    def asked() -> int:
        return sum(each.path == PATHS["create"] for each in subject.local.requests)

    text = "Cannot create repo: another conflicting operation is in progress"
    assert type(subject.call("create", _error(409, text))) is MovedError
    assert eventually(asked, "the request in the log, which it enters after its answer") == 1


# The way of large files; plain_lfs.py has the other one.


@pytest.mark.parametrize(
    ("route", "fault", "error"),
    [
        ("xet-write-token", _error(401), UnauthorizedError),
        ("xet-write-token", _error(403), UnauthorizedError),
        ("/v1/xorbs", _error(400), MissingContentError),
        ("/v1/shards", _error(404), MissingContentError),
    ],
)
def test_a_xet_upload_that_fails_says_why(
    subject: Subject, route: str, fault: Fault, error: type[HfWatchError]
) -> None:
    subject.local.faults.add(route, fault, times=None)
    try:
        with pytest.raises(error):
            subject.stage("large.bin", os.urandom(1 << 10))
    finally:
        subject.local.faults.clear()


def test_a_file_that_cannot_be_read_is_no_error_of_the_hub(subject: Subject) -> None:
    whole = _snapshot(b"")
    unreadable = Snapshot("x", whole.fingerprint, whole.digest, None, 1)
    with pytest.raises(SourceError):
        subject.client.stage([Upload("large.bin", unreadable, "/proc/self/mem")])  # nothing is mapped at 0: EIO


# Calls that would never end.


def test_a_hanging_answer_ends_at_the_deadline(tmp_path: Path) -> None:
    with _subject(tmp_path, Patience(0.5)) as subject:
        subject.local.faults.add("/commit/", Fault(hang=True))
        staged = subject.stage()
        with pytest.raises(AmbiguousError):
            subject.commit([*staged])
        subject.local.faults.add("/revision/", Fault(hang=True))
        with pytest.raises(UnreachableError):
            subject.client.head()
        subject.local.faults.clear()
        assert subject.client.head()


def test_a_hanging_xet_upload_is_aborted_and_the_next_one_works(tmp_path: Path) -> None:
    content = os.urandom(1 << 16)
    with _subject(tmp_path, Patience(1.0)) as subject:
        subject.local.faults.add("/v1/xorbs", Fault(hang=True), times=None)
        with pytest.raises(UnreachableError):
            subject.stage("large.bin", content)
        subject.local.faults.clear()
        (staged,) = subject.stage("large.bin", content)
        subject.commit([staged])
        assert subject.local.read("dataset", REPO, "large.bin") == content
    assert not [thread for thread in threading.enumerate() if thread.name == "deadline"]


@contextmanager
def _trickling() -> Iterator[str]:
    """A server that answers each request with one byte every so often, and so never runs into a time-out."""
    over = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nContent-Type: application/json\r\n\r\n")
            while not over.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    def accept(listening: socket.socket) -> None:
        while not over.is_set():
            try:
                threads.append(threading.Thread(target=trickle, args=(listening.accept()[0],)))
            except TimeoutError:
                continue
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        threads = [threading.Thread(target=accept, args=(listening,))]
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            for thread in threads:
                thread.join()


def test_an_answer_that_trickles_for_ever_ends_at_the_deadline() -> None:
    install_client()
    with _trickling() as url:
        client = HubClient(
            Destination(url, "dataset", REPO, "main"), token=lambda: "hf_contract", patience=Patience(0.5)
        )
        with pytest.raises(UnreachableError):
            client.head()


def test_a_deadline_grows_with_the_bytes() -> None:
    assert Patience(10.0, 1_000.0).deadline_s(5_000) == 15.0
    assert Patience().deadline_s(0) > 120.0  # the longest time-out of one answer


# What the Hub says of its quota.


def test_every_answer_tells_how_many_requests_are_left(tmp_path: Path) -> None:
    heard: list[tuple[int, int | None, float]] = []
    install_client(lambda remaining, limit, reset_s: heard.append((remaining, limit, reset_s)))
    with LocalHub(tmp_path / "hub", open_namespaces=True, api_quota=10) as local:
        local.create_repo("dataset", REPO)
        client = HubClient(Destination(local.url, "dataset", REPO, "main"), token=lambda: "hf_contract")
        client.head()
        client.head()
    assert heard[0][0] - heard[1][0] == 1
    assert {each[1] for each in heard} == {10}
    assert all(0 < each[2] <= 300 for each in heard)
