"""One target's watch, kept running: started anew when it ended, and what it lacks named in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.model import Shortage
    from hf_watch.ports import Watch
    from hf_watch.threads.shortfall import Shortfall

log = structlog.get_logger()

FIRST_PAUSE_S = 2.0  # between two starts of a watch that ends again at once, doubled each time
LONGEST_PAUSE_S = 60.0
STEADY_S = 300.0  # a watch that ran for so long is not one that ends at once
_REASONS = {
    "watches": "no inotify watches left; what has none is polled",
    "instances": "no inotify instance left; all of it is polled",
    "descriptors": "no file descriptor left for a watch; all of it is polled",
}
ENOUGH = {"instances": 1, "descriptors": 6}  # for one more root; of descriptors watches may take every second one
GREW = 2  # a shortage is named again when it is so many times what was said


class Lookout:
    """Owns a target's watch, on its worker's thread. Without one, as in a single pass, there is nothing to do."""

    def __init__(self, watch: Watch | None, target: str, shortfall: Shortfall) -> None:
        self._watch = watch
        self._target = target
        self._shortfall = shortfall
        self._not_before = 0.0  # the next start of one that ended
        self._pause_s = FIRST_PAUSE_S
        self._refused: str | None = None  # why it could not be started, as was said
        self._said: Shortage | None = None
        self._said_missing = 0
        self._weigh_again = True

    def start(self) -> bool:
        """Whether the watch stands, or none is wanted."""
        if self._watch is None:
            return True
        try:
            self._watch.start()
        except SourceError as error:
            self._say_refused(str(error))
            return False
        self._refused = None
        return True

    def stop(self) -> None:
        """End it, for now or for good."""
        if self._watch is not None:
            self._watch.stop()
        self._shortfall.has_all(self._target)

    def polled(self) -> Sequence[str]:
        """What has to be scanned often: all of it while the watch is down."""
        if self._watch is None:
            return ()
        return self._watch.polled() if self._watch.is_alive() else ("",)

    def watched(self) -> int:
        """How many directories have a watch."""
        return 0 if self._watch is None else self._watch.watched()

    def sees_root(self) -> bool:
        """Whether a change in the root itself would be hinted at."""
        return self._watch is not None and "" not in self.polled()

    def tend(self, now: float) -> bool:
        """Start anew what ended or could have more by now. Whether all has to be scanned for it."""
        if self._watch is None:
            return False
        if not self._watch.is_alive():
            return now >= self._not_before and self._restart(now)
        shortage = self._watch.shortage()
        if shortage is None:
            self._say_restored()
            return False
        if shortage.what != "watches" and self.start() and self._watch.shortage() is None:
            self._say_restored()
            return True
        asked, self._weigh_again = self._weigh_again, False
        return asked  # a scan of all counts what is missing

    def next_start(self) -> float | None:
        """When a watch that is down may be started again."""
        return self._not_before if self._watch is not None and not self._watch.is_alive() else None

    def weigh(self, directories: int) -> None:
        """Say what is missing, given how many directories a scan of all found: once, and again when it has grown.

        What is said is what all targets lack: the setting is theirs together.
        """
        shortage = self._watch.shortage() if self._watch is not None else None
        if self._watch is None or shortage is None:
            return
        own = ENOUGH.get(shortage.what) or max(1, directories - self._watch.watched())
        missing = self._shortfall.lacks(self._target, shortage.setting, own)
        if self._said == shortage and own < GREW * self._said_missing:
            return
        self._said, self._said_missing = shortage, own
        log.warning(
            "watch.limited", target=self._target, reason=_REASONS[shortage.what],
            setting=shortage.setting, limit=shortage.limit, missing=missing, needed=shortage.limit + missing,
        )  # fmt: skip

    def _say_refused(self, reason: str) -> None:
        """Once: a root that cannot be watched is tried every few seconds."""
        if reason != self._refused:
            self._refused = reason
            log.warning("watch.refused", target=self._target, reason=reason)

    def _restart(self, now: float) -> bool:
        is_steady = now - self._not_before >= STEADY_S
        self._pause_s = FIRST_PAUSE_S if is_steady else min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._not_before = now + self._pause_s
        if not self.start():
            return False
        log.warning("watch.restarted", target=self._target, reason="it had ended")
        return True

    def _say_restored(self) -> None:
        self._weigh_again = True
        self._shortfall.has_all(self._target)
        if self._said is not None:
            self._said = None
            log.info("watch.restored", target=self._target)
