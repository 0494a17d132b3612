"""A Hub in memory: the port's other adapter. It keeps real state, and fails as its script says."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hf_watch.disk.reading import digest_of
from hf_watch.errors import AmbiguousError, MissingEntryError, MissingRepoError, MovedError, RejectedError
from hf_watch.model import Created, Delete, Digest, Outcome, Receipt, RemoteFile, RepoState, Staged
from hf_watch.paths import parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hf_watch.errors import HubError
    from hf_watch.model import Batch, Operation, Upload

LARGEST_REGULAR_BYTES = 10 << 20


@dataclass(frozen=True)
class FakeCommit:
    """One commit as the fake keeps it."""

    id: str
    batch_id: str
    message: str
    added: dict[str, bytes]
    deleted: tuple[str, ...]


@dataclass
class FakeRepo:
    """A branch: what it holds, and how it came about."""

    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[FakeCommit] = field(default_factory=list)

    @property
    def head(self) -> str:
        return self.commits[-1].id if self.commits else "0" * 40

    def apply(self, batch_id: str, message: str, added: dict[str, bytes], deleted: Sequence[str]) -> FakeCommit:
        for path in deleted:
            if path not in self.files:
                raise MissingEntryError(f"404: {path} does not exist")
        files = (self.files.keys() - set(deleted)) | added.keys()
        if both := files.intersection(above for path in files for above in parents(path)):
            raise RejectedError(f"400: files and directories: {both}")
        self.files.update(added)
        for path in deleted:
            del self.files[path]
        seed = f"{self.head} {batch_id} {len(self.commits)}"
        commit = FakeCommit(
            hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest(), batch_id, message, added, tuple(deleted)
        )
        self.commits.append(commit)
        return commit


@dataclass(frozen=True)
class Fault:
    """What one call does instead of working: `error` is raised, after the effect if the answer is to be lost.

    A `late` commit has its effect when the test says so (`FakeHub.land`).
    """

    error: HubError
    after_effect: bool = False
    late: bool = False


class FakeHub:
    """ports.Hub. `script[verb]` holds the faults of the next calls of that verb; None lets one through."""

    def __init__(
        self,
        repo: FakeRepo | None = None,
        bad: Callable[[str], bool] = lambda _: False,
        largest_regular_bytes: int = LARGEST_REGULAR_BYTES,
    ) -> None:
        self.repo = FakeRepo() if repo is None else repo
        self.exists = True
        self.makes = Created.REPO  # what is missing when it does not exist
        self.is_public = False
        self.script: dict[str, deque[Fault | None]] = {}
        self.calls: list[str] = []
        self.ignored: set[str] = set()
        self.late: list[tuple[str, Batch]] = []  # commits still under way somewhere, by the head they began with
        self.on_call: Callable[[str], None] = lambda _: None  # what happens elsewhere while a call is under way
        self._bad = bad
        self._largest_regular_bytes = largest_regular_bytes

    def head(self) -> str:
        self._called("head")
        return self.repo.head

    def state(self) -> RepoState:
        self._called("head")
        return RepoState(self.repo.head, self.is_public)

    def check_write(self) -> None:
        self._called("check_write")

    def create(self, *, private: bool) -> Created:  # noqa: ARG002  the fake has no visibility
        made = Created.NOTHING if self.exists else self.makes
        self.exists = True
        self._called("create")
        return made

    def refresh_token(self) -> None:
        self.calls.append("refresh_token")

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        self._called("stage")
        return [self._staged(upload) for upload in uploads]

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        fault = self._called("commit")
        if parent is not None and parent != self.repo.head:
            raise MovedError("412: a commit has happened since")
        if len({operation.repo_path for operation in batch.operations}) < len(batch.operations):
            raise ValueError("a repo path stands twice in one batch")
        for operation in batch.operations:
            if self._bad(operation.repo_path):
                raise RejectedError("400: one of these is bad")
        if fault is not None and fault.late:
            self.late.append((self.repo.head, batch))
            raise fault.error
        commit = self.repo.apply(batch.id, batch.message, *_effect(batch.operations))
        if fault is not None:
            raise fault.error
        return Receipt(commit.id, commit.id, f"fake://{commit.id}")

    def fail(self, verb: str, *faults: Fault | None) -> None:
        """Append to the script of a verb."""
        self.script.setdefault(verb, deque()).extend(faults)

    def land(self, *, anyway: bool = False) -> None:
        """What was still under way arrives; if it had reached the Hub, only if no commit has happened since.

        `anyway`: it was held up before it did.
        """
        for head, batch in self.late:
            if anyway or head == self.repo.head:
                with contextlib.suppress(RejectedError):  # then it never lands
                    self.repo.apply(batch.id, batch.message, *_effect(batch.operations))
        self.late.clear()

    def find(self, batch_id: str) -> str | None:
        self._called("find")
        return next((commit.id for commit in self.repo.commits if commit.batch_id == batch_id), None)

    def recent(self) -> list[str]:
        self._called("recent")
        return [*(commit.id for commit in reversed(self.repo.commits)), "0" * 40]

    def paths_info(self, repo_paths: Sequence[str]) -> list[RemoteFile]:
        self._called("paths_info")
        return [self._remote(path, self.repo.files[path]) for path in repo_paths if path in self.repo.files]

    def deadline_s(self, size_bytes: int) -> float:
        return 180.0 + size_bytes / 100_000

    def tree(self, prefix: str) -> Iterator[RemoteFile]:
        self._called("tree")
        for path, content in sorted(self.repo.files.items()):
            if not prefix or path.startswith(prefix + "/"):
                yield self._remote(path, content)

    def _called(self, verb: str) -> Fault | None:
        """Note the call; raise what comes before its effect; return what comes after it."""
        self.calls.append(verb)
        self.on_call(verb)
        faults = self.script.get(verb)
        fault = faults.popleft() if faults else None
        if fault is not None and not fault.after_effect and not fault.late:
            raise fault.error
        if not self.exists and verb != "create":
            raise MissingRepoError("404: Repository Not Found")
        return fault

    def _staged(self, upload: Upload) -> Staged:
        content = upload.snapshot.content
        if content is None:
            content = Path(upload.readable_path).read_bytes()
        is_regular = len(content) <= self._largest_regular_bytes
        outcome = Outcome.COMMITTED
        if upload.repo_path in self.ignored:
            outcome = Outcome.IGNORED
        elif self.repo.files.get(upload.repo_path) == content:
            outcome = Outcome.UNCHANGED
        return Staged(upload.repo_path, len(content), len(content) if is_regular else 0, outcome, content)

    def _remote(self, path: str, content: bytes) -> RemoteFile:
        digest: Digest = digest_of(content)
        if len(content) > self._largest_regular_bytes:
            return RemoteFile(path, len(content), digest.sha256, None)
        return RemoteFile(path, len(content), None, digest.git_sha1)


def lost_answer(text: str = "504: Gateway Time-out") -> Fault:
    """The commit lands, its answer does not."""
    return Fault(AmbiguousError(text), after_effect=True)


def _effect(operations: Sequence[Operation]) -> tuple[dict[str, bytes], list[str]]:
    added = {each.repo_path: _content(each) for each in operations if isinstance(each, Staged)}
    return added, [each.repo_path for each in operations if isinstance(each, Delete)]


def _content(staged: Staged) -> bytes:
    if not isinstance(staged.ticket, bytes):
        raise TypeError(f"{staged.repo_path}: staged by another adapter")
    return staged.ticket
