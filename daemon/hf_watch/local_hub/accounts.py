"""Who somebody is, and whether they may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import refusals
from .answers import date
from .state import REPO

if TYPE_CHECKING:
    from starlette.requests import Request

    from .state import State


class Accounts:
    """The routes that tell a client what its token is good for."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/api/whoami-v2", self.whoami),
            Route(f"{REPO}/auth-check", self.may_read),
            Route(f"{REPO}/auth-check/write", self.may_write),
        ]

    async def whoami(self, request: Request) -> Response:
        visitor = self._state.visitor(request)
        if visitor is None:
            raise refusals.nobody()
        return JSONResponse({
            "type": "user", "id": visitor.user, "name": visitor.user, "fullname": visitor.fullname or visitor.user,
            "email": f"{visitor.user}@example.org", "emailVerified": True, "canPay": False, "isPro": False,
            "periodEnd": None, "avatarUrl": "", "billingMode": "prepaid",
            "orgs": [{"name": each.name, "fullname": each.fullname or each.name, "roleInOrg": "admin"}
                     for each in visitor.organizations()],
            "auth": {"type": "access_token", "accessToken": {"displayName": "local", "role": visitor.role,
                                                             "createdAt": date(0.0)}},
        })  # fmt: skip

    async def may_read(self, request: Request) -> Response:
        self._state.repo(request)
        return JSONResponse({})

    async def may_write(self, request: Request) -> Response:
        self._state.writable(request)
        return JSONResponse({})
