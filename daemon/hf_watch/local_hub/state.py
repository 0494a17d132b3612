"""What the routes share: who asks, about which repo, at which commit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import refusals
from .attributes import parse_attributes
from .bodies import is_set
from .store import PULL_REQUEST

if TYPE_CHECKING:
    from starlette.requests import Request

    from .access import Access, Token
    from .attributes import Attributes
    from .heads import Heads
    from .objects import Objects
    from .past import Past
    from .quotas import Quota
    from .records import File, Repo, Revision
    from .store import Store
    from .xet_index import XetIndex

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}
URL_PREFIX = {"models": "", "datasets": "datasets/", "spaces": "spaces/"}
REPO = "/api/{kind:kind}/{namespace}/{name}"  # how routes say which repo,
AT = "{revision:revision}"  # and at which commit


@dataclass(slots=True)
class State:
    """One local Hub."""

    store: Store
    past: Past
    xet: XetIndex
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

    def contributable(self, request: Request) -> tuple[Repo, Token]:
        """The same; where it is about a pull request, everybody may who can read, but only in their own."""
        repo, visitor = self.repo(request), self.visitor(request)
        if opens_pull_request(request):
            return repo, self.access.check_contribute(visitor)
        if visitor is not None and visitor.user == self._proposer(repo, request.path_params["revision"]):
            return repo, self.access.check_contribute(visitor)
        return repo, self.access.check_write(visitor, repo.namespace)

    def _proposer(self, repo: Repo, revision: str) -> str | None:
        """Who opened the pull request that a revision such as `refs/pr/1` names."""
        number = revision.removeprefix(PULL_REQUEST)
        if number == revision or not number.isdigit():
            return None
        discussion = self.store.discussion(repo, int(number))
        return None if discussion is None else discussion.author

    def revision(self, request: Request, repo: Repo) -> Revision:
        return self.past.resolve(repo, request.path_params.get("revision", "main"))

    def repo_url(self, repo: Repo) -> str:
        return f"{self.url}/{URL_PREFIX[repo.kind]}{repo.full_name}"

    def attributes(self, repo: Repo, revision: Revision) -> Attributes:
        """What the repo's `.gitattributes` says about large files."""
        return parse_attributes(self.small_file(repo, revision, ".gitattributes"))

    def small_file(self, repo: Repo, revision: Revision, path: str) -> bytes:
        """A regular file's content; nothing when it is not there."""
        file = self.past.file(repo, revision, path)
        return self.past.content(file) if file is not None and file.sha256 is None else b""

    def xet_hash(self, file: File) -> str | None:
        """The Xet hash of a file that came as Xet."""
        return None if file.sha256 is None else self.xet.hash_of(file.sha256)


def opens_pull_request(request: Request) -> bool:
    """Whether the request is a step on the way to a commit that opens a pull request."""
    return is_set(request.query_params.get("create_pr"))
