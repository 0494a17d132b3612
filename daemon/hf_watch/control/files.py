"""Files by their state: what waits and flies, as the workers published it last; the rest as the ledger has it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from hf_watch.control import view
from hf_watch.control.contract import FileState, FilesView, FileView, QuarantinedView, QuarantineView
from hf_watch.control.paging import page
from hf_watch.ledger.records import looked_into
from hf_watch.paths import encoded, printable, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.control.choosing import Chosen
    from hf_watch.control.daemon import Daemon, Steered
    from hf_watch.control.paging import Shelf
    from hf_watch.ledger.records import Held, Records
    from hf_watch.threads.status import TargetStatus, Unpublished

Found = Iterator[tuple[str, FileView]]


def files(daemon: Daemon, chosen: Sequence[Chosen], state: FileState | None, after: str, limit: int) -> FilesView:
    """A page of the files in one state, or in any. ValueError when `after` is not what a page said."""
    with looked_into(daemon.ledger) as records:
        found, following = page(list(_shelves(daemon, records, chosen, state)), after, limit)
    return FilesView(files=found, next=following)


def _shelves(
    daemon: Daemon, records: Records, chosen: Sequence[Chosen], state: FileState | None
) -> Iterator[Shelf[FileView]]:
    looks = [_Look(daemon, records, target, below) for target, below in chosen]
    for each in get_args(FileState):
        if state in {None, each}:
            yield from (getattr(look, each) for look in looks)


def quarantine(daemon: Daemon, chosen: Sequence[Steered], after: str, limit: int) -> QuarantineView:
    """A page of what is set aside, target by target. ValueError when `after` is not what a page said."""
    with looked_into(daemon.ledger) as records:
        shelves: list[Shelf[QuarantinedView]] = [partial(_set_aside, records, target) for target in chosen]
        found, following = page(shelves, after, limit)
    return QuarantineView(quarantined=found, next=following)


def _set_aside(records: Records, target: Steered, after: str, limit: int) -> Iterator[tuple[str, QuarantinedView]]:
    for each in records.aside(*target.root, after=after, limit=limit):
        yield each.path, view.set_aside(target, each)


@dataclass(frozen=True, slots=True)
class _Look:
    """At one target, or below one path of it; a method for each FileState gives the files behind `after`."""

    daemon: Daemon
    records: Records
    target: Steered
    below: str

    def waiting(self, after: str, limit: int) -> Found:
        return self._unpublished("waiting", self._status.waits, after, limit)

    def in_flight(self, after: str, limit: int) -> Found:
        return self._unpublished("in_flight", self._status.flies, after, limit)

    def quarantined(self, after: str, limit: int) -> Found:
        for each in self.records.aside(*self.target.root, within=self.below, after=after, limit=limit):
            yield each.path, self._view(each.path, "quarantined", reason=each.reason, at=view.stamp(each.at_s))

    def published(self, after: str, limit: int) -> Found:
        for each in self.records.held(*self.target.root, within=self.below, after=after, limit=limit):
            yield each.path, self._of_held(each)

    @property
    def _status(self) -> TargetStatus:
        return self.target.status().targets[self.target.index]

    def _unpublished(self, state: FileState, paths: Sequence[Unpublished], after: str, limit: int) -> Found:
        meant = (each for each in paths if each.path > after and within(each.path, self.below))
        for each in heapq.nsmallest(limit, meant, key=lambda each: each.path):
            since_s = round(max(0.0, self.daemon.clock() - each.since), 3)
            yield each.path, self._view(each.path, state, since_s=since_s, reason=each.trouble)

    def _of_held(self, held: Held) -> FileView:
        more: dict[str, Any] = {"repo_path": held.repo_path, "bytes": held.size_bytes, "sha256": held.sha256.hex()}
        if held.made is not None:
            url = view.commit_url(self.daemon, self.target.destination, held.made)
            more |= {"commit": held.made.commit, "url": url, "at": view.stamp(held.made.at_s)}
        return self._view(held.path, "published", **more)

    def _view(self, path: str, state: FileState, **more: Any) -> FileView:
        return FileView(target=self.target.name, path=printable(path), path_encoded=encoded(path), state=state, **more)
