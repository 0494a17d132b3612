"""What a scan of a root finds: differences from the ledger, which settle, and what it cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_watch.disk import relocation, walking
from hf_watch.errors import SourceError
from hf_watch.model import Change, ChangeKind
from hf_watch.paths import join, parent
from hf_watch.rules.plan import differences
from hf_watch.targets.dirty import ScanQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hf_watch.ledger.ledger import Ledger
    from hf_watch.logs.journal import Journal
    from hf_watch.model import Fingerprint, Known
    from hf_watch.rules.settle import Settler
    from hf_watch.targets.ground import Ground
    from hf_watch.targets.spec import TargetSpec

MOST_WAITING = 20_000  # paths that settle at a time; what does not fit is scanned again when there is room
MOST_UNREADABLE = 1_000  # directories that are tried again with every poll; others wait for the rescan


class Survey:
    """Of one target, on its worker's thread."""

    def __init__(
        self, spec: TargetSpec, *, ledger: Ledger, settler: Settler, journal: Journal, clock: Callable[[], float]
    ) -> None:
        self.asked = ScanQueue()  # what is to be scanned
        self.walked = 0  # directories, by the scan under way
        self.unreadable: set[str] = set()  # those that could not be listed when they were scanned last
        self._spec = spec
        self._ledger = ledger
        self._settler = settler
        self._journal = journal
        self._clock = clock

    def settle(self, change: Change) -> None:
        """Let a path settle; when too many do, it is found again later."""
        if self.has_room or change.path in self._settler:
            self._settler.note(change)
        else:
            self.asked.add(parent(change.path))

    @property
    def has_room(self) -> bool:
        return len(self._settler) < MOST_WAITING

    def steps(self, ground: Ground, top: str) -> Iterator[None]:
        """The scan in steps: a directory each, and again while there is no room for what was found in it.

        It goes on where it paused: were a directory scanned anew instead, its first files could keep the others out.
        """
        for found in ground.disk.walk(top, ground.wanted):
            self.walked += 1
            if isinstance(found, walking.Unreadable):
                self._name_unreadable(found)
            else:
                yield from self._compare(ground, found)
            yield
        if ground.stands():
            yield from self._miss_directories(ground, top)

    def tidy(self, ground: Ground) -> None:
        """Keep the ledger as small as what it describes."""
        gone = [
            each
            for each in self._ledger.quarantine.of(ground.root)
            if not ground.wanted.reaches(each.path) or ground.disk.is_gone(each.path)
        ]
        for each in gone:
            if each.repo_path is not None:  # another file waits for it to go
                self.settle(Change(each.path, ChangeKind.GONE, self._clock()))
        if alone := [each.path for each in gone if each.repo_path is None]:
            self._ledger.quarantine.release(ground.root, alone)
        self._ledger.give_back_space()

    def _name_unreadable(self, found: walking.Unreadable) -> None:
        if found.directory in self.unreadable:
            return
        if len(self.unreadable) < MOST_UNREADABLE:
            self.unreadable.add(found.directory)
        self._journal.tell("warning", "directory.unreadable", found.directory, found.reason)

    def _compare(self, ground: Ground, listing: walking.Listing) -> Iterator[None]:
        self.unreadable.discard(listing.directory)
        known = self._ledger.files.directory(ground.root, listing.directory)
        found = differences(listing.files, known)
        self._restore(ground, listing)
        # A published file that is to be archived or deleted is due as well: the disk is what remembers it.
        for name in listing.files if self._spec.puts_away else found.changed:
            change = Change(join(listing.directory, name), ChangeKind.FOUND, self._clock())
            if self._spec.sizes.why_not(listing.files[name].size_bytes) is None:
                yield from self._find(change, listing.files[name])
        yield from self._miss(ground, listing.directory, found.gone)
        self._move_to_generation(ground, listing, known)

    def _restore(self, ground: Ground, listing: walking.Listing) -> None:
        """A file that was being deleted when the process was killed: it is published anew, or goes for good."""
        for name in listing.leaving:
            try:
                relocation.restore(ground.path, listing.directory, name)
            except SourceError as error:
                self._journal.tell("warning", "path.stays", join(listing.directory, name), str(error))
            else:
                self.asked.add(listing.directory)

    def _miss(self, ground: Ground, directory: str, names: tuple[str, ...]) -> Iterator[None]:
        for name in names:
            path = join(directory, name)
            if ground.wanted.reaches(path):
                yield from self._find(Change(path, ChangeKind.GONE, self._clock()), None)

    def _find(self, change: Change, looked: Fingerprint | None) -> Iterator[None]:
        while not self.has_room:
            yield
        self._settler.note(change, looked)

    def _miss_directories(self, ground: Ground, top: str) -> Iterator[None]:
        """Files of directories that the ledger knows and the disk does not have any more."""
        for directory in self._ledger.files.directories(ground.root, top):
            if directory and not ground.disk.is_directory(directory):
                yield from self._miss(ground, directory, tuple(self._ledger.files.directory(ground.root, directory)))

    def _move_to_generation(self, ground: Ground, listing: walking.Listing, known: dict[str, Known]) -> None:
        """A file that is still there belongs to this incarnation of the root: its loss would be a real one."""
        generation = ground.generation_at(join(listing.directory, ""))
        moved = [n for n, k in known.items() if k.generation != generation and n in listing.files]
        if moved and generation is not None:
            self._ledger.files.seen_in(ground.root, listing.directory, moved, generation)
