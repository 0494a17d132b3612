"""The guard before deletes: many at once are held back until a person says that they are meant.

A few missing files go with the next commit. More than a few are written down first, and nothing is decided while a scan
is under way or files are still disappearing. Then all of them go, if they are no more than `max_delete`; otherwise all
are held, in the ledger, until they are confirmed or their files are there again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from hf_watch.ledger.rows import DeleteState
from hf_watch.model import Change, ChangeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.targets.findings import Lost
    from hf_watch.targets.target import Target

log = structlog.get_logger()

FEW = 10  # a rename or a person's own hand, not a disk that went away
QUIET_S = 1.0  # nothing disappears any more; `rm -rf` removes thousands of files in it
HINTED = 1_000  # more are found by a scan


@dataclass(slots=True)
class _Watched:
    """What the guard knows of one target."""

    sent: deque[tuple[float, int]] = field(default_factory=deque)  # when, how many went unasked after a while
    passed: dict[str, float] = field(default_factory=dict)  # which went unasked at once, and when: each counts once
    undecided_since: float | None = None
    latest: float = 0.0  # when the last one was written down
    held: int = 0
    example: str = ""
    is_known: bool = False  # what the ledger says was looked up


class DeleteGuard:
    """Decides which of the missing files of one destination's targets may be deleted; on its worker's thread."""

    def __init__(self, ledger: Ledger, targets: Sequence[Target], *, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._targets = targets
        self._clock = clock
        self._watched = {id(target): _Watched() for target in targets}

    def passed(self, lost: Iterable[Lost], added: Container[bytes]) -> list[Lost]:
        """Those that may be deleted now; the others are written down, and come again when it is decided.

        `added` are the sha256 of what the same commit adds: what is among it was renamed, not deleted.
        """
        renamed: list[Lost] = []
        by_target: dict[int, list[Lost]] = {}
        for each in lost:
            mine = renamed if self._sha256(each) in added else by_target.setdefault(id(each.target), [])
            mine.append(each)
        return renamed + [each for mine in by_target.values() for each in self._passed(mine[0].target, mine)]

    def _sha256(self, lost: Lost) -> bytes | None:
        known = self._ledger.files.known(lost.target.root, lost.waiting.path)
        return known.digest.sha256 if known is not None and known.digest is not None else None

    def _passed(self, target: Target, lost: Sequence[Lost]) -> list[Lost]:
        states = [self._ledger.deletes.state(target.root, each.waiting.path) for each in lost]
        meant = [each for each, state in zip(lost, states, strict=True) if state is DeleteState.CONFIRMED]
        unknown = [each for each, state in zip(lost, states, strict=True) if state is None]
        passed = self._counted_at_once(target)
        again = [each for each in unknown if each.waiting.path in passed]  # the Hub did not take it
        new = [each for each in unknown if each.waiting.path not in passed]
        if not new:
            return [*meant, *again]
        if self._are_few(target, len(new)):
            passed.update(dict.fromkeys((each.waiting.path for each in new), self._clock()))
            return [*meant, *again, *new]
        self._write_down(target, [each.waiting.path for each in new])
        return [*meant, *again]

    def _are_few(self, target: Target, count: int) -> bool:
        if target.is_scanning or any(self._ledger.deletes.count(target.root, state) for state in UNSETTLED):
            return False
        return count + target.settler.count_gone(FEW) <= FEW and count + self._recent(target) <= self._allowed(target)

    def _write_down(self, target: Target, paths: Sequence[str]) -> None:
        watched, now = self._watched[id(target)], self._clock()
        self._ledger.deletes.note(target.root, paths)
        watched.latest = now
        if watched.undecided_since is None:
            watched.undecided_since = now

    def _recent(self, target: Target) -> int:
        """How many went unasked since about the last scan."""
        sent, since = self._watched[id(target)].sent, self._clock() - target.spec.rescan_s
        while sent and sent[0][0] < since:
            sent.popleft()
        return sum(count for _, count in sent) + len(self._counted_at_once(target))

    def _counted_at_once(self, target: Target) -> dict[str, float]:
        """Those that went unasked at once since then: the one dict that is kept, to be added to."""
        passed, since = self._watched[id(target)].passed, self._clock() - target.spec.rescan_s
        for path in [path for path, at in passed.items() if at < since]:
            del passed[path]
        return passed

    def _allowed(self, target: Target) -> int:
        return target.spec.max_delete.of(self._ledger.files.count(target.root))

    def check(self) -> None:
        """Decide what can be decided by now."""
        for target in self._targets:
            watched = self._watched[id(target)]
            if not target.is_lost and not watched.is_known:
                self._look_up(target, watched)
            if watched.undecided_since is not None and self._is_decidable(target, watched):
                self._decide(target, watched)

    def let_go(self) -> None:
        """Forget everything but what the ledger says: it could not be written."""
        self._watched = {id(target): _Watched() for target in self._targets}

    def _look_up(self, target: Target, watched: _Watched) -> None:
        """What the ledger says of deletes that an earlier process wrote down."""
        watched.is_known = True
        if self._ledger.deletes.count(target.root, DeleteState.NOTED):
            watched.undecided_since = watched.latest = self._clock()
        self._see_held(target, watched)

    def _is_decidable(self, target: Target, watched: _Watched) -> bool:
        if target.is_lost or target.is_scanning:
            return False
        now = self._clock()
        if now >= (watched.undecided_since or 0.0) + target.spec.max_wait_s + QUIET_S:
            return True
        return now >= watched.latest + QUIET_S and not target.settler.count_gone(0)

    def next_check(self) -> float | None:
        """When `check` has something to do, as far as time alone decides it."""
        moments = [
            max(each.latest + QUIET_S, self._clock() + 0.1)
            for each in self._watched.values()
            if each.undecided_since is not None
        ]
        return min(moments, default=None)

    @property
    def is_undecided(self) -> bool:
        """Whether something may still be deleted without anybody's doing."""
        return any(each.undecided_since is not None for each in self._watched.values())

    def _decide(self, target: Target, watched: _Watched) -> None:
        watched.undecided_since = None
        self._forget_returned(target)
        noted = self._ledger.deletes.count(target.root, DeleteState.NOTED)
        is_held = self._ledger.deletes.count(target.root, DeleteState.HELD) > 0
        if not is_held and noted + self._recent(target) <= self._allowed(target):
            watched.sent.append((self._clock(), noted))
            self._let_go(target, DeleteState.NOTED)
            return
        self._ledger.deletes.settle(target.root, DeleteState.NOTED, DeleteState.HELD)
        self._see_held(target, watched)
        if noted:
            says = f"`hf-watch confirm-deletes {target.spec.name}` lets them go"
            log.error(
                "deletes.held", target=target.spec.name, files=watched.held, path=watched.example,
                reason="more than max_delete at once", says=says,
            )  # fmt: skip

    def _forget_returned(self, target: Target) -> None:
        """Files that are there again are no deletes."""
        for state in UNSETTLED:
            paths = self._ledger.deletes.paths(target.root, state)
            if returned := [path for path in paths if not target.disk.is_gone(path)]:
                self._ledger.deletes.drop(target.root, returned)

    def _let_go(self, target: Target, state: DeleteState) -> int:
        now = self._clock()
        paths = self._ledger.deletes.paths(target.root, state)
        self._ledger.deletes.settle(target.root, state, DeleteState.CONFIRMED)
        if len(paths) > HINTED:
            target.scan_now(now)
        else:
            for path in paths:
                target.settler.note(Change(path, ChangeKind.GONE, now))
        return len(paths)

    def _see_held(self, target: Target, watched: _Watched) -> None:
        watched.held = self._ledger.deletes.count(target.root, DeleteState.HELD)
        watched.example = self._ledger.deletes.first(target.root, DeleteState.HELD) or ""

    def confirm(self, target: Target) -> int:
        """A person says that what is held is meant: exactly that. How many files."""
        if target.is_lost:
            return 0
        watched = self._watched[id(target)]
        self._forget_returned(target)
        count = self._let_go(target, DeleteState.HELD)
        self._see_held(target, watched)
        log.info("deletes.confirmed", target=target.spec.name, files=count)
        return count

    def decides(self, target: Target) -> bool:
        """Whether it is still to be found out if deletes of a target are held."""
        return self._watched[id(target)].undecided_since is not None

    def held(self, target: Target) -> tuple[int, str]:
        """How many deletes wait for a person, and one of the paths."""
        watched = self._watched[id(target)]
        return watched.held, watched.example


UNSETTLED = (DeleteState.NOTED, DeleteState.HELD)
