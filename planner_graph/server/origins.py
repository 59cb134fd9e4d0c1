"""Which names this server answers to, and which pages may call it: browsers do what any page tells them to.

A page whose name is pointed at this machine (DNS rebinding) gives itself away by the Host header, a page of another
server by its Origin.
"""

import ipaddress
import socket

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planner_graph.server.problems import Problem
from planner_graph.server.settings import LOOPBACK, ServerSettings, host_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}
"""What pages of other servers may do that are allowed to call."""

EXPOSED = "ETag, Location, Retry-After, X-Request-Id"
"""Headers of answers that those pages may read."""

_SHOWN = 100


class Origins:
    """Refuses what comes under a foreign name or from a foreign page; pages of allowed origins may read answers."""

    def __init__(self, app: ASGIApp, *, settings: ServerSettings) -> None:
        self.app = app
        self.allowed = frozenset(settings.origins)
        self.names = known_names(settings)
        self.any_address = _is_unspecified(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or answer it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1:
            # parts of the way here may each have taken another one of several as the right one
            problem = Problem(kind="malformed-request", detail="a request names its Host once")
            await problem.response(scope["path"])(scope, receive, send)
            return
        method, origin = scope.get("method"), headers.get("origin")
        refusal = self.of_host(headers.get("host")) or self.of_origin(scope, headers.get("host", ""), origin)
        if refusal:
            await Problem(kind="forbidden", detail=refusal).response(scope["path"])(scope, receive, send)
        elif origin is None or origin.lower() not in self.allowed:
            await self.app(scope, receive, send)
        elif method == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, _readable(send, origin))
        else:
            await self.app(scope, receive, _readable(send, origin))

    def of_host(self, host: str | None) -> str | None:
        """Say why a request to this host is refused, or give ``None``."""
        name = host_of(host or "")
        if name in self.names or (self.any_address and name is not None and _is_address(name)):
            return None
        return f"this server is not called {(host or '')[:_SHOWN]!r}; to use that name, start it with --origin"

    def of_origin(self, scope: Scope, host: str, origin: str | None) -> str | None:
        """Say why a request that comes from a page of this origin is refused, or give ``None``."""
        if origin is None or (scope["type"] == "http" and scope["method"] in SAFE):
            return None
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        if origin.lower() in {f"{scheme}://{host}".lower(), *self.allowed}:
            return None
        return f"pages of {origin[:_SHOWN]!r} may not call this server; to allow them, start it with --origin"


def known_names(settings: ServerSettings) -> frozenset[str]:
    """Give the names, in small letters, under which clients may ask for the server."""
    names = {*LOOPBACK, settings.host.lower(), *(host_of(origin.split("://")[1]) or "" for origin in settings.origins)}
    if not settings.is_local:
        names.add(socket.gethostname().lower())
    return frozenset(names)


def _readable(send: Send, origin: str) -> Send:
    """Let a page of this origin read what is sent."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = EXPOSED
            headers.add_vary_header("Origin")
        await send(message)

    return sending


def _is_address(name: str) -> bool:
    """Tell whether a name is an address, which nobody can point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_unspecified(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified
