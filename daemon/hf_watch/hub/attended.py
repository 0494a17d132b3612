"""The Hub port with a pulse: a call may take its time, and is not taken for a thread that hangs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hf_watch.model import Batch, Created, Receipt, RemoteFile, RepoState, Staged, Upload
    from hf_watch.ports import Hub
    from hf_watch.threads.pulse import Pulse

BACK_S = 150.0  # the last request that began before a call's deadline may run into its own time-out


class AttendedHub:
    """Passes every call on, and says how long it may take."""

    def __init__(self, hub: Hub, pulse: Pulse) -> None:
        self._hub = hub
        self._pulse = pulse

    def head(self) -> str:
        with self._call():
            return self._hub.head()

    def state(self) -> RepoState:
        with self._call():
            return self._hub.state()

    def check_write(self) -> None:
        with self._call():
            self._hub.check_write()

    def create(self, *, private: bool) -> Created:
        with self._call():
            return self._hub.create(private=private)

    def refresh_token(self) -> None:
        self._hub.refresh_token()

    def stage(self, uploads: Sequence[Upload]) -> list[Staged]:
        with self._call(sum(upload.snapshot.fingerprint.size_bytes for upload in uploads)):
            return self._hub.stage(uploads)

    def commit(self, batch: Batch, parent: str | None = None) -> Receipt:
        with self._call(batch.held_bytes):
            return self._hub.commit(batch, parent)

    def find(self, batch_id: str) -> str | None:
        with self._call():
            return self._hub.find(batch_id)

    def recent(self) -> list[str]:
        with self._call():
            return self._hub.recent()

    def paths_info(self, repo_paths: Sequence[str]) -> list[RemoteFile]:
        with self._call():
            return self._hub.paths_info(repo_paths)

    def deadline_s(self, size_bytes: int) -> float:
        return self._hub.deadline_s(size_bytes)

    def tree(self, prefix: str) -> Iterator[RemoteFile]:
        files = iter(self._hub.tree(prefix))
        while True:
            with self._call():  # a page at a time
                file = next(files, None)
            if file is None:
                return
            yield file

    @contextmanager
    def _call(self, size_bytes: int = 0) -> Iterator[None]:
        self._pulse.beat("talking to the Hub", self._hub.deadline_s(size_bytes) + BACK_S)
        try:
            yield
        finally:
            self._pulse.beat()
