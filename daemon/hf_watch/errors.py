"""What can go wrong, each class named after its remedy. Only these cross from an adapter to the worker."""

from __future__ import annotations


class HfWatchError(Exception):
    """The common base; its text is one line that a person can act on."""


class ConfigError(HfWatchError):
    """The settings alone are wrong; exit 78."""


class AlreadyRunningError(HfWatchError):
    """Another daemon holds the state directory."""


class NotRunningError(HfWatchError):
    """No daemon answers at this state directory."""


class InstallError(HfWatchError):
    """The service cannot be put in place as things are; the text says what to do first."""


class NotSettledError(HfWatchError):
    """The file moved while it was read, or is being written: settle it again."""


class SourceError(HfWatchError):
    """A file or directory could not be read; the text says why."""


class LedgerError(HfWatchError):
    """The state directory cannot be read or written for now: nothing may be committed; wait, then open it anew."""


class CorruptLedgerError(LedgerError):
    """The ledger's file holds no ledger any more: set it aside, and find out anew what the Hub holds."""


class HubError(HfWatchError):
    """The Hub or the way to it refused. Where it said so, nothing is to be asked of it before `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RetryableError(HubError):
    """Nothing was changed on the Hub; the same may be tried again."""


class UnreachableError(RetryableError):
    """The Hub does not answer, or is out of order: ask lightly until it is back."""


class AmbiguousError(HubError):
    """The commit may have landed, or may land later: look before it is repeated."""


class MovedError(HubError):
    """Somebody else committed in between: look at the head, then try again."""


class RejectedError(HubError):
    """The Hub will not take these operations as they are; `repo_path` names the culprit where it is known."""

    def __init__(self, message: str, repo_path: str | None = None) -> None:
        super().__init__(message)
        self.repo_path = repo_path


class TooLargeError(HubError):
    """The batch is too large for one request: halve it."""


class UnauthorizedError(HubError):
    """Token or permission: a person must act."""


class MissingRepoError(HubError):
    """The repo or the branch does not exist."""


class MissingContentError(HubError):
    """Content that was taken for sent is not there, or was not taken: stage it anew, and it travels another way."""


class MissingEntryError(HubError):
    """A path to be deleted is not there any more."""
