"""The Hub port on huggingface_hub. Each call has an end, and is made once: the worker repeats what is worth it."""

from __future__ import annotations

import io
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import quote

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import get_session, hf_raise_for_status

from hf_watch.errors import (
    MissingContentError,
    MissingEntryError,
    MovedError,
    RejectedError,
    SourceError,
    UnauthorizedError,
)
from hf_watch.hub.errors import CLIENT_ERRORS, Phase, translate
from hf_watch.hub.sent import forget_sent
from hf_watch.hub.transport import Patience, deadline, xet_deadline
from hf_watch.model import Created, Delete, Outcome, Receipt, RemoteFile, RepoState, Staged
from hf_watch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hf_watch.model import Batch, Destination, Upload

PATHS_PER_CALL: Final = 500  # the server answers 413 above 1,000
RECENT_COMMITS: Final = 50  # how far back a lost commit, or one of somebody else, is looked for
BEING_CREATED: Final = "conflicting operation"  # a 409 that is not about a repo that exists already
MOST_MISSING: Final = 100_000  # contents that go anew; beyond it only those that were refused last
STATIC_SPACE: Final = "static"  # a Space needs an SDK; this one runs nothing


class _Anew(CommitOperationAdd):
    """What goes by Git LFS, whole and whatever was sent before: the client does so with what it is handed open."""


class HubClient:
    """One destination. Safe to use from one thread at a time; `install_client` comes first."""

    def __init__(
        self,
        destination: Destination,
        url: str | None = None,
        token: Callable[[], str | None] = get_token,
        patience: Patience | None = None,
    ) -> None:
        """`url` is where the endpoint is reached, when its name in the destination is not an address."""
        self._patience = patience or Patience()
        self._url = url or destination.endpoint
        self._read_token = token
        self._repo_id = destination.repo_id
        self._repo_type = destination.repo_type
        self._revision = destination.revision
        self._missing: frozenset[str] = frozenset()  # sha256 of what the Hub turned out not to hold, until it does
        self._api = self._new_api()

    def head(self) -> str:
        return self.state().head

    def state(self) -> RepoState:
        with self._call(Phase.READING):
            info = self._api.repo_info(
                self._repo_id, repo_type=self._repo_type, revision=self._revision,
                expand=["sha", "private"],  # type: ignore[arg-type]  # it takes a list, as its methods for each type say
            )  # fmt: skip
        return RepoState(str(info.sha), is_public=info.private is False)

    def check_write(self) -> None:
        if not self._api.token:
            raise UnauthorizedError("no token: set HF_TOKEN, or log in with `hf auth login`")
        with self._call(Phase.READING):
            self._api.auth_check(self._repo_id, repo_type=self._repo_type, write=True)

    def create(self, *, private: bool) -> Created:
        is_new_repo = self._makes(partial(self._create_repo, private=private))
        is_new_branch = self._revision != constants.DEFAULT_REVISION and self._makes(self._create_branch)
        if is_new_repo:
            return Created.REPO
        return Created.BRANCH if is_new_branch else Created.NOTHING

    def _makes(self, create: Callable[[], object]) -> bool:
        """Whether this made something that was not there."""
        try:
            with self._call(Phase.STAGING):
                create()
        except MovedError as error:
            if BEING_CREATED in str(error):
                raise
            return False
        return True

    def _create_repo(self, *, private: bool) -> None:
        sdk = STATIC_SPACE if self._repo_type == "space" else None
        self._api.create_repo(self._repo_id, repo_type=self._repo_type, private=private, space_sdk=sdk)

    def _create_branch(self) -> None:
        self._api.create_branch(self._repo_id, repo_type=self._repo_type, branch=self._revision)

    def refresh_token(self) -> None:
        self._api = self._new_api()

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        size_bytes = sum(upload.snapshot.fingerprint.size_bytes for upload in uploads)
        with ExitStack() as opened:
            tickets = self._tickets(uploads, opened)
            with self._forgetting(tickets), self._call(Phase.STAGING, size_bytes):
                self._api.preupload_lfs_files(
                    self._repo_id,
                    additions=tickets,
                    repo_type=self._repo_type,
                    revision=self._revision,
                    free_memory=True,
                )
        return [_staged(upload, ticket) for upload, ticket in zip(uploads, tickets, strict=True)]

    def _tickets(self, uploads: Sequence[Upload], opened: ExitStack) -> list[CommitOperationAdd]:
        """One each; all of them go anew where one does, for the client sends them one way."""
        if self._missing.isdisjoint(upload.snapshot.digest.sha256.hex() for upload in uploads):
            return [_ticket(upload, CommitOperationAdd, upload.snapshot.content) for upload in uploads]
        return [_ticket(upload, _Anew, _open(upload, opened)) for upload in uploads]

    @contextmanager
    def _forgetting(self, tickets: Iterable[object]) -> Iterator[None]:
        """When the Hub does not hold what was taken for sent: forget it, and send what was refused anew next time.

        What went anew already is refused for another reason: RejectedError.
        """
        try:
            yield
        except MissingContentError as error:
            large = _large(tickets)
            if all(isinstance(each, _Anew) for each in large):
                raise RejectedError(str(error)) from error
            earlier = self._missing if len(self._missing) < MOST_MISSING else frozenset()
            self._missing = earlier.union(each.upload_info.sha256.hex() for each in large)
            forget_sent()
            raise

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        operations = [_operation(each) for each in batch.operations]
        with self._forgetting(operations), self._call(Phase.COMMITTING, batch.held_bytes):
            info = self._api.create_commit(
                self._repo_id,
                operations,
                repo_type=self._repo_type,
                commit_message=batch.message,
                commit_description=_description(batch.id),
                revision=self._revision,
                parent_commit=parent,
            )
        if self._missing:
            self._missing -= {each.upload_info.sha256.hex() for each in _large(operations)}
        return Receipt(head=info.oid, commit=info.oid, url=str(info.commit_url))

    def find(self, batch_id: str) -> str | None:
        found = (each for each in self._recent() if _description(batch_id) in each["message"])
        return next((str(each["id"]) for each in found), None)

    def recent(self) -> list[str]:
        return [str(each["id"]) for each in self._recent()]

    def _recent(self) -> list[dict[str, Any]]:
        url = f"{self._url}/api/{self._repo_type}s/{self._repo_id}/commits/{quote(self._revision, safe='')}"
        with self._call(Phase.READING):
            answer = get_session().get(
                url, params={"limit": RECENT_COMMITS}, headers=self._api._build_hf_headers()  # noqa: SLF001  no public name
            )  # fmt: skip
            hf_raise_for_status(answer)
            commits: list[dict[str, Any]] = answer.json()
        return commits

    def paths_info(self, repo_paths: Sequence[str]) -> list[RemoteFile]:
        found: list[RemoteFile] = []
        for start in range(0, len(repo_paths), PATHS_PER_CALL):
            with self._call(Phase.READING):
                infos = self._api.get_paths_info(
                    self._repo_id,
                    list(repo_paths[start : start + PATHS_PER_CALL]),
                    repo_type=self._repo_type,
                    revision=self._revision,
                )
            found.extend(_remote(info) for info in infos if isinstance(info, RepoFile))
        return found

    def tree(self, prefix: str) -> Iterator[RemoteFile]:
        infos = iter(
            self._api.list_repo_tree(
                self._repo_id, prefix or None, repo_type=self._repo_type, recursive=True, revision=self._revision
            )
        )
        while True:
            try:
                with self._call(Phase.READING):  # a page at a time
                    info = next(infos, None)
            except MissingEntryError:
                return
            if info is None:
                return
            if isinstance(info, RepoFile):
                yield _remote(info)

    def deadline_s(self, size_bytes: int) -> float:
        return self._patience.deadline_s(size_bytes)

    @contextmanager
    def _call(self, phase: Phase, size_bytes: int = 0) -> Iterator[None]:
        """Every call of the client is inside one of these: it has an end, and what it raises is ours."""
        duration_s = self._patience.deadline_s(size_bytes)
        with deadline(duration_s), xet_deadline(duration_s) if phase is Phase.STAGING else nullcontext():
            try:
                yield
            except CLIENT_ERRORS as error:
                raise translate(error, phase) from error

    def _new_api(self) -> HfApi:
        return HfApi(
            endpoint=self._url,
            token=self._read_token() or False,
            library_name="hf-watch",
            library_version=__version__,
        )


def _description(batch_id: str) -> str:
    return f"hf-watch batch {batch_id}"


def _ticket(upload: Upload, kind: type[CommitOperationAdd], content: bytes | BinaryIO | None) -> CommitOperationAdd:
    try:
        ticket = kind(upload.repo_path, upload.readable_path if content is None else content)
    except ValueError as error:
        raise RejectedError(str(error), upload.repo_path) from error
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error
    if not isinstance(content, bytes):  # read and hashed already; spares a pass over the file
        ticket.upload_info.sha256 = upload.snapshot.digest.sha256
    return ticket


def _open(upload: Upload, opened: ExitStack) -> BinaryIO:
    """The content as a file that closes with `opened`."""
    if upload.snapshot.content is not None:
        return io.BytesIO(upload.snapshot.content)
    try:
        return opened.enter_context(open(upload.readable_path, "rb"))  # noqa: PTH123  the name need not be UTF-8
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error


def _travels_inside(ticket: CommitOperationAdd) -> bool:
    return ticket._upload_mode == "regular"  # noqa: SLF001  the answer of preupload has no public name


def _large(operations: Iterable[object]) -> list[CommitOperationAdd]:
    """What travels outside the commit."""
    return [each for each in operations if isinstance(each, CommitOperationAdd) and not _travels_inside(each)]


def _staged(upload: Upload, ticket: CommitOperationAdd) -> Staged:
    size_bytes = upload.snapshot.fingerprint.size_bytes
    held_bytes = size_bytes if _travels_inside(ticket) else 0
    return Staged(upload.repo_path, size_bytes, held_bytes, _outcome(upload, ticket), ticket)


def _outcome(upload: Upload, ticket: CommitOperationAdd) -> Outcome:
    """What the Hub's answer to preupload says will become of the file; guarded by the contract tests."""
    if ticket._should_ignore:  # noqa: SLF001  as above
        return Outcome.IGNORED
    digest = upload.snapshot.digest
    own = digest.git_sha1 if _travels_inside(ticket) else digest.sha256
    if own is not None and ticket._remote_oid == own.hex():  # noqa: SLF001  as above
        return Outcome.UNCHANGED
    return Outcome.COMMITTED


def _operation(operation: Staged | Delete) -> CommitOperationAdd | CommitOperationDelete:
    if isinstance(operation, Delete):
        return CommitOperationDelete(operation.repo_path, is_folder=False)
    if not isinstance(operation.ticket, CommitOperationAdd):
        raise TypeError(f"{operation.repo_path}: staged by another adapter")
    return operation.ticket


def _remote(info: RepoFile) -> RemoteFile:
    sha256 = bytes.fromhex(info.lfs.sha256) if info.lfs else None
    return RemoteFile(info.path, info.size, sha256, None if sha256 else bytes.fromhex(info.blob_id))
