"""What a pass would do: upload, delete, skip, and why. Changes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hf_watch.disk import opening, reading, roots, walking
from hf_watch.disk.disk import Disk
from hf_watch.disk.ignore_files import IgnoreFiles
from hf_watch.errors import MissingRepoError, SourceError
from hf_watch.ledger.rows import DeleteState
from hf_watch.model import Writers
from hf_watch.paths import join
from hf_watch.rules import plan
from hf_watch.rules.mapping import Content, Unpublishable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hf_watch.disk.ignore_files import Inside
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.ledger.rows import Root
    from hf_watch.model import Fingerprint, Known, RemoteFile
    from hf_watch.ports import Hub
    from hf_watch.rules.forecast import Forecast
    from hf_watch.targets.spec import TargetSpec

CONFIRMED = DeleteState.CONFIRMED
ASKED_AT_A_TIME = 500  # paths the Hub tells about in one call


@dataclass(frozen=True, slots=True)
class Item:
    """One file and what would become of it."""

    path: str
    repo_path: str
    size_bytes: int
    reason: str
    mtime_ns: int = 0


@dataclass(slots=True)
class Preview:
    """What a pass would do for one target."""

    target: str
    source: str
    uploads: list[Item] = field(default_factory=list)
    deletes: list[Item] = field(default_factory=list)
    held: list[Item] = field(default_factory=list)  # deletes that wait to be confirmed
    skips: list[Item] = field(default_factory=list)
    unchanged: int = 0
    problem: str | None = None  # why nothing can be said
    kept: dict[str, Item] = field(default_factory=dict)  # what is unchanged, by repo path, where others may clash


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the uploads of some targets come to; the time is what pace and rate make of it, the Hub's own is on top."""

    files: int
    size_bytes: int
    commits: int
    next_commit_s: float  # from now, by the budget of commits
    at_least_s: float


class _Noting:
    """A filter that writes down what it turns away."""

    def __init__(self, wanted: IgnoreFiles | Inside, preview: Preview) -> None:
        self._wanted = wanted
        self._preview = preview

    def inside(self, directory: str) -> _Noting:
        return _Noting(self._wanted.inside(directory), self._preview)

    def enters(self, directory: str) -> bool:
        return self._wanted.enters(directory) or self._skip(directory, is_directory=True)

    def takes(self, path: str) -> bool:
        return self._wanted.takes(path) or self._skip(path, is_directory=False)

    def _skip(self, path: str, *, is_directory: bool) -> bool:
        shown = path + "/" if is_directory else path
        self._preview.skips.append(Item(shown, "", 0, self._wanted.why_not(path, is_directory=is_directory)))
        return False


@dataclass(frozen=True)
class Previewer:
    """Compares one target's disk with the ledger and, where there is a `hub`, with what the repo holds."""

    spec: TargetSpec
    ledger: Ledger
    root: Root | None  # None: the ledger has never heard of it
    hub: Hub | None
    create_repo: bool = False
    may_clash: bool = False  # other targets share the branch
    now_ns: int = 0

    def preview(self) -> Preview:
        """Raises HubError when the Hub is asked and does not answer."""
        preview = Preview(self.spec.name, self.spec.source)
        identity = roots.identity(self.spec.source, self.spec.root_marker)
        if identity is None:
            is_there = roots.identity(self.spec.source) is not None
            preview.problem = "its root_marker is not there" if is_there else "there is no directory at this path"
            return preview
        for found in self._disk.walk("", _Noting(self._wanted, preview)):
            if isinstance(found, walking.Unreadable):
                preview.skips.append(Item(found.directory + "/", "", 0, f"unreadable: {found.reason}"))
            else:
                self._compare(found, preview)
        self._leave_out_what_the_repo_holds(preview)
        self._find_deletes(preview, identity)
        return preview

    def _compare(self, listing: walking.Listing, preview: Preview) -> None:
        known = self._known(listing.directory)
        changed = plan.differences(listing.files, known).changed
        preview.unchanged += len(listing.files) - len(changed)
        if self.may_clash or not self.spec.mapping.is_plain:
            for name in listing.files.keys() - set(changed):
                self._keep(join(listing.directory, name), known[name].repo_path, listing.files[name], preview)
        for name in changed:
            self._classify(join(listing.directory, name), listing.files[name], known.get(name), preview)
        for name in listing.others:
            path = join(listing.directory, name)
            preview.skips.append(Item(path, "", 0, self._disk.why_astray(path) or "a special file"))

    @cached_property
    def _disk(self) -> Disk:
        return Disk(os.path.realpath(self.spec.source), follows=self.spec.follows_links)

    @cached_property
    def _wanted(self) -> IgnoreFiles:
        return IgnoreFiles(self._disk.root, self.spec.wanted, self._disk.place)

    def _known(self, directory: str) -> dict[str, Known]:
        return self.ledger.files.directory(self.root, directory) if self.root is not None else {}

    @staticmethod
    def _keep(path: str, in_repo: str, looked: Fingerprint, preview: Preview) -> None:
        preview.kept[in_repo] = Item(path, in_repo, looked.size_bytes, "", looked.mtime_ns)

    def _classify(self, path: str, looked: Fingerprint, known: Known | None, preview: Preview) -> None:
        if (reason := self.spec.sizes.why_not(looked.size_bytes)) is not None:
            preview.skips.append(Item(path, "", looked.size_bytes, reason))
            return
        aside = self.ledger.quarantine.held_aside(self.root, path, looked) if self.root is not None else None
        if aside is not None:
            in_repo = aside.repo_path or ""
            preview.skips.append(Item(path, in_repo, looked.size_bytes, f"set aside: {aside.reason}"))
            return
        try:
            in_repo = self._place(path, looked)
            reason = self._why_upload(path, known)
        except (Unpublishable, SourceError) as error:
            preview.skips.append(Item(path, "", looked.size_bytes, str(error)))
            return
        if reason is None:
            preview.unchanged += 1
        else:
            preview.uploads.append(Item(path, in_repo, looked.size_bytes, reason, looked.mtime_ns))

    def _place(self, path: str, looked: Fingerprint) -> str:
        mapping = self.spec.mapping
        if mapping.is_fixed:
            return mapping.repo_path(path)
        with self._disk.opened(path) as fd:
            if fd is None:
                raise SourceError("it went while it was looked at")
            sha256 = reading.digest(fd).sha256
        place = self.ledger.files.place_of(self.root, path, sha256) if self.root is not None else None
        return place or mapping.repo_path(path, Content(sha256.hex(), looked.mtime_ns, self.now_ns))

    def _why_upload(self, path: str, known: Known | None) -> str | None:
        with self._disk.opened(path) as fd:
            if fd is None:
                return None
            if opening.writers(fd) is Writers.SOME and not self.spec.publish_open:
                return "open for writing: when it is closed"
            if known is None:
                return "new"
            if known.digest is None:
                return "in doubt: a commit of it was never answered"
            same = reading.digest(fd).sha256 == known.digest.sha256
            return None if same else "changed"

    def _leave_out_what_the_repo_holds(self, preview: Preview) -> None:
        """As a pass does: content that is there already is not uploaded again."""
        if self.hub is None:
            return
        kept: list[Item] = []
        for start in range(0, len(preview.uploads), ASKED_AT_A_TIME):
            items = preview.uploads[start : start + ASKED_AT_A_TIME]
            held = self._held(self.hub, [item.repo_path for item in items])
            for item in items:
                remote = held.get(item.repo_path)
                if remote is None or remote.size_bytes != item.size_bytes or not self._is_the_same(item, remote):
                    kept.append(item)
        preview.unchanged += len(preview.uploads) - len(kept)
        preview.uploads = kept

    def _held(self, hub: Hub, repo_paths: list[str]) -> dict[str, RemoteFile]:
        try:
            return {file.repo_path: file for file in hub.paths_info(repo_paths)}
        except MissingRepoError as error:
            if self.create_repo:
                return {}
            raise MissingRepoError(f"{error}: create it, correct dest, or set create_repo = true") from error

    def _is_the_same(self, item: Item, remote: RemoteFile) -> bool:
        with self._disk.opened(item.path) as fd:
            return fd is not None and remote.holds(reading.digest(fd))

    def _find_deletes(self, preview: Preview, identity: roots.RootIdentity) -> None:
        if self.root is None or self.spec.on_delete != "mirror" or roots.is_empty(self.spec.source):
            return
        wanted = self._wanted
        for directory in self.ledger.files.directories(self.root, ""):
            device = self._disk.device_of(join(directory, ""))
            generation = (
                self.ledger.roots.known_generation(self.root, device, identity.inode) if device is not None else None
            )
            for name, known in self._known(directory).items():
                path = join(directory, name)
                if known.generation == generation and wanted.reaches(path) and self._is_gone(path):
                    preview.deletes.append(Item(path, known.repo_path, 0, "gone from the disk"))
        self._hold_many(preview, self.root)

    def _hold_many(self, preview: Preview, root: Root) -> None:
        """As the guard before deletes does."""
        states = [self.ledger.deletes.state(root, item.path) for item in preview.deletes]
        unasked = [each for each, state in zip(preview.deletes, states, strict=True) if state is not CONFIRMED]
        is_much = len(unasked) > self.spec.max_delete.of(self.ledger.files.count(root))
        if is_much or DeleteState.HELD in states:
            preview.held = unasked
            preview.deletes = [each for each, state in zip(preview.deletes, states, strict=True) if state is CONFIRMED]

    def _is_gone(self, path: str) -> bool:
        return self._disk.is_gone(path)


def settle_clashes(previews: Sequence[tuple[TargetSpec, Preview]]) -> None:
    """Of the targets of one branch: move the uploads that clash to what is skipped, each naming the other file."""
    claimed: dict[str, list[tuple[str, Item]]] = {}
    for spec, preview in previews:
        for item in (*preview.kept.values(), *preview.uploads):
            claimed.setdefault(item.repo_path, []).append((os.path.join(spec.source, item.path), item))  # noqa: PTH118  the name need not be UTF-8
    for spec, preview in previews:
        kept = []
        for item in preview.uploads:
            place = os.path.join(spec.source, item.path)  # noqa: PTH118  as above
            rivals = [each for each in claimed[item.repo_path] if each[0] != place]
            newest = max(rivals, key=lambda each: (each[1].mtime_ns, each[0]), default=None)
            is_newest = newest is None or (item.mtime_ns, place) > (newest[1].mtime_ns, newest[0])
            if newest is None or (is_newest and spec.on_clash == "newest"):
                kept.append(item)
            else:
                reason = f"{newest[0]} maps to the same repo path {item.repo_path}"
                preview.skips.append(Item(item.path, item.repo_path, item.size_bytes, reason))
        preview.uploads = kept


def inside_bytes(previews: Sequence[Preview]) -> list[int]:
    """Of every operation of these targets, the most that travels inside its commit; the Hub decides how much."""
    sizes = [item.size_bytes for preview in previews for item in preview.uploads]
    inside = [size_bytes if size_bytes <= reading.LARGEST_BLOB_BYTES else 0 for size_bytes in sizes]
    return inside + [0] * sum(len(preview.deletes) for preview in previews)


def estimate(previews: Sequence[Preview], ahead: Forecast, bytes_per_s: float) -> Estimate:
    """What all of them come to; `bytes_per_s` is 0 for no bound."""
    uploads = [item for preview in previews for item in preview.uploads]
    size_bytes = sum(item.size_bytes for item in uploads)
    sent_s = size_bytes / bytes_per_s if bytes_per_s else 0.0
    return Estimate(len(uploads), size_bytes, ahead.commits, ahead.first_s, max(ahead.last_s, sent_s))
