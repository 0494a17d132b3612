"""When a root is scanned: what is asked for, the scan under way, and when the next one is due."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import structlog

from hf_watch.paths import within
from hf_watch.threads.measured import Scanned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.model import Change
    from hf_watch.targets.ground import Ground
    from hf_watch.targets.lookout import Lookout
    from hf_watch.targets.spec import TargetSpec
    from hf_watch.targets.surveying import Survey
    from hf_watch.threads.measured import Observe

log = structlog.get_logger()

RESCAN_SHARE = 100  # a rescan takes at most one hundredth of the time
COLLAPSED_SCAN_SHARE = 10  # scans that gaps ask for: at most a tenth of it, after the first
POLL_SHARE = 10  # polling takes at most a tenth of it
OVER = object()


class _Walk:
    """A scan under way: a step is a directory, or a pause while there is no room for what was found in it."""

    def __init__(self, top: str, steps: Iterator[None], clock: Callable[[], float]) -> None:
        self.top = top
        self.began = clock()
        self.took_s = 0.0
        self._steps = steps
        self._clock = clock

    def step(self) -> bool:
        """Whether it came to its end."""
        began = self._clock()
        is_over = next(self._steps, OVER) is OVER
        self.took_s += self._clock() - began
        return is_over


class Exploration:
    """The scans of one target. `begin` gives it a root to scan, `stop` takes it away."""

    def __init__(
        self, spec: TargetSpec, survey: Survey, *, lookout: Lookout, clock: Callable[[], float], observe: Observe
    ) -> None:
        self.scanned_from = -math.inf  # when the last scan of the whole root began that came to its end
        self._next_rescan = math.inf  # until a root is taken up, and scanned for it
        self.next_poll = math.inf
        self._spec = spec
        self._survey = survey
        self._lookout = lookout
        self._clock = clock
        self._observe = observe
        self._ground: Ground | None = None
        self._walk: _Walk | None = None
        self._next_walk = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether something is still to be found out; nothing is without a root."""
        return self._ground is not None and (self._walk is not None or bool(self._survey.asked))

    @property
    def next_rescan(self) -> float:
        """When the whole root is to be scanned again; how soon is not known while it is scanned."""
        return math.inf if self._walk is not None and not self._walk.top else self._next_rescan

    def begin(self, ground: Ground) -> None:
        """Scan this root from now on."""
        self._ground = ground

    def stop(self) -> None:
        """Forget what was asked for: there is no root."""
        self._ground = None
        self._walk = None
        self._survey.asked.clear()

    def add(self, directory: str) -> None:
        """Ask for a scan of what is, or was, below `directory`."""
        self._survey.asked.add(directory)

    def rescan(self, now: float) -> None:
        """Ask for a scan of the whole root."""
        self._survey.asked.add("")
        self._next_rescan = now + self._spec.rescan_s
        self.next_poll = now + self._spec.poll_s

    def poll(self, now: float) -> None:
        """Ask for a scan of what has no watch, or could not be read."""
        self.next_poll = now + self._spec.poll_s
        for directory in (*self._lookout.polled(), *self._survey.unreadable):
            if self._walk is None or not within(directory, self._walk.top):  # else it is being looked at
                self._survey.asked.add(directory)

    def hurry(self, now: float) -> None:
        """Go without a pause after the scan before."""
        self._next_walk = now

    def unreadable(self) -> list[str]:
        """The directories that could not be listed when they were scanned last."""
        return sorted(self._survey.unreadable)

    def settle(self, change: Change) -> None:
        """Let a path settle; when too many do, it is found again later."""
        self._survey.settle(change)

    def go_on(self, now: float, until: float) -> bool:
        """Go on with the scan under way, or begin the next one, until the clock says `until`.

        False: the root went while it was scanned.
        """
        while self._ground is not None and self._survey.has_room and self._clock() < until:
            if self._walk is None:
                if not self._survey.asked or now < self._next_walk:
                    return True
                self._walk = self._begun(self._ground)
            if self._walk.step() and not self._is_finished(self._walk, self._ground):
                return False
        return True

    def next_walk(self) -> float | None:
        """When `go_on` has something to do, or None."""
        if not self.is_under_way or not self._survey.has_room:
            return None
        return 0.0 if self._walk is not None else self._next_walk

    def _begun(self, ground: Ground) -> _Walk:
        top = self._survey.asked.pop()
        self._survey.walked = 0
        return _Walk(top, self._survey.steps(ground, top), self._clock)

    def _is_finished(self, walk: _Walk, ground: Ground) -> bool:
        self._walk = None
        self.next_poll = max(self.next_poll, self._clock() + POLL_SHARE * walk.took_s)
        if not ground.stands():
            return False
        if not walk.top:
            self._finish(walk, ground)
        return True

    def _finish(self, walk: _Walk, ground: Ground) -> None:
        """All of the root was scanned."""
        finished = self._clock()
        self.scanned_from = walk.began
        self._observe(Scanned(self._spec.name, walk.took_s))
        log.info("target.scanned", target=self._spec.name, duration_s=round(walk.took_s, 3))
        self._lookout.weigh(self._survey.walked)
        self._survey.tidy(ground)
        self._next_rescan = max(self._next_rescan, finished + RESCAN_SHARE * walk.took_s)
        self._next_walk = finished + COLLAPSED_SCAN_SHARE * walk.took_s
