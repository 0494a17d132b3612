"""A ledger and a Hub at whose every step the process may be killed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from hf_watch.ledger.connection import Connection
from hf_watch.ledger.ledger import Ledger

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hf_watch.ledger.file import LedgerFile
    from hf_watch.model import Batch, Created, Receipt, RemoteFile, RepoState, Staged, Upload
    from hf_watch.ports import Hub

T = TypeVar("T")


class Crash(BaseException):
    """SIGKILL, as far as the code under test can tell: nothing it does afterwards has an effect."""


@dataclass
class Fate:
    """How many steps of one kind the process has left, or of any kind if it is `""`; None for a long life."""

    left: int | None = None
    kind: str = ""
    taken: int = 0  # steps of any kind so far

    def step(self, kind: str) -> None:
        self.taken += 1
        if self.left is None or self.kind not in {"", kind}:
            return
        if self.left == 0:
            self.kind = ""
            raise Crash
        self.left -= 1


class MortalConnection(Connection):
    """Dies before a transaction, before its end, or after it."""

    def __init__(self, file: LedgerFile, read_only: bool, *, fate: Fate) -> None:
        super().__init__(file, read_only)
        self._fate = fate

    def open(self) -> None:
        super().open()
        self._db.execute("PRAGMA synchronous = OFF")  # the kernel outlives the process: no power is lost here

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self._fate.step("ledger")
        with super().transaction() as db:
            yield db
            self._fate.step("ledger")
        self._fate.step("ledger")


def mortal_ledger(file: Path, fate: Fate) -> Ledger:
    """A ledger on such a connection."""
    return Ledger(file, connection_of=partial(MortalConnection, fate=fate))


class MortalHub:
    """ports.Hub around another one: kills its caller before a call or after it."""

    def __init__(self, hub: Hub, fate: Fate) -> None:
        self._hub = hub
        self._fate = fate

    def head(self) -> str:
        return self._lived(self._hub.head)

    def state(self) -> RepoState:
        return self._lived(self._hub.state)

    def check_write(self) -> None:
        self._lived(self._hub.check_write)

    def create(self, *, private: bool) -> Created:
        return self._lived(lambda: self._hub.create(private=private))

    def refresh_token(self) -> None:
        self._lived(self._hub.refresh_token)

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        return self._lived(lambda: self._hub.stage(uploads))

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        return self._lived(lambda: self._hub.commit(batch, parent), "commit")

    def find(self, batch_id: str) -> str | None:
        return self._lived(lambda: self._hub.find(batch_id))

    def recent(self) -> list[str]:
        return self._lived(self._hub.recent)

    def paths_info(self, repo_paths: Sequence[str]) -> list[RemoteFile]:
        return self._lived(lambda: self._hub.paths_info(repo_paths))

    def deadline_s(self, size_bytes: int) -> float:
        return self._hub.deadline_s(size_bytes)

    def tree(self, prefix: str) -> Iterator[RemoteFile]:
        self._fate.step("tree")
        for file in self._hub.tree(prefix):
            self._fate.step("tree")
            yield file

    def _lived(self, call: Callable[[], T], kind: str = "hub") -> T:
        self._fate.step(kind)
        answer = call()
        self._fate.step(kind)
        return answer
