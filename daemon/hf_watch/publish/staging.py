"""Sending what travels outside the commit, and only what the repo does not hold already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.disk import opening
from hf_watch.errors import HubError, RejectedError, RetryableError, SourceError, TooLargeError
from hf_watch.model import Outcome
from hf_watch.publish.parcel import Ready
from hf_watch.snapshots.setbacks import IGNORED_REASON
from hf_watch.threads.measured import Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Staged
    from hf_watch.ports import Hub
    from hf_watch.publish.unanswered import Unanswered
    from hf_watch.snapshots.recording import Recorder
    from hf_watch.snapshots.setbacks import Setbacks
    from hf_watch.targets.findings import Found
    from hf_watch.threads.measured import Observe

NOT_HELD_REASON = "the Hub wants it inside the commit, and it is larger than memory.inline_bytes"
BULK_PATHS = 50  # above it, asking what the repo holds costs less than preparing the uploads one by one


@dataclass(frozen=True, slots=True)
class Stager:
    """For one destination, on its worker's thread."""

    hub: Hub
    ledger: Ledger
    recorder: Recorder
    setbacks: Setbacks
    unanswered: Unanswered
    clock: Callable[[], float]
    observe: Observe

    def stage(self, found: Sequence[Found]) -> list[Ready]:
        """Send what travels outside the commit. A file that the Hub refuses goes to quarantine, the others on."""
        return self._staged(self._not_in_repo(found))

    def _not_in_repo(self, found: Sequence[Found]) -> Sequence[Found]:
        """Write down which files the repo holds already, where asking is cheaper than sending; return the others."""
        unknown = [each for each in found if (each.known is None or each.known.digest is None) and not each.former]
        if len(unknown) <= BULK_PATHS and not any(each.is_large for each in unknown):
            return found
        remote = {file.repo_path: file for file in self.hub.paths_info([each.repo_path for each in unknown])}
        left = []
        for each in found:
            file = remote.get(each.repo_path)
            if file is not None and file.holds(each.snapshot.digest):
                self._touch(each)
            else:
                left.append(each)
        return left

    def _staged(self, found: Sequence[Found]) -> list[Ready]:
        if not found:
            return []
        try:
            staged = self.hub.stage([each.upload for each in found])
        except (RejectedError, TooLargeError) as error:
            return self._staged_without(found, error)
        except SourceError as error:
            return self._staged_readable(found, error)
        ready: list[Ready] = []
        for each, operation in zip(found, staged, strict=True):
            ready.extend(self._sorted_out(each, operation))
        return ready

    def _staged_without(self, found: Sequence[Found], error: HubError) -> list[Ready]:
        culprit = getattr(error, "repo_path", None)
        bad = found[0] if len(found) == 1 else next((each for each in found if each.repo_path == culprit), None)
        if bad is None:
            middle = len(found) // 2
            return self._staged(found[:middle]) + self._staged(found[middle:])
        self._set_aside(bad, str(error))
        return self._staged([each for each in found if each is not bad])

    def _staged_readable(self, found: Sequence[Found], error: SourceError) -> list[Ready]:
        """One of the files that are handed over by their path could not be read, the client does not say which."""
        in_memory = [each for each in found if each.fd is None]
        if len(in_memory) == len(found):
            raise RetryableError(str(error)) from error  # not a file of ours: what the client keeps beside it
        for each in found:
            if each.fd is not None:
                self.setbacks.give_up_reading(each.target, each.waiting, str(error))
        return self._staged(in_memory)

    def _sorted_out(self, found: Found, staged: Staged) -> Iterable[Ready]:
        if found.fd is not None and opening.fingerprint(found.fd) != found.snapshot.fingerprint:
            found.target.settler.look_again(found.waiting, self.clock(), None)  # it moved while it was sent
        elif found.fd is not None and staged.held_bytes:
            self._set_aside(found, NOT_HELD_REASON)  # its descriptor, and so its content, is gone by the commit
        elif staged.outcome is Outcome.UNCHANGED and not found.former:
            self._touch(found)
        elif staged.outcome is Outcome.IGNORED:
            self._skip(found)
        else:
            yield Ready(found.without_content(), staged)

    def _touch(self, found: Found) -> None:
        """The Hub holds this content: to be written down, unless a commit that is still under way may replace it."""
        if not self.unanswered.may_yet_differ(found):
            self.recorder.touch(found)

    def _skip(self, found: Found) -> None:
        target, path = found.target, found.waiting.path
        self.recorder.account_for(target, path)
        target.journal.tell("warning", "path.skipped", path, IGNORED_REASON)
        self.ledger.quarantine.set_aside(target.root, path, found.snapshot.fingerprint, IGNORED_REASON)
        self.observe(Skipped(target.spec.name, path, found.repo_path, "ignored"))

    def _set_aside(self, found: Found, reason: str) -> None:
        self.setbacks.set_aside(found.target, found.waiting.path, found.snapshot.fingerprint, reason)
