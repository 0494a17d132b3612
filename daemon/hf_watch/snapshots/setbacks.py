"""What keeps a file from being published: set aside for its reason, looked at again later, or given up in a pass."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hf_watch.disk import relocation
from hf_watch.errors import SourceError
from hf_watch.paths import encoded, printable
from hf_watch.threads.measured import SetAside

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.ledger import rows
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Fingerprint
    from hf_watch.rules.settle import Waiting
    from hf_watch.targets.target import Target
    from hf_watch.threads.measured import Observe

IGNORED_REASON = "the repo's own .gitignore matches it"
UNREADABLE_RETRY_S = 60.0  # a file that may not be read is tried again this often, and at once when it is touched


@dataclass(frozen=True, slots=True)
class Setbacks:
    """For one destination, on its worker's thread. `gave_up` holds what a single pass could not wait for."""

    ledger: Ledger
    clock: Callable[[], float]
    single_pass: bool
    observe: Observe
    gave_up: dict[str, str] = field(default_factory=dict)  # why, by local path

    def set_aside(
        self, target: Target, path: str, fingerprint: Fingerprint | None, reason: str, in_repo: str | None = None
    ) -> None:
        """Put a file that cannot be published in quarantine, and say so; `in_repo`: where it clashes."""
        target.journal.tell("error", "path.quarantined", path, reason)
        self.observe(SetAside(target.spec.name, path, reason))
        if in_repo is not None or not self._moved_aside(target, path, fingerprint, reason):
            self.ledger.quarantine.set_aside(target.root, path, fingerprint, reason, in_repo)
        self.give_up(target, path, reason)

    def stays_aside(self, target: Target, aside: rows.SetAside) -> None:
        """It is in quarantine still: a single pass says so, and what a killed process did not move is moved."""
        if aside.reason == IGNORED_REASON:
            return
        if self.single_pass:
            target.journal.tell("error", "path.quarantined", aside.path, aside.reason)
            self.give_up(target, aside.path, aside.reason)
        if aside.repo_path is None:
            self._moved_aside(target, aside.path, aside.fingerprint, aside.reason)

    def wait_for_writer(self, target: Target, waiting: Waiting, looked: Fingerprint) -> None:
        """Look again at a file that somebody has open for writing; say so when that takes long, as a pass cannot."""
        now = self.clock()
        overdue = target.settler.overdue(waiting, now)
        if overdue and not waiting.named:
            duration_s = round(now - waiting.since, 1)
            target.journal.tell("warning", "path.busy", waiting.path, "open for writing", duration_s=duration_s)
        if overdue and self.single_pass:
            self.give_up(target, waiting.path, "open for writing")
        else:
            target.settler.look_again(replace(waiting, named=waiting.named or overdue), now, looked)

    def give_up_reading(self, target: Target, waiting: Waiting, reason: str) -> None:
        """Say that a file cannot be read, and try it again later."""
        if not waiting.named:
            target.journal.tell("warning", "path.unreadable", waiting.path, reason)
        if self.single_pass:
            self.give_up(target, waiting.path, reason)
        else:
            again = replace(waiting, named=True, settled=waiting.settled_since)
            target.settler.put_off(again, self.clock() + UNREADABLE_RETRY_S)

    def is_through_with(self, target: Target, waiting: Waiting, reason: str) -> bool:
        """Whether a single pass has waited long enough for this; then it was said."""
        is_over = self.single_pass and target.settler.overdue(waiting, self.clock())
        if is_over:
            self.give_up(target, waiting.path, reason)
        return is_over

    def give_up(self, target: Target, path: str, reason: str) -> None:
        """In a single pass, which does not wait: say that it could not be published."""
        if self.single_pass:
            self.gave_up[_local(target, path)] = reason

    def take_up(self, target: Target, path: str) -> None:
        """It can be published after all."""
        self.gave_up.pop(_local(target, path), None)

    def _moved_aside(self, target: Target, path: str, fingerprint: Fingerprint | None, reason: str) -> bool:
        """Move it to the target's quarantine_dir, with its reason beside it; False when it stays.

        The ledger forgets it first: what is moved away is not deleted on the Hub, whatever was published of it before.
        """
        if not target.spec.quarantine_dir or fingerprint is None or target.spec.group != "none":
            return False
        if not target.disk.moves(path):
            return False
        place = relocation.free(os.path.join(target.spec.quarantine_dir, path))  # noqa: PTH118  as below
        said = {
            "path": printable(path), "path_encoded": encoded(path), "target": target.spec.name, "reason": reason,
        }  # fmt: skip
        try:
            relocation.write_text(f"{place}.reason.json", json.dumps(said, indent=2) + "\n")
            self.ledger.files.record(target.root, (), [path])
            return relocation.move(target.path, path, fingerprint, place) is not None
        except SourceError as error:
            target.journal.tell("warning", "path.stays", path, str(error))
            return False


def _local(target: Target, path: str) -> str:
    return os.path.join(target.path, path)  # noqa: PTH118  the name need not be UTF-8
