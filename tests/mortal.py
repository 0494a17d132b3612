"""A ledger and a Hub at whose every step the process may be killed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hf_watch.ledger import Ledger
from tests.fake_hub import FakeHub

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hf_watch.model import Batch, Receipt, RemoteFile, Staged, Upload

T = TypeVar("T")


class Crash(BaseException):
    """SIGKILL, as far as the code under test can tell: nothing it does afterwards has an effect."""


@dataclass
class Fate:
    """How many steps of one kind the process has left, or of any kind if it is `""`; None for a long life."""

    left: int | None = None
    kind: str = ""

    def step(self, kind: str) -> None:
        if self.left is None or self.kind not in {"", kind}:
            return
        if self.left == 0:
            self.kind = ""
            raise Crash
        self.left -= 1


class MortalLedger(Ledger):
    """Dies before a transaction, before its end, or after it."""

    def __init__(self, file: Path, fate: Fate) -> None:
        super().__init__(file)
        self._fate = fate

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._fate.step("ledger")
        with super()._transaction() as db:
            yield db
            self._fate.step("ledger")
        self._fate.step("ledger")


class MortalHub(FakeHub):
    """Kills its caller before a call or after it."""

    def __init__(self, fate: Fate, bad: Callable[[str], bool], largest_regular_bytes: int) -> None:
        super().__init__(bad=bad, largest_regular_bytes=largest_regular_bytes)
        self._fate = fate

    def head(self) -> str:
        return self._lived(super().head)

    def check_write(self) -> None:
        self._lived(super().check_write)

    def create(self, *, private: bool) -> None:
        create = super().create
        self._lived(lambda: create(private=private))

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        stage = super().stage
        return self._lived(lambda: stage(uploads))

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        commit = super().commit
        return self._lived(lambda: commit(batch, parent), "commit")

    def find(self, batch_id: str) -> str | None:
        find = super().find
        return self._lived(lambda: find(batch_id))

    def paths_info(self, repo_paths: Sequence[str]) -> list[RemoteFile]:
        paths_info = super().paths_info
        return self._lived(lambda: paths_info(repo_paths))

    def tree(self, prefix: str) -> Iterator[RemoteFile]:
        for file in super().tree(prefix):
            self._fate.step("tree")
            yield file

    def _lived(self, call: Callable[[], T], kind: str = "hub") -> T:
        self._fate.step(kind)
        answer = call()
        self._fate.step(kind)
        return answer
