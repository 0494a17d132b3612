"""One upload outside any watched directory: stage, commit, and try again as long as that makes sense."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import (
    AmbiguousError,
    HubError,
    MissingContentError,
    MissingRepoError,
    MovedError,
    RejectedError,
    RetryableError,
)
from hf_watch.model import Batch, Outcome, Receipt
from hf_watch.rules.pace import backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.model import Upload
    from hf_watch.ports import Hub

log = structlog.get_logger()

MOST_ATTEMPTS = 6  # about a minute of a Hub that does not answer


@dataclass(frozen=True, slots=True)
class Pusher:
    """Publishes one file; on the caller's thread."""

    hub: Hub
    create_repo: bool
    private: bool
    sleep: Callable[[float], None]
    unit_random: Callable[[], float]

    def push(self, upload: Upload, message: str) -> Receipt:
        """The commit that holds the file, `commit` None when the Hub held it already. Raises the last HubError.

        Repeating is harmless: staging asks what the Hub holds by now.
        """
        attempt = 0
        is_repeat = False  # of one that may land yet: it names its parent, read first, so that the late one stops it
        while True:
            try:
                return self._try(upload, message, self.hub.head() if is_repeat else None)
            except MissingRepoError:
                if not self.create_repo or attempt:
                    raise
                self.hub.create(private=self.private)
                attempt += 1
            except (RetryableError, AmbiguousError, MovedError, MissingContentError) as error:
                attempt += 1
                if attempt >= MOST_ATTEMPTS:
                    raise
                is_repeat = is_repeat or isinstance(error, AmbiguousError)
                self._wait(attempt, error)

    def _try(self, upload: Upload, message: str, parent: str | None) -> Receipt:
        (staged,) = self.hub.stage([upload])
        if staged.outcome is Outcome.IGNORED:
            raise RejectedError("the repo's own .gitignore matches it", upload.repo_path)
        if staged.outcome is Outcome.UNCHANGED:
            return Receipt(self.hub.head(), None, None)
        return self.hub.commit(Batch(uuid.uuid4().hex, (staged,), message), parent)

    def _wait(self, attempt: int, error: HubError) -> None:
        wait_s = backoff_s(attempt, self.unit_random(), error.retry_after_s)
        log.warning("commit.deferred", reason=str(error), attempt=attempt, not_before_s=round(wait_s, 1))
        self.sleep(wait_s)
