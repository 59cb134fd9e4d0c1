"""How much one client may ask for: how often, how large a body, of which format, how deep its JSON."""

import asyncio
import ipaddress
import math
import time
from email.message import Message
from typing import Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

from planner_graph.server.origins import SAFE
from planner_graph.server.problems import LONGEST_SHOWN, Problem, ProblemError
from planner_graph.server.settings import Limits

NETWORK_BITS = 64
"""Of an IPv6 address; who has one address has all of its network."""

JSON = "application/json"
"""The type of every body that a route takes."""

UTF_8 = frozenset({"utf-8", "utf8"})

_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


class Rates:
    """How often each client came within a window of time, in the memory of this process."""

    def __init__(self, limits: Limits) -> None:
        window = max(1, round(limits.burst / limits.requests_per_second))
        self._item = RateLimitItemPerSecond(limits.burst, window)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count(self, client: str) -> None:
        """Count a request.

        Raises:
            ProblemError: there were too many; it says when the next one may come.
        """
        if not await self._limiter.hit(self._item, client):
            raise await self._refusal(client)

    async def check(self, client: str) -> None:
        """Raise what :meth:`count` would, without counting."""
        if not await self._limiter.test(self._item, client):
            raise await self._refusal(client)

    async def _refusal(self, client: str) -> ProblemError:
        stats = await self._limiter.get_window_stats(self._item, client)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        most = f"{self._item.amount} requests in {self._item.get_expiry()} s"
        detail = f"a client may send {most}; try again in {seconds} s"
        return ProblemError("too-many-requests", detail, headers={"Retry-After": str(seconds)})


def network_of(address: str) -> str:
    """Give what requests from an address are counted by.

    >>> network_of("203.0.113.7"), network_of("2001:db8::1:2:3:4"), network_of("unknown")
    ('203.0.113.7', '2001:db8::/64', 'unknown')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004  # IPv4
        return str(parsed)
    return str(ipaddress.ip_network((parsed.packed, NETWORK_BITS), strict=False))


class Bodies:
    """Reads the body of a request before any route, and refuses what is too large, slow, deep, or no JSON in UTF-8."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or answer it."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if "content-length" not in headers and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        body = await self._in_time(headers.get("content-length", ""), receive)
        if body is None:
            return
        problem = body if isinstance(body, Problem) else self._fault(body)
        if problem is None and body and scope["method"] not in SAFE:
            problem = unsupported(headers)
        if problem is not None:
            await problem.response(scope["path"])(scope, receive, send)
        elif isinstance(body, bytes):
            await self.app(scope, _again(body, receive), send)

    async def _in_time(self, length: str, receive: Receive) -> bytes | Problem | None:
        """Give what :meth:`_read` does, as long as that does not take too long."""
        seconds = self.limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._read(length, receive)
        except TimeoutError:
            detail = f"a body may take {seconds:g} s to come"
            return Problem(kind="request-timeout", detail=detail, headers={"Connection": "close"})

    async def _read(self, length: str, receive: Receive) -> bytes | Problem | None:
        """Give the body, or what is wrong with it as soon as that is known, or ``None`` if the client went away."""
        most = self.limits.body_bytes
        detail = f"a body may have {most} bytes"
        too_large = Problem(kind="body-too-large", detail=detail, headers={"Connection": "close"})
        if length.isdecimal() and int(length[:20]) > most:
            return too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > most:
                return too_large
            if not message.get("more_body", False):
                return bytes(body)

    def _fault(self, body: bytes) -> Problem | None:
        if not is_utf8(body):
            return Problem(kind="malformed-request", detail="the body is no UTF-8 text")
        if is_deeper(body, self.limits.depth):
            detail = f"the JSON of the body is nested deeper than {self.limits.depth} levels"
            return Problem(kind="malformed-request", detail=detail)
        return None


def unsupported(headers: Headers) -> Problem | None:
    """Say why a body with these headers is none that any route takes, or give ``None``.

    What JSON of another type means (``application/merge-patch+json``) would be a guess, and browsers let any page send
    ``text/plain``, so only ``application/json`` will do, in UTF-8 if it says so, and not compressed.
    """
    given = headers.getlist("content-type")
    message = Message()
    message["Content-Type"] = given[0] if given else ""
    charset = str(message.get_param("charset", "utf-8")).lower()
    encodings = {part.strip().lower() for line in headers.getlist("content-encoding") for part in line.split(",")}
    if encodings - {"identity", ""}:
        detail, wanted = "send the body as it is, without Content-Encoding", {"Accept-Encoding": "identity"}
    elif len(given) == 1 and message.get_content_type() == JSON and charset in UTF_8:
        return None
    else:
        shown = ", ".join(given)[:LONGEST_SHOWN] or "none"
        detail, wanted = f"send JSON with 'Content-Type: {JSON}'; the type given is {shown}", {"Accept-Post": JSON}
    return Problem(kind="unsupported-media-type", detail=detail, headers=wanted)


def is_utf8(body: bytes) -> bool:
    """Tell whether a body is UTF-8, without U+0000, by which readers of JSON recognise other encodings."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body


def is_deeper(text: bytes, most: int) -> bool:
    r"""Tell whether JSON has more than ``most`` lists and objects within each other, without parsing it.

    Takes out strings, then everything but brackets, then as often as there may be levels all empty lists: what is left
    of valid JSON is deeper. Of invalid JSON an answer is enough that keeps parsers from recursing far.

    >>> is_deeper(b'[{"a": [1]}, []]', 3), is_deeper(b'[{"a": [1]}, []]', 2), is_deeper(b'["[[[[", "\\"[["]', 1)
    (False, True, False)
    """
    outside = b"".join(text.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    left = outside.translate(None, _NO_BRACKETS).translate(_BRACKETS)
    for _ in range(most):
        before, left = left, left.replace(b"[]", b"")
        if left == before:
            break
    return b"[]" in left or (left.startswith(b"[") and len(left) > most)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the body once more, then whatever comes after it."""
    given = False

    async def receiving() -> Event:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving
