"""Who asks, and whether they may: bearer tokens and roles, before any route.

What a request needs follows from its method and path alone, so that no route is left open by being forgotten.
"""

import time
from collections.abc import Iterable
from typing import Final

import psycopg
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planner_graph.errors import Finding, InvalidInputError
from planner_graph.server.limits import Rates, network_of
from planner_graph.server.origins import SAFE
from planner_graph.server.problems import ProblemError
from planner_graph.server.settings import PREFIX, ServerSettings
from planner_graph.store import tokens
from planner_graph.store.audit import Actor
from planner_graph.store.database import Database
from planner_graph.store.tokens import LOCAL, TokenRow, TokenState
from planner_graph.types import Role

SUBPROTOCOL = "planner-graph.token."
"""What a WebSocket's subprotocol begins with that carries a token: browsers let pages set no header there."""

METRICS = "/metrics"

CHECK_SECONDS = 15.0
"""How long an answer that goes on is sent after its token was last looked at."""

_CHALLENGE: Final = 'Bearer realm="planner-graph"'
_INVALID: Final = f'{_CHALLENGE}, error="invalid_token"'


def role_needed(method: str, path: str) -> Role | None:
    """Give the role that a request needs, or ``None`` for what everybody may see: pages and health.

    >>> role_needed("GET", "/api/v2/workflows"), role_needed("POST", "/api/v2/workflows"), role_needed("GET", "/")
    (<Role.VIEWER: 'viewer'>, <Role.OPERATOR: 'operator'>, None)
    """
    if path == METRICS:
        return Role.VIEWER
    if not _under(path, PREFIX) or _under(path, f"{PREFIX}/health"):
        return None
    if _under(path, f"{PREFIX}/tokens") or _under(path, f"{PREFIX}/audit"):
        return Role.ADMIN
    if method in SAFE or path == f"{PREFIX}/plans":  # which stores nothing
        return Role.VIEWER
    return Role.OPERATOR


class EndedError(OSError):
    """The token of an answer that goes on opens nothing any more; for servers, as if the client had gone."""


class Access:
    """Finds out who asks, refuses those who may not, and counts requests: per token, else per address.

    Who sends wrong tokens is counted apart, so as not to keep others from the same address out. A stream or WebSocket
    ends soon after its token does. Nothing below here sees a token.
    """

    def __init__(self, app: ASGIApp, *, database: Database, settings: ServerSettings) -> None:
        self.app = app
        self.database = database
        self.settings = settings
        self.rates = Rates(settings.limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or answer it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        address = client[0] if client else "unknown"
        try:
            token = taken_token(scope)
            found = None if token is None else await self._find(token, network_of(address))
            await self.rates.count(found.token_id if found else network_of(address))
            actor = self._actor(scope, found, address)
        except ProblemError as error:
            await error.problem.response(scope["path"])(scope, receive, send)
            return
        scope.setdefault("state", {})["actor"] = actor
        if token is None:
            await self.app(scope, receive, send)
        else:
            await self._watched(token, scope, receive, send)

    async def _find(self, token: str, network: str) -> TokenRow:
        """Give what is known of a token that is good.

        Raises:
            ProblemError: it is not, or too many from there were not.
        """
        wrong = f"wrong tokens from {network}"
        await self.rates.check(wrong)
        found = await tokens.find(self.database, token)
        if found is None or found.state is not TokenState.USABLE:
            await self.rates.count(wrong)
            problem = "the token is unknown" if found is None else f"the token {found.name!r} is {found.state.value}"
            raise ProblemError("unauthorized", problem, headers={"WWW-Authenticate": _INVALID})
        return found

    def _actor(self, scope: Scope, found: TokenRow | None, address: str) -> Actor | None:
        """Give who asks, or ``None`` if nobody knows and it does not matter.

        Raises:
            ProblemError: it does matter, or their role is too low.
        """
        needed = role_needed(scope.get("method", "GET"), scope["path"])
        if found is None and self.settings.auth:
            if needed is None:
                return None
            detail = "send a bearer token in the header Authorization; 'planner-graph token create' makes one"
            raise ProblemError("unauthorized", detail, headers={"WWW-Authenticate": _CHALLENGE})
        name, role = (found.name, found.role) if found else (LOCAL, Role.ADMIN)
        if needed is not None and not role.includes(needed):
            detail = f"this needs the role {needed.value!r}, and the token {name!r} has {role.value!r}"
            raise ProblemError("forbidden", detail, role_needed=needed.value)
        number = scope.get("state", {}).get("request_id")
        return Actor(principal=name, role=role, remote_address=address, request_id=number)

    async def _watched(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and stop if that goes on for so long that the token has ended."""
        checked, streaming, over = time.monotonic(), False, False

        async def sending(message: Message) -> None:
            nonlocal checked, streaming, over
            streaming = streaming or message["type"] in {"http.response.start", "websocket.accept"}
            if streaming and time.monotonic() - checked > CHECK_SECONDS:
                checked = time.monotonic()
                over = not await self._still_good(token)
            if over:
                await send(_ending(scope))
                raise EndedError("the token has ended")
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception:
            if not over:
                raise

    async def _still_good(self, token: str) -> bool:
        """Tell whether a token that was good is; while the database is away, nobody can have revoked it."""
        try:
            found = await tokens.find(self.database, token)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            return True
        return found is not None and found.state is TokenState.USABLE


def taken_token(scope: Scope) -> str | None:
    """Give the token that a request brings, and take it out of the request; ``None`` if it brings none.

    Raises:
        ProblemError: it brings several, or credentials of another kind.
    """
    given = [value.partition(" ") for value in Headers(scope=scope).getlist("authorization")]
    offered = [name for name in scope.get("subprotocols", ()) if name.startswith(SUBPROTOCOL)]
    found = [rest.strip() for _, _, rest in given] + [name.removeprefix(SUBPROTOCOL) for name in offered]
    if len(found) > 1 or any(scheme.lower() != "bearer" for scheme, _, _ in given):
        detail = "send one token, in the header Authorization or as a subprotocol of a WebSocket"
        raise ProblemError("unauthorized", detail, headers={"WWW-Authenticate": _CHALLENGE})
    if not found:
        return None
    scope["headers"] = list(_without_tokens(scope["headers"]))
    if "subprotocols" in scope:
        scope["subprotocols"] = [name for name in scope["subprotocols"] if name not in offered]
    return str(found[0])


async def require_usable_token(database: Database, settings: ServerSettings) -> None:
    """Do nothing if somebody can use the server.

    Raises:
        InvalidInputError: it asks for tokens, and none is good.
    """
    if settings.auth and not await tokens.any_usable(database):
        problem = f"the server at {settings.host} asks for tokens, and there is none that is good"
        remedy = "make one with 'planner-graph token create NAME --role admin', or ask for none with --no-auth"
        raise InvalidInputError([Finding(problem=problem, remedy=remedy)])


def _without_tokens(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"sec-websocket-protocol":
            kept = [part for part in value.split(b",") if not part.strip().startswith(SUBPROTOCOL.encode())]
            yield name, b",".join(kept)
        elif name != b"authorization":
            yield name, value


def _ending(scope: Scope) -> Message:
    if scope["type"] == "websocket":
        return {"type": "websocket.close", "code": 1008, "reason": "the token has ended"}
    return {"type": "http.response.body", "body": b"", "more_body": False}


def _under(path: str, parent: str) -> bool:
    return path == parent or path.startswith(f"{parent}/")
