"""Whatever happens to the disk, to the Hub and to the process, in whatever order: nothing is lost or deleted unasked.

The machine writes, renames and deletes real files, plays faults, lands late commits and kills the process at any step
of the ledger or the Hub, in single passes and in a daemon that goes on turn by turn; then it lets things calm down.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import deque
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, ClassVar, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hf_watch.disk import roots
from hf_watch.disk.reading import digest_of
from hf_watch.errors import (
    AmbiguousError,
    HubError,
    MissingEntryError,
    MissingRepoError,
    MovedError,
    RejectedError,
    RetryableError,
    UnauthorizedError,
)
from hf_watch.model import Change, ChangeKind, Delete, Gap
from hf_watch.paths import parents
from hf_watch.rules.mapping import PLAIN, Content, Mapping
from hf_watch.snapshots.right_of_way import TAKEN_REASON
from tests.engine import Clock, Engine, Running, target_spec
from tests.fake_hub import FakeHub, Fault, lost_answer
from tests.mortal import Crash, Fate, MortalHub, mortal_ledger
from tests.mortal_disk import mortal_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hf_watch.model import Batch, Receipt
    from hf_watch.targets.spec import TargetSpec

OURS = (".anchor", roots.LEAVING_PREFIX)
LARGE = b"0123456789abcdef" * 8  # above `inline_bytes`: handed over by its path
INLINE_BYTES = 64
STILL_LANDS_S = 60.0  # how long after its request a commit may still arrive
FILES = st.sampled_from(["a", "d/a", "d", "d/e/a", "bad"])
PLACES = st.sampled_from(["a", "d/a", "d", "d/e", "g"])
CONTENTS = st.sampled_from([b"1", b"", LARGE, LARGE + b"!"])
DEATHS = st.one_of(
    st.none(),
    st.tuples(st.just("commit"), st.integers(0, 3)),  # 1: it landed, and nobody heard the answer
    st.tuples(st.just("ledger"), st.integers(0, 24)),
    st.tuples(st.just(""), st.integers(0, 40)),
)
THEIRS = {"README.md": b"theirs", "other/a": b"theirs", "incoming/theirs": b"theirs", "incoming/g/theirs": b"theirs"}
DEFINITE = [
    RetryableError("503: Service Unavailable"),
    RetryableError("429: Too Many Requests", retry_after_s=20.0),
    UnauthorizedError("401: Unauthorized"),
    MissingRepoError("404: Repository Not Found"),
]
COMMIT_FAULTS = [
    *(Fault(error) for error in DEFINITE),
    Fault(MovedError("409: Another commit operation is in progress")),
    Fault(MissingEntryError("404: Entry Not Found")),
    Fault(AmbiguousError("504: Gateway Time-out")),
    Fault(AmbiguousError("504: Gateway Time-out"), late=True),
    lost_answer(),
]
OTHER_VERBS = ["head", "check_write", "find", "recent", "paths_info", "tree", "stage"]


class WatchedHub(FakeHub):
    """A Hub that holds every commit against the disk as it is at that moment."""

    def __init__(self, clock: Clock, is_there: Callable[[str], bool]) -> None:
        super().__init__(bad=lambda path: path.endswith("/bad"), largest_regular_bytes=INLINE_BYTES)
        self.land_in: int | None = None  # calls
        self.on_batch: Callable[[Batch], None] = lambda _: None
        self.on_call = self._pass_time
        self._clock = clock
        self._is_there = is_there
        self._late_since = 0.0

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        for operation in batch.operations:
            if isinstance(operation, Delete):
                assert not self._is_there(operation.repo_path), "deleted unasked"
        self.on_batch(batch)
        if not self.late:
            self._late_since = self._clock()
        return super().commit(batch, parent)

    def land(self, *, anyway: bool = False) -> None:
        if self._clock() > self._late_since + STILL_LANDS_S:
            self.late.clear()
        super().land(anyway=anyway)

    def _pass_time(self, _verb: str) -> None:
        if self.land_in is not None:
            self.land_in -= 1
            if self.land_in < 0:
                self.land_in = None
                self.land()


class Publishing(RuleBasedStateMachine):
    """One target, one destination. Subclasses say what becomes of deleted files."""

    on_delete: ClassVar[Literal["keep", "mirror"]]
    path_in_repo: ClassVar[str] = PLAIN
    options: ClassVar[dict[str, object]] = {}

    @initialize()
    def begin(self) -> None:
        self.work = Path(mkdtemp(prefix="hf-watch-"))
        self.drop = self.work / "drop"
        self.drop.mkdir()
        (self.drop / ".anchor").touch()  # an empty root is a case of its own
        self.clock = Clock()
        self.fate = Fate()
        self.mapping = Mapping("incoming", self.path_in_repo)
        self.hub = WatchedHub(self.clock, lambda in_repo: in_repo in self.meant())
        self.hub.on_batch = self.batched
        self.hub.repo.apply("", "theirs", dict(THEIRS), [])
        self.engine = Engine(
            self.work,
            [self._spec()],
            MortalHub(self.hub, self.fate),
            inline_bytes=INLINE_BYTES,
            ledger_of=partial(mortal_ledger, fate=self.fate),
            clock=self.clock,
        )
        self.process = ExitStack()
        self.running: Running | None = None
        self.were_directories: set[str] = set()  # repo paths at which a directory stood once
        self.was_at: dict[str, set[bytes]] = {}  # every content that a path ever had on disk
        self.theirs: dict[str, bytes | None] = {}  # what others put or left at a path of ours
        self.unseen: set[str] = set()  # what others did since the branch was last compared with the ledger
        self.stood: list[dict[str, bytes]] = []  # the disk after each change
        self.present: dict[str, bytes] = {}  # what was on the disk when a process of ours had it last
        self.written: dict[str, bytes] = {}  # the last content at each path that its writer did not remove

    def _spec(self) -> TargetSpec:
        kept = {"on_delete": self.on_delete, "rescan_s": 20.0, "path_in_repo": self.path_in_repo}
        return target_spec(self.drop, **kept, archive_dir=str(self.work / "archive"), **self.options)

    def meant(self) -> Collection[str]:
        """The repo paths that nobody has asked to delete."""
        return self._placed()

    def batched(self, batch: Batch) -> None:
        """A commit is about to be made."""

    def teardown(self) -> None:
        if not hasattr(self, "work"):
            return
        try:
            self.calm_down(land=True)
        finally:
            self.process.close()
            shutil.rmtree(self.work)

    # The disk.

    @rule(path=FILES, content=CONTENTS, hinted=st.booleans())
    def write(self, path: str, content: bytes, *, hinted: bool) -> None:
        file = self.drop / path
        for above in [*file.relative_to(self.drop).parents][-2::-1]:
            if (self.drop / above).is_file():
                (self.drop / above).unlink()
        if file.is_dir():
            shutil.rmtree(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self._changed([path], ChangeKind.CLOSED, hinted=hinted)

    @rule(path=FILES, content=CONTENTS)
    def write_and_publish(self, path: str, content: bytes) -> None:
        self.write(path, content, hinted=False)
        self.sync(None)

    @rule(place=PLACES, hinted=st.booleans())
    def delete(self, place: str, *, hinted: bool) -> None:
        target = self.drop / place
        if target.is_dir():
            shutil.rmtree(target)
        elif target.is_file():
            target.unlink()
        self._changed([place], ChangeKind.GONE, hinted=hinted)

    @rule(old=PLACES, new=PLACES, hinted=st.booleans())
    def rename(self, old: str, new: str, *, hinted: bool) -> None:
        try:
            (self.drop / old).rename(self.drop / new)
        except OSError:
            return  # nothing there, or no place for it: the kernel's business
        self._changed([old], ChangeKind.GONE, hinted=hinted)
        if (self.drop / new).is_dir():
            self._gap(new, hinted=hinted)
        else:
            self._changed([new], ChangeKind.ARRIVED, hinted=hinted)

    @rule(path=FILES, hinted=st.booleans())
    def touch(self, path: str, *, hinted: bool) -> None:
        if (self.drop / path).is_file():
            (self.drop / path).touch()
            self._changed([path], ChangeKind.TOUCHED, hinted=hinted)

    @rule(place=PLACES)
    def make_directory(self, place: str) -> None:
        if not any((self.drop / above).is_file() for above in (place, place.partition("/")[0])):
            (self.drop / place).mkdir(parents=True, exist_ok=True)

    # The Hub.

    @rule(fault=st.sampled_from(COMMIT_FAULTS))
    def fail_commit(self, fault: Fault) -> None:
        self.hub.script.setdefault("commit", deque()).append(fault)

    @rule(verb=st.sampled_from(OTHER_VERBS), error=st.sampled_from(DEFINITE))
    def fail(self, verb: str, error: HubError) -> None:
        self.hub.script.setdefault(verb, deque()).append(Fault(error))

    @rule(calls=st.integers(0, 4))
    def land(self, calls: int) -> None:
        self.hub.land_in = calls

    @precondition(lambda self: self.running is None)  # a commit of ours would hide theirs until `--verify`
    @rule(path=FILES, content=st.one_of(st.none(), CONTENTS))
    def somebody_commits(self, path: str, content: bytes | None) -> None:
        in_repo = self._place(path, b"1" if content is None else content)
        if content is None and in_repo not in self.hub.repo.files:
            return
        gone = [in_repo] if content is None else []
        try:
            self.hub.repo.apply("", "theirs", {} if content is None else {in_repo: content}, gone)
        except RejectedError:
            return  # a file where a directory is, or the reverse
        self.theirs[in_repo] = content
        self.unseen.add(in_repo)

    # The process.

    @rule(death=DEATHS)
    def sync(self, death: tuple[str, int] | None) -> None:
        self._kill()
        self.fate.kind, self.fate.left = death or ("", None)
        try:
            with mortal_disk(self.fate):
                self.engine.sync()
        except Crash:
            pass
        finally:
            self.fate.left = None

    @rule(turns=st.integers(1, 12), death=DEATHS)
    def run(self, turns: int, death: tuple[str, int] | None) -> None:
        self.fate.kind, self.fate.left = death or ("", None)
        try:
            if self.running is None:
                self.running = self.process.enter_context(self.engine.running())
            with mortal_disk(self.fate):
                self.running.turn(turns)
        except Crash:
            self._kill()
        finally:
            self.fate.left = None

    @precondition(lambda self: self.running is not None)
    @rule()
    def kill(self) -> None:
        self._kill()

    @rule(land=st.booleans())
    def calm_down(self, *, land: bool) -> None:
        self.hub.script.clear()
        if land:
            self.hub.land()
        if self.running is not None:
            self.running.go_on(200.0)
        else:
            self._kill()
            self.engine.sync()
        self.hub.late.clear()
        self.unseen.clear()
        self.converged()

    # What holds.

    @invariant()
    def what_was_written_is_here_or_there(self) -> None:
        self.present = self._files()
        gone = {path: content for path, content in self.written.items() if path not in self.present}
        for path, content in gone.items():
            self.taken_away(path, content)

    def taken_away(self, path: str, content: bytes) -> None:
        """A file is not on the disk any more, though its writer did not remove it."""
        raise AssertionError(f"{path} was taken away: {content!r}")

    def converged(self) -> None:
        kept_out = {self._place(path, content) for path, content in self._files().items() if path in self._kept_out()}
        placed = {in_repo: content for in_repo, content in self._placed().items() if not in_repo.endswith("/bad")}
        on_disk = {in_repo: content for in_repo, content in placed.items() if in_repo not in kept_out}
        held = self.hub.repo.files
        assert {path: held.get(path) for path in on_disk} == on_disk
        if self.on_delete == "mirror":
            rest = {path: content for path, content in held.items() if path not in on_disk and path not in THEIRS}
            rest = {path: content for path, content in rest.items() if path not in kept_out}
            assert rest == {path: content for path, content in rest.items() if self.theirs.get(path) == content}

    def _kept_out(self) -> set[str]:
        """Files that were set aside since something that is not ours to delete stood in their way."""
        with closing(sqlite3.connect(self.work / "ledger.sqlite3")) as db:
            rows = db.execute("SELECT dir, name, reason FROM quarantine").fetchall()
        ways = (TAKEN_REASON, "400: files and directories")
        return {
            os.fsdecode(directory + b"/" + name).lstrip("/")
            for directory, name, why in rows
            if any(way in why for way in ways)
        }

    @invariant()
    def what_the_ledger_vouches_for_the_hub_holds(self) -> None:
        if not (self.work / "ledger.sqlite3").exists():
            return
        with closing(sqlite3.connect(self.work / "ledger.sqlite3")) as db:
            try:
                rows = db.execute("SELECT repo_path, sha256 FROM file WHERE sha256 IS NOT NULL").fetchall()
            except sqlite3.OperationalError:
                return  # killed before its first page
        held = {path: digest_of(content).sha256 for path, content in self.hub.repo.files.items()}
        vouched = {path: sha256 for path, sha256 in rows if path not in self.unseen}
        assert vouched == {path: held.get(path) for path in vouched}

    @invariant()
    def what_is_theirs_is_untouched(self) -> None:
        assert {path: self.hub.repo.files.get(path) for path in THEIRS} == THEIRS

    @invariant()
    def every_commit_was_asked_for(self) -> None:
        held: dict[str, bytes] = {}
        batches = [commit.batch_id for commit in self.hub.repo.commits if commit.batch_id]
        assert len(set(batches)) == len(batches), "a batch was committed twice"
        for commit in self.hub.repo.commits:
            if commit.batch_id:
                assert self.on_delete == "mirror" or self.were_directories.issuperset(commit.deleted)
                assert all(held[path] in self.was_at[path] for path in commit.deleted)
                assert all(content in self.was_at[path] for path, content in commit.added.items())
            held.update(commit.added)
            for path in commit.deleted:
                del held[path]

    def _place(self, path: str, content: bytes) -> str:
        return self.mapping.repo_path(path, Content(digest_of(content).sha256.hex(), 0, 0))

    def _placed(self) -> dict[str, bytes]:
        return {self._place(path, content): content for path, content in self._files().items()}

    def _files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.drop)): path.read_bytes()
            for path in self.drop.rglob("*")
            if path.is_file() and not path.name.startswith(OURS)
        }

    def _changed(self, paths: list[str], kind: ChangeKind, *, hinted: bool) -> None:
        for in_repo, content in self._placed().items():
            self.was_at.setdefault(in_repo, set()).add(content)
        self.were_directories.update(f"incoming/{above}" for path in self._files() for above in parents(path))
        now = self._files()
        kept = {path: content for path, content in self.written.items() if path in now or path not in self.present}
        self.written, self.present = kept | now, now
        self.stood.append(now)
        if hinted and self.running is not None:
            for path in paths:
                self.running.hint(Change(path, kind, self.clock()))

    def _gap(self, directory: str, *, hinted: bool) -> None:
        self._changed([], ChangeKind.FOUND, hinted=False)
        if hinted and self.running is not None:
            self.running.hint(Gap(directory, "a directory appeared", self.clock()))

    def _kill(self) -> None:
        self.process.close()
        self.running = None


class Keeping(Publishing):
    on_delete = "keep"


class Mirroring(Publishing):
    on_delete = "mirror"


class KeepingContents(Publishing):
    """Each content has a repo path of its own, which files of one name and content share."""

    on_delete = "keep"
    path_in_repo = "{sha256:.8}/{name}"


class MirroringContents(Publishing):
    on_delete = "mirror"
    path_in_repo = "{sha256:.8}/{name}"


BOUNDS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
)
TestKeeping = Keeping.TestCase
TestKeeping.settings = BOUNDS
TestMirroring = Mirroring.TestCase
TestMirroring.settings = settings(BOUNDS, max_examples=200)  # where more can go wrong
TestKeepingContents = KeepingContents.TestCase
TestKeepingContents.settings = BOUNDS
TestMirroringContents = MirroringContents.TestCase
TestMirroringContents.settings = BOUNDS
