"""Who may do what: tokens, the namespaces that they write to, and who sees a private repo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .records import Repo


@dataclass(frozen=True)
class Org:
    """An organization; `private_by_default` is what the Enterprise Hub lets one ask for."""

    name: str
    fullname: str = ""
    private_by_default: bool = False


@dataclass(frozen=True)
class Token:
    """What a token stands for. `role` is "read" or "write"; `orgs` are names, or `Org` where more is to be said."""

    user: str
    role: str = "write"
    orgs: tuple[Org | str, ...] = ()
    fullname: str = ""

    def organizations(self) -> tuple[Org, ...]:
        return tuple(Org(org) if isinstance(org, str) else org for org in self.orgs)

    def namespaces(self) -> frozenset[str]:
        """The namespaces that are this user's own, in lower case, since names are compared so."""
        return frozenset(name.lower() for name in (self.user, *(org.name for org in self.organizations())))


@dataclass(frozen=True)
class Access:
    """The rules. With `open_namespaces` any token is accepted, and every namespace is everybody's."""

    tokens: Mapping[str, Token]
    open_namespaces: bool = False

    def visitor(self, authorization: str | None) -> Token | None:
        """The token behind an `Authorization` header, None for none; Refusal 401 for one that is not known."""
        if authorization is None:
            return None
        scheme, _, secret = authorization.partition(" ")
        token = self.tokens.get(secret.strip())
        if token is not None and scheme.lower() == "bearer":
            return token
        if self.open_namespaces and secret.strip():
            return Token(user="local")
        raise refusals.invalid_credentials()

    def owns(self, token: Token | None, namespace: str) -> bool:
        return token is not None and (self.open_namespaces or namespace.lower() in token.namespaces())

    def may_read(self, token: Token | None, repo: Repo) -> bool:
        return not repo.private or self.owns(token, repo.namespace)

    def check_write(self, token: Token | None, namespace: str) -> Token:
        """The token, when it may write to `namespace`; Refusal 401 or 403 when not."""
        if token is None:
            raise refusals.nobody()
        if token.role == "read":
            raise refusals.write_token_needed()
        if not self.owns(token, namespace):
            raise refusals.no_write_access()
        return token

    def check_contribute(self, token: Token | None) -> Token:
        """The token, when it may open a pull request: anybody with a write token may, wherever they can read."""
        if token is None:
            raise refusals.nobody()
        if token.role == "read":
            raise refusals.write_token_needed()
        return token
