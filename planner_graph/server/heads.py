"""Heads of requests: how large they may be, how long they may take to come, and which host they address.

uvicorn would wait for a head, and keep it, without end.
"""

import asyncio
import json
from urllib.parse import urlsplit, urlunsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from planner_graph.server.problems import MEDIA_TYPE, Problem

HEAD_SECONDS = 30.0
"""How long the head of a request may take to come."""

LARGEST_HEAD = 65_536
"""Bytes that it may have: the request line and all headers, with what separates them."""

LINGER_SECONDS = 2.0
"""How long what a refused client still sends is read and thrown away, as it might not read the answer otherwise."""

SEPARATORS = len(b": \r\n")
"""Bytes that stand around the name and the value of a header."""

REQUEST_LINE = len(b"  HTTP/1.1\r\n\r\n")
"""Bytes beside method, target and headers."""


class TooLargeError(ValueError):
    """A head has more than ``LARGEST_HEAD`` bytes."""


class PromptHeads(HttpToolsProtocol):
    """A connection of uvicorn that is closed when a head is too slow or too large; bodies are the application's.

    What is too large is answered before it is closed. The host of a target in absolute form (``GET http://a/b``) takes
    the place of the Host header (RFC 9112, 3.2.2). Trailers of a body, which the application has no use for, are left
    out, but count.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.url = b""
        self._unread = 0
        self._refused = False
        self._head = 0
        self._in_head = False
        self._timer: asyncio.TimerHandle | None = None
        self._await_head(0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came; count it as long as it ends no head."""
        if self._refused:
            return
        super().data_received(data)
        if self.transport.is_closing() or self._is_answering():
            self._stop_waiting()
        elif not self._refused:
            self._await_head(len(data))

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a head; several may come at once."""
        super().on_message_begin()
        self._head, self._in_head = 0, True

    def on_url(self, url: bytes) -> None:
        """Take in a part of the target."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header, or count a trailer."""
        self._count(len(name) + len(value) + SEPARATORS)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand a head over."""
        self._count(len(self.parser.get_method()) + REQUEST_LINE)
        self._in_head = False
        if not self.url.startswith(b"/") and b"://" in self.url:
            target = urlsplit(self.url)
            authority = target.netloc.rpartition(b"@")[2]
            self.url = urlunsplit((b"", b"", target.path or b"/", target.query, b""))
            self.headers[:] = [(name, authority if name == b"host" else value) for name, value in self.headers]
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close."""
        if self._head > LARGEST_HEAD:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > LARGEST_HEAD:
            raise TooLargeError

    def _refuse(self) -> None:
        """Say that a head is too large, and close when the client has read that, or after a moment.

        Beside an answer to what came before there is no place for that, so the connection is just cut.
        """
        self._refused = True
        if self._is_answering():
            self.transport.abort()
            return
        self._stop_waiting()
        long_target = len(self.url) > LARGEST_HEAD // 2
        kind = "uri-too-long" if long_target else "head-too-large"
        problem = Problem(kind=kind, detail=f"the head of a request may have {LARGEST_HEAD} bytes")
        body = json.dumps(problem.members("")).encode()
        status = f"HTTP/1.1 {problem.status} {'URI Too Long' if long_target else 'Request Header Fields Too Large'}"
        lines = (status, f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(body)}", "Connection: close", "", "")
        self.transport.write("\r\n".join(lines).encode() + body)
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _is_answering(self) -> bool:
        """Tell whether a head has come that is not answered yet, or that made this a WebSocket."""
        upgraded = self.transport.get_protocol() is not self
        return upgraded or (self.cycle is not None and not self.cycle.response_complete)

    def _await_head(self, size: int) -> None:
        self._unread += size
        if self._unread > LARGEST_HEAD:
            self._refuse()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        self._unread = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self._is_answering():
            self.transport.abort()
