"""Files stamped within a tick of their snapshots may have changed since without their times telling: read them again.

That needs no commit and no Hub, so it waits for neither; git has the same rule for its index.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from hf_watch.disk import opening, reading
from hf_watch.errors import NotSettledError, SourceError
from hf_watch.model import Change, ChangeKind
from hf_watch.rules.settle import TIMESTAMP_TICK_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.afterwards.after_upload import AfterUpload
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.model import Snapshot
    from hf_watch.targets.findings import Found

TICK_S = TIMESTAMP_TICK_NS / 1e9
LOOKS_AT_A_TIME = 200  # between two looks at the inbox


class SecondLook:
    """The recorded files of one destination whose fingerprints do not vouch for their content yet."""

    def __init__(
        self,
        ledger: Ledger,
        after_upload: AfterUpload,
        clock: Callable[[], float],
        wall_clock_ns: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._after_upload = after_upload
        self._clock = clock
        self._wall_clock_ns = wall_clock_ns
        self._waiting: deque[tuple[float, Found]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, found: Found) -> None:
        """Look at it again when a tick has passed. It is being recorded without its fingerprint."""
        self._waiting.append((self._clock() + TICK_S, found.without_content()))

    def next_due(self) -> float | None:
        """When there is something to look at, or None."""
        return self._waiting[0][0] if self._waiting else None

    def go_on(self) -> None:
        """Read what is due: what is the same is recorded with its fingerprint, what is not settles anew."""
        now = self._clock()
        same: dict[int, list[Found]] = {}
        for _ in range(LOOKS_AT_A_TIME):
            if not self._waiting or self._waiting[0][0] > now:
                break
            found = self._waiting.popleft()[1]
            if (again := self._again(found)) is not None:
                same.setdefault(found.target.root.id, []).append(again)
            else:
                found.target.settler.note(Change(found.waiting.path, ChangeKind.FOUND, now))
        for group in same.values():
            self._ledger.files.record(group[0].target.root, [found.recorded for found in group])
            self._after_upload.published(group)

    def let_go(self) -> None:
        """Forget everything: a scan finds what has no fingerprint in the ledger."""
        self._waiting.clear()

    def _again(self, found: Found) -> Found | None:
        """The file with a newer snapshot of the same content, or None when it has to settle again."""
        known = self._ledger.files.known(found.target.root, found.waiting.path)
        if known is None or known.digest != found.snapshot.digest:
            return None  # in doubt, or something else by now
        try:
            snapshot = self._read(found)
        except (NotSettledError, SourceError):
            return None
        if snapshot is None or snapshot.digest.sha256 != found.snapshot.digest.sha256:
            return None
        return replace(found, snapshot=replace(snapshot, content=None))

    def _read(self, found: Found) -> Snapshot | None:
        path = found.waiting.path
        with found.target.disk.opened(path) as fd:
            if fd is None:
                return None
            before = opening.fingerprint(fd)
            return reading.read(
                fd, path, before, reading.LARGEST_BLOB_BYTES, open_allowed=True, wall_clock_ns=self._wall_clock_ns
            )
