"""What the worker asks of the outside. A Protocol's docstring is its contract; tests/contract holds adapters to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hf_watch.model import Batch, Change, Created, Gap, Receipt, RemoteFile, RepoState, Shortage, Staged, Upload


class Sink(Protocol):
    """Where a watch puts what it sees. Called from the watch's threads; never blocks, never raises."""

    def put(self, hint: Change | Gap) -> None: ...


class Watch(Protocol):
    """One watched root.

    `start` returns once a watch stands on the root and on every directory below it that can have one, so that what
    changes afterwards is hinted; it scans nothing for the caller. What it cannot know it says as a Gap. It raises
    SourceError when the root cannot be watched or listed at all. After `stop` no hint comes any more and its threads
    are joined; it may be started again.
    """

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def is_alive(self) -> bool:
        """Whether its threads run; False before `start` and after a crash."""

    def polled(self) -> Sequence[str]:
        """Relative directories (`""`: the whole root) whose changes the kernel does not report: to be scanned often."""

    def shortage(self) -> Shortage | None:
        """What the system did not give it enough of, None when it has all; watches are asked for again by itself."""

    def watched(self) -> int:
        """How many directories it watches at the moment."""


class Hub(Protocol):
    """One destination on the Hub. Every method may raise any errors.HubError; none retries, each has an end.

    RetryableError, RejectedError, TooLargeError, UnauthorizedError, MissingRepoError, MissingEntryError, MovedError and
    MissingContentError are definite: nothing was changed. Only `commit` and `create` raise AmbiguousError, only `stage`
    and `commit` MissingContentError.
    """

    def head(self) -> str:
        """The id of the branch's newest commit."""

    def state(self) -> RepoState:
        """The same, and who may read the repo; one request."""

    def check_write(self) -> None:
        """Return when the token may commit here; UnauthorizedError or MissingRepoError otherwise."""

    def create(self, *, private: bool) -> Created:
        """Create the repo and the branch; what exists already stays as it is. What was made."""

    def refresh_token(self) -> None:
        """Read the token again from where it came from."""

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        """Ask how each file is to travel, and send the content of those that travel outside the commit.

        Afterwards the uploads' own content need not be held any more. The answers come in the order of the uploads.
        Raises errors.SourceError, too, when a file that is handed over by its path could not be read.
        """

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        """Make one commit of a batch that holds something to commit: all of it or nothing.

        With `parent` the Hub refuses (MovedError) unless that is the head. After AmbiguousError and MissingContentError
        the staged operations must not be used again; staged anew, content that was missing is sent whole.
        """

    def find(self, batch_id: str) -> str | None:
        """The id of the commit that was made of this batch, looked for among the most recent ones."""

    def recent(self) -> list[str]:
        """The ids of the branch's most recent commits, whoever made them, the newest first."""

    def paths_info(self, repo_paths: Sequence[str]) -> list[RemoteFile]:
        """What the branch holds at these paths; what it does not hold is missing from the answer."""

    def deadline_s(self, size_bytes: int) -> float:
        """The longest that one call lasts in which so many bytes are sent."""

    def tree(self, prefix: str) -> Iterator[RemoteFile]:
        """Every file below a directory of the branch, page by page; nothing when there is no such directory."""
