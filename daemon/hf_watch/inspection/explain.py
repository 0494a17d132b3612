"""What is known of one path, and what becomes of it: from the disk, the ledger and one request. Changes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hf_watch.disk import opening, reading
from hf_watch.disk.disk import Disk
from hf_watch.disk.ignore_files import IgnoreFiles
from hf_watch.errors import HubError, SourceError
from hf_watch.model import Writers
from hf_watch.paths import parents, within
from hf_watch.rules.mapping import Content, Unpublishable
from hf_watch.threads.status import counted

if TYPE_CHECKING:
    from hf_watch.ledger.ledger import Ledger
    from hf_watch.ledger.rows import Root
    from hf_watch.model import Digest, Fingerprint, Known
    from hf_watch.ports import Hub
    from hf_watch.targets.spec import TargetSpec


HOLDS_NOTHING = "it holds nothing there"
HOLDS_ANOTHER = "it holds another content"
PUBLISHED = "published; nothing is to be done"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One path below one target: a line for each thing that is known, and `verdict`, what becomes of it."""

    target: str
    path: str
    repo_path: str | None
    rule: str
    disk: str
    ledger: str
    hub: str | None  # None: it was not asked
    verdict: str


def inside(spec: TargetSpec, path: str) -> str | None:
    """The path relative to the target's root, or None when it lies elsewhere; links above it are followed."""
    root = os.path.realpath(spec.source)
    above = os.path.abspath(spec.source)  # noqa: PTH100  the name need not be UTF-8
    said = os.path.abspath(path)  # noqa: PTH100  as above
    if spec.follows_links and said != above and within(said, above.rstrip("/")):
        return os.path.relpath(said, above)  # a link's own path is published
    directory, name = os.path.split(said)
    place = os.path.join(os.path.realpath(directory), name)  # noqa: PTH118  as above
    return os.path.relpath(place, root) if place != root and within(place, root.rstrip("/")) else None


@dataclass(frozen=True)
class Explainer:
    """Explains the paths of one target; `root` is None when the ledger has never heard of it."""

    spec: TargetSpec
    ledger: Ledger
    root: Root | None
    hub: Hub | None
    now_ns: int
    is_paused: bool = False

    def explain(self, path: str) -> Explanation:
        """Never raises for what may be wrong with the path or the Hub: that is what it tells."""
        known = self.ledger.files.known(self.root, path) if self.root is not None else None
        looked = self._files.look(path)
        digest = self._digest(path) if looked is not None else None
        in_repo, problem = self._place(path, known, looked, digest)
        rule = self._rule(path, looked)
        aside = self._aside(path, looked)
        hub = self._hub(in_repo, digest)
        return Explanation(
            target=self.spec.name,
            path=path,
            repo_path=in_repo,
            rule=rule or "it is published by the target's filters",
            disk=self._disk(path, looked),
            ledger=aside or _ledger(known, looked, digest),
            hub=hub,
            verdict=_beside(hub, self._verdict(path, known, looked, digest, rule or problem or aside)),
        )

    def _digest(self, path: str) -> Digest | None:
        try:
            with self._files.opened(path) as fd:
                return reading.digest(fd) if fd is not None else None
        except SourceError:
            return None

    def _place(
        self, path: str, known: Known | None, looked: Fingerprint | None, digest: Digest | None
    ) -> tuple[str | None, str | None]:
        """The path in the repo, and why there is none."""
        mapping = self.spec.mapping
        try:
            if mapping.is_fixed:
                return mapping.repo_path(path), None
            if looked is None or digest is None:
                return (known.repo_path if known is not None else None), None
            place = self.ledger.files.place_of(self.root, path, digest.sha256) if self.root is not None else None
            content = Content(digest.sha256.hex(), looked.mtime_ns, self.now_ns)
            return place or mapping.repo_path(path, content), None
        except Unpublishable as error:
            return None, str(error)

    def _rule(self, path: str, looked: Fingerprint | None) -> str | None:
        """The rule that keeps it from being published, if there is one."""
        wanted = IgnoreFiles(self._files.root, self.spec.wanted, self._files.place)
        for directory in reversed(list(parents(path))):
            if not wanted.enters(directory):
                return f"{directory}/ is left out: {wanted.why_not(directory, is_directory=True)}"
        if not wanted.takes(path):
            return f"it is left out: {wanted.why_not(path, is_directory=False)}"
        if looked is None:
            return self._files.why_astray(path)
        return self.spec.sizes.why_not(looked.size_bytes)

    @cached_property
    def _files(self) -> Disk:
        return Disk(os.path.realpath(self.spec.source), follows=self.spec.follows_links)

    def _aside(self, path: str, looked: Fingerprint | None) -> str | None:
        if self.root is None or looked is None:
            return None
        aside = self.ledger.quarantine.held_aside(self.root, path, looked)
        return f"set aside: {aside.reason}" if aside is not None else None

    def _disk(self, path: str, looked: Fingerprint | None) -> str:
        if looked is None:
            return "there is no regular file at this path"
        if self._is_written(path):
            return f"{counted(looked.size_bytes, 'byte')}, and open for writing"
        left_s = self._unsettled_s(looked)
        settled = f"settled in {left_s:.1f} s" if left_s > 0 else "settled"
        place = self._files.place(path)
        led = "" if place in {None, path} else f"by a link to {place}, "
        return f"{counted(looked.size_bytes, 'byte')}, {led}{settled}{self._why_so_long(looked)}"

    def _why_so_long(self, looked: Fingerprint) -> str:
        """Which step of `quiet_s` counts, where there are several."""
        if len(self.spec.quiet.steps) == 1:
            return ""
        from_bytes, seconds = self.spec.quiet.step(looked.size_bytes)
        return f" (quiet_s = {seconds:g} from {from_bytes} bytes on)"

    def _is_written(self, path: str) -> bool:
        try:
            with self._files.opened(path) as fd:
                return fd is not None and opening.writers(fd) is Writers.SOME
        except SourceError:
            return False

    def _unsettled_s(self, looked: Fingerprint) -> float:
        changed_ns = max(looked.mtime_ns, looked.ctime_ns)
        return self.spec.quiet.of(looked.size_bytes) - max(0.0, (self.now_ns - changed_ns) / 1e9)

    def _hub(self, in_repo: str | None, digest: Digest | None) -> str | None:
        if self.hub is None or in_repo is None:
            return None
        try:
            found = self.hub.paths_info([in_repo])
        except HubError as error:
            return f"not known: {error}"
        if not found:
            return HOLDS_NOTHING
        return "it holds this content" if digest is not None and found[0].holds(digest) else HOLDS_ANOTHER

    def _verdict(
        self, path: str, known: Known | None, looked: Fingerprint | None, digest: Digest | None, problem: str | None
    ) -> str:
        """What becomes of the path, as far as that can be told without the Hub."""
        if looked is None:
            return self._verdict_on_missing(known, self._files.why_astray(path))
        if problem is not None:
            return f"not published: {problem}"
        if digest is None:
            return "not published: this user may not read it"
        if known is not None and known.digest is not None and known.digest.sha256 == digest.sha256:
            return PUBLISHED
        return self._kept if self.is_paused else self._verdict_on_new(path, looked)

    def _verdict_on_new(self, path: str, looked: Fingerprint) -> str:
        if self._is_written(path) and not self.spec.publish_open:
            return "published when it is closed"
        return "published with the next commit" + ("" if self._unsettled_s(looked) <= 0 else ", once it has settled")

    def _verdict_on_missing(self, known: Known | None, astray: str | None) -> str:
        if known is None:
            return f"not published: {astray}" if astray is not None else "there is nothing to be done"
        if astray is not None:
            return f"what the Hub holds stays there: {astray}"
        if self.spec.on_delete == "mirror":
            return (
                self._kept
                if self.is_paused
                else "deleted on the Hub with the next commit, unless deletes are held back"
            )
        return 'what the Hub holds stays there: on_delete = "keep"'

    @property
    def _kept(self) -> str:
        return f"it waits until `hf-watch resume {self.spec.name}`: the target is paused"


def _beside(hub: str | None, verdict: str) -> str:
    """The verdict beside what the Hub holds, None if it was not asked."""
    if verdict != PUBLISHED or hub not in {HOLDS_NOTHING, HOLDS_ANOTHER}:
        return verdict
    done = "deleted it" if hub == HOLDS_NOTHING else "changed it"
    return f"published, but somebody else {done} on the Hub since; `hf-watch sync --verify` publishes it again"


def _ledger(known: Known | None, looked: Fingerprint | None, digest: Digest | None) -> str:
    if known is None:
        return "nothing is known of it"
    if known.digest is None:
        return f"in doubt: a commit of it to {known.repo_path} was never answered"
    if looked is None:
        return f"published at {known.repo_path}"
    same = digest is not None and digest.sha256 == known.digest.sha256
    return f"published at {known.repo_path}, " + ("as it is now" if same else "with another content")
