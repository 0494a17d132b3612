"""When one path is going to be on the Hub, or what keeps it: as its worker said last, and as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.control import view
from hf_watch.control.contract import ExplainView, TurnView
from hf_watch.ledger.records import looked_into
from hf_watch.ledger.rows import DeleteState
from hf_watch.paths import encoded, printable
from hf_watch.rules.grouping import group_of
from hf_watch.threads.status import TargetState, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hf_watch.control.choosing import Chosen
    from hf_watch.control.contract import FileState, State
    from hf_watch.control.daemon import Daemon, Steered
    from hf_watch.control.pauses import Bound
    from hf_watch.ledger.records import Records
    from hf_watch.threads.status import TargetStatus, Unpublished, WorkerStatus

KEEPING = frozenset({"lost", "paused", "refused"})  # nothing of such a target goes


def explain(daemon: Daemon, chosen: Sequence[Chosen], paused: frozenset[Bound]) -> ExplainView:
    """The turn of each path in its target; LedgerError when the ledger cannot be read."""
    with looked_into(daemon.ledger) as records:
        looks = [_Look.at(daemon, target, path, is_paused=target.bound in paused) for target, path in chosen]
        return ExplainView(turns=tuple(look.turn(records) for look in looks))


@dataclass(frozen=True, slots=True)
class _Look:
    """At one path, at one moment."""

    target: Steered
    path: str
    worker: WorkerStatus
    found: TargetStatus
    state: State
    now: float

    @classmethod
    def at(cls, daemon: Daemon, target: Steered, path: str, *, is_paused: bool) -> _Look:
        worker = target.status()  # read once: a worker replaces it at any time
        found = worker.targets[target.index]
        return cls(target, path, worker, found, view.state_of(worker, found, is_paused=is_paused), daemon.clock())

    def turn(self, records: Records) -> TurnView:
        if self._among(self.found.flies) is not None:
            return self._said("in_flight", "it is being sent, or sent and not answered for by the Hub yet")
        if (waiting := self._among(self.found.waits)) is not None:
            return self._turn_of(waiting)
        return self._aside(records) or self._published(records) or self._said(None, "nothing is known of it")

    def _among(self, paths: Sequence[Unpublished]) -> Unpublished | None:
        """The path itself or, where directories go as a whole, the one that it is in."""
        group = group_of(self.path) if self.target.settings.group == "directory" else ""
        return next((each for each in paths if each.path == self.path or (group and each.path == group)), None)

    def _turn_of(self, waiting: Unpublished) -> TurnView:
        if self.state in KEEPING:
            return self._said("waiting", f"it waits: {view.reason_of(self.worker, self.found, self.state)}")
        ahead = self._ahead_of(waiting)
        next_commit_s = round(max(0.0, waiting.due - self.now, self.worker.not_before - self.now), 3)
        return self._said(
            "waiting", "; ".join(self._why(waiting, ahead)), ahead=ahead, next_commit_s=next_commit_s
        )  # fmt: skip

    def _ahead_of(self, waiting: Unpublished) -> int:
        """How many paths of its worker go before it, or with it at the latest."""
        sharing = [each for each in self.worker.targets if each.state is not TargetState.LOST]
        return sum(len(each.flies) + sum(other.due < waiting.due for other in each.waits) for each in sharing)

    def _why(self, waiting: Unpublished, ahead: int) -> Iterator[str]:
        settles_s = waiting.due - self.now
        if waiting.trouble is not None:
            yield f"{waiting.trouble}; it is looked at again in {max(0.0, settles_s):.1f} s"
        elif settles_s > 0:
            yield f"it is to hold still for {settles_s:.1f} s more"
        else:
            yield "it has held still" + (f", {counted(ahead, 'path')} before it" if ahead else "")
        if (wait_s := self.worker.not_before - self.now) > 0:
            yield f"the next commit goes in {wait_s:.0f} s at the earliest"
        if self.worker.reason is not None:
            yield self.worker.reason

    def _aside(self, records: Records) -> TurnView | None:
        for each in records.aside(*self.target.root, within=self.path, limit=1):
            if each.path == self.path:
                return self._said("quarantined", f"it is set aside: {each.reason}")
        return None

    def _published(self, records: Records) -> TurnView | None:
        for each in records.held(*self.target.root, within=self.path, limit=1):
            if each.path == self.path:
                by = "" if each.made is None else f" with commit {each.made.commit}"
                return self._said("published", f"it was published at {each.repo_path}{by}{self._delete(records)}")
        return None

    def _delete(self, records: Records) -> str:
        if records.delete_state(*self.target.root, self.path) is not DeleteState.HELD:
            return ""
        return f"; its delete is held back until `hf-watch confirm-deletes {self.target.name}`"

    def _said(
        self, state: FileState | None, verdict: str, ahead: int | None = None, next_commit_s: float | None = None
    ) -> TurnView:
        return TurnView(
            target=self.target.name, target_state=self.state, path=printable(self.path),
            path_encoded=encoded(self.path), state=state, ahead=ahead, next_commit_s=next_commit_s,
            verdict=printable(verdict),
        )  # fmt: skip
