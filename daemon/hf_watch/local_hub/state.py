"""What the routes share: who asks, about which repo, at which commit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import refusals
from .attributes import parse_attributes
from .refusals import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from .access import Access, Token
    from .attributes import Attributes
    from .heads import Heads
    from .objects import Objects
    from .quotas import Quota
    from .store import Repo, Revision, Store

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}
URL_PREFIX = {"models": "", "datasets": "datasets/", "spaces": "spaces/"}


@dataclass(slots=True)
class State:
    """One local Hub."""

    store: Store
    objects: Objects
    heads: Heads
    access: Access
    commits: Quota
    page_size: int
    url: str = ""
    xet_bytes: int = 0
    xet_tokens: set[str] = field(default_factory=set)

    def visitor(self, request: Request) -> Token | None:
        return self.access.visitor(request.headers.get("authorization"))

    def repo(self, request: Request) -> Repo:
        """The repo that the path names, if the visitor may see it; Refusal 404 or 401."""
        visitor = self.visitor(request)
        params = request.path_params
        name = params["name"].removesuffix(".git")
        repo = self.store.find_repo(params.get("kind", "models"), params["namespace"], name)
        if repo is None or not self.access.may_read(visitor, repo):
            raise refusals.repo_not_found(anonymous=visitor is None)
        return repo

    def writable(self, request: Request) -> tuple[Repo, Token]:
        """The same, if the visitor may write there."""
        repo = self.repo(request)
        return repo, self.access.check_write(self.visitor(request), repo.namespace)

    def revision(self, request: Request, repo: Repo) -> Revision:
        return self.store.resolve(repo, request.path_params.get("revision", "main"))

    def repo_url(self, repo: Repo) -> str:
        return f"{self.url}/{URL_PREFIX[repo.kind]}{repo.full_name}"

    def attributes(self, repo: Repo, revision: Revision) -> Attributes:
        """What the repo's `.gitattributes` says about large files."""
        return parse_attributes(self.small_file(repo, revision, ".gitattributes"))

    def small_file(self, repo: Repo, revision: Revision, path: str) -> bytes:
        """A regular file's content; nothing when it is not there."""
        file = self.store.file(repo, revision, path)
        return self.store.content(file) if file is not None and file.sha256 is None else b""


def whole_number(text: str | None, default: int) -> int:
    """A number of a query; Refusal 400 for anything else."""
    if text is None:
        return default
    if not text.isdigit():
        raise Refusal(400, f"not a number: {text}")
    return int(text)
