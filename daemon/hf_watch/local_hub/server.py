"""A Hub on this machine's loopback that the Hub's own client talks to: for trying out, development and tests.

Not for keeping anything: it has no users, no backups, and serves nobody but this machine.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import uvicorn
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor

from .access import Access, Token
from .accounts import Accounts
from .attributes import default_gitattributes
from .content_store import ContentStore
from .contents import Contents
from .database import Database
from .discussions import Discussions
from .doors import SLASH, Asked, Doors
from .faults import Faults
from .git_lfs import GitLfs
from .heads import Heads
from .objects import Objects
from .pages import Pages
from .publishing import Publishing
from .quotas import Quota
from .records import Edit
from .references import References
from .refusals import Refusal, answer_refusal
from .repos import Repos
from .state import KINDS, State
from .store import Store
from .xet_index import XetIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .records import Repo

HOST = "127.0.0.1"
PAGE_SIZE = 1_000
HOUR_S = 3_600.0
API_WINDOW_S = 300.0
SUBJECTS = (Accounts, Repos, Publishing, Contents, References, Discussions, ContentStore, GitLfs, Pages)
BACKLOG = 256


class _Kind(Convertor[str]):
    regex = "models|datasets|spaces"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Revision(Convertor[str]):
    """One segment, in which an escaped slash is a slash."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace(SLASH, "/")

    def to_string(self, value: str) -> str:
        return value


class _Path(_Revision):
    """A path in a repo, whether its slashes were escaped or not."""

    regex = ".*"


register_url_convertor("kind", _Kind())
register_url_convertor("revision", _Revision())
register_url_convertor("repo_path", _Path())


class _Server(uvicorn.Server):
    """Leaves no connection open behind its event loop, not even one whose answer hangs."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await asyncio.sleep(0)  # what was accepted last is among the connections now
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the loop closes them in its next round


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, for tests to look at: what it added or replaced, and what it deleted."""

    id: str
    title: str
    description: str
    added: tuple[str, ...]
    deleted: tuple[str, ...]


class LocalHub:
    """Keeps everything below `directory`; runs in a thread of this process while the `with` block does.

    `tokens` maps secrets to what they stand for. With `open_namespaces` every token may write everywhere. `faults` is
    for tests. After the block the same directory can be served again.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        tokens: Mapping[str, Token] | None = None,
        open_namespaces: bool = False,
        commit_quota_per_hour: int | None = None,
        api_quota: int | None = None,
        faults: Faults | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.faults = faults or Faults()
        self.requests: list[Asked] = []
        self.port = port
        self._directory = directory
        self._access = Access(tokens or {}, open_namespaces)
        self._commit_quota = Quota(commit_quota_per_hour, HOUR_S)
        self._api_quota = Quota(api_quota, API_WINDOW_S)
        self._page_size = page_size
        self._opened = ExitStack()
        self._state: State

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def xet_bytes_received(self) -> int:
        """How many bytes of xorbs have come in since the start."""
        return self._state.xet_bytes

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            listening = opened.enter_context(self._listen())
            server = self._server(opened)
            thread = threading.Thread(target=server.run, args=([listening],), name="local Hub")
            thread.start()
            opened.callback(self._stop, server, thread)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def serve(self, on_ready: Callable[[str], None]) -> None:
        """Serve on this thread until SIGTERM or SIGINT; `on_ready` gets the address."""
        with self:
            on_ready(self.url)
            signal.sigwait({signal.SIGTERM, signal.SIGINT})

    def _listen(self) -> socket.socket:
        # asyncio gives TCP_NODELAY only to a socket that says it is TCP; without it every answer takes 40 ms longer.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, self.port))
        listening.listen(BACKLOG)  # from now on nobody is refused, only kept waiting
        self.port = listening.getsockname()[1]
        return listening

    def _server(self, opened: ExitStack) -> uvicorn.Server:
        self._directory.mkdir(parents=True, exist_ok=True)
        database = Database(self._directory / "hub.sqlite3")
        opened.callback(database.close)
        store = Store(database)
        objects = Objects(self._directory / "objects")
        objects.sweep()
        heads = Heads(self._directory, store, objects)
        heads.show()
        self._state = State(
            store,
            store.past,
            XetIndex(database),
            objects,
            heads,
            self._access,
            self._commit_quota,
            self._page_size,
            self.url,
        )
        routes = [route for subject in SUBJECTS for route in subject(self._state).routes()]
        app = Starlette(routes=routes, exception_handlers={Refusal: answer_refusal})
        config = uvicorn.Config(
            Doors(app, self.requests, self.faults, self._api_quota), log_config=None, access_log=False, lifespan="off",
            log_level=logging.CRITICAL, timeout_graceful_shutdown=1,
        )  # fmt: skip
        return _Server(config)

    def _stop(self, server: uvicorn.Server, thread: threading.Thread) -> None:
        self.faults.release()
        server.should_exit = True
        thread.join()

    def create_repo(self, repo_type: str, repo_id: str, *, private: bool = False) -> None:
        """A new repo, as if somebody had made it; it must not exist."""
        namespace, _, name = repo_id.partition("/")
        kind = KINDS[repo_type]
        self._state.store.create_repo(kind, namespace, name, default_gitattributes(kind), private=private)

    def delete_repo(self, repo_type: str, repo_id: str) -> None:
        repo = self._repo(repo_type, repo_id)
        self._state.store.delete_repo(repo)
        self._state.heads.forget(repo)

    def commit(
        self, repo_type: str, repo_id: str, files: Mapping[str, bytes], deleted: tuple[str, ...] = (),
        branch: str = "main",
    ) -> str:  # fmt: skip
        """A commit by somebody else: regular files only. Returns its id."""
        edit = Edit(regular=dict(files), deleted=list(deleted))
        repo = self._repo(repo_type, repo_id)
        made = self._state.store.commit(
            repo, branch, edit, title="A commit by somebody else", description="", author="somebody", parent=None
        )
        self._state.heads.show()
        return made.id

    def head(self, repo_type: str, repo_id: str, branch: str = "main") -> str:
        return self._state.past.resolve(self._repo(repo_type, repo_id), branch).id

    def commits(self, repo_type: str, repo_id: str, branch: str = "main") -> list[Commit]:
        """All commits of a branch, the oldest first."""
        past, repo = self._state.past, self._repo(repo_type, repo_id)
        found = []
        for each in reversed(past.history(past.resolve(repo, branch), 0, -1)):
            added, deleted = past.changes(each)
            found.append(Commit(each.id, each.title, each.description, tuple(added), tuple(deleted)))
        return found

    def files(self, repo_type: str, repo_id: str, revision: str = "main") -> dict[str, int]:
        """Every path of a revision, with its size in bytes."""
        past, repo = self._state.past, self._repo(repo_type, repo_id)
        return {each.path: each.size_bytes for each in past.files(repo, past.resolve(repo, revision), "", "", -1)}

    def read(self, repo_type: str, repo_id: str, path: str, revision: str = "main") -> bytes:
        """The bytes at a path; KeyError when nothing is there."""
        past, repo = self._state.past, self._repo(repo_type, repo_id)
        file = past.file(repo, past.resolve(repo, revision), path)
        if file is None:
            raise KeyError(path)
        return past.content(file) if file.sha256 is None else self._state.objects.large(file.sha256).read_bytes()

    def _repo(self, repo_type: str, repo_id: str) -> Repo:
        namespace, _, name = repo_id.partition("/")
        repo = self._state.store.find_repo(KINDS[repo_type], namespace, name)
        if repo is None:
            raise KeyError(repo_id)
        return repo


def serve(directory: Path, *, port: int, open_namespaces: bool, on_ready: Callable[[str], None]) -> None:
    """Run a local Hub until SIGTERM or SIGINT."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before its thread starts: it inherits
    LocalHub(directory, port=port, open_namespaces=open_namespaces).serve(on_ready)
