"""What every answer carries: its number and the headers that bind browsers. No error gets past here."""

import logging
import re
import uuid
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planner_graph.server.problems import Problem, problem_of
from planner_graph.text import one_line

log = logging.getLogger(__name__)

REQUEST_ID = "X-Request-Id"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content Security Policy: scripts and styles are files of this server, nothing stands inline, nobody frames a page."""

SECURITY = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer; a route that says otherwise is right."""

NO_SOCKET = Problem(kind="not-found", detail="no WebSocket has this path")
"""What a WebSocket is answered that is closed before it opens: no route has its path."""

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NUMBER = REQUEST_ID.lower().encode()
_ENCODED = tuple((name.lower().encode(), value.encode()) for name, value in SECURITY.items())
_STARTS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})


class ResponseHeaders:
    """Numbers each request, as its client or a proxy did if they have, and adds the headers to what answers it.

    What raises below is logged and answered as a problem. Browsers keep nothing from ``private`` paths, but for what
    they can ask for again by its ETag.
    """

    def __init__(self, app: ASGIApp, *, private: Iterable[str]) -> None:
        self.app = app
        self.private = tuple(private)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        number = request_id(scope)
        scope.setdefault("state", {})["request_id"] = number
        private = scope["path"].startswith(self.private)
        started = left = False

        async def sending(message: Message) -> None:
            nonlocal started, left
            if message["type"] == "websocket.close" and not started:
                await NO_SOCKET.response(scope["path"])(scope, receive, sending)
                return
            if message["type"] in _STARTS:
                started = True
                message["headers"] = _completed(message.get("headers", ()), number, private=private)
            try:
                await send(message)
            except OSError:  # that is how servers say that the client has gone
                left = True
                raise

        try:
            await self.app(scope, receive, sending)
        except Exception as error:  # the last line: clients get an answer, and the log what went wrong
            if left:
                log.info("the client of %s left before it was answered", one_line(scope["path"]))
                return
            problem = problem_of(error)
            if started or problem.kind == "internal-error":
                log.exception("request %s to %s failed", number, one_line(scope["path"]))
            if not started:
                await problem.response(scope["path"])(scope, receive, sending)


def _completed(given: Iterable[tuple[bytes, bytes]], number: str, *, private: bool) -> list[tuple[bytes, bytes]]:
    """Add to the headers of an answer those that it lacks."""
    headers = list(given)
    names = {name.lower() for name, _ in headers}
    headers += [(name, value) for name, value in _ENCODED if name not in names]
    if private and b"cache-control" not in names:
        headers.append((b"cache-control", b"no-cache" if b"etag" in names else b"no-store"))
    return [*headers, (_NUMBER, number.encode())]


def request_id(scope: Scope) -> str:
    """Give the number of a request: the one it brings along, if that is a plain one, else a new one."""
    for name, value in scope["headers"]:
        if name == _NUMBER and _GIVEN_ID.fullmatch(given := str(value, "latin-1")):
            return given
    return uuid.uuid4().hex
