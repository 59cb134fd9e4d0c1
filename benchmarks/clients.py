"""Clients that cost next to nothing, so that what is measured is the server: HTTP/1.1 and WebSocket on bare sockets."""

import asyncio
import json
import time
from typing import Any

from planner_graph.server.conversation import SUBPROTOCOL

HEAD_END = b"\r\n\r\n"


class Http:
    """One connection that is kept; it asks for one thing at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def open(cls, host: str, port: int) -> "Http":
        """Connect."""
        reader, writer = await asyncio.open_connection(host, port)
        return cls(reader, writer, f"{host}:{port}")

    async def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """GET something, or POST a body; gives status and answer."""
        sent = b"" if body is None else json.dumps(body).encode()
        method, kind = ("GET", "") if body is None else ("POST", "Content-Type: application/json\r\n")
        head = f"{method} /api/v2{path} HTTP/1.1\r\nHost: {self._host}\r\n{kind}Content-Length: {len(sent)}\r\n\r\n"
        self._writer.write(head.encode() + sent)
        status, headers = _parsed(await self._reader.readuntil(HEAD_END))
        answer = await self._reader.readexactly(int(headers["content-length"]))
        return status, json.loads(answer)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Follower(asyncio.Protocol):
    """Takes in the frames of a run, and notes when each came; parses nothing until it is asked."""

    def __init__(self, request: bytes) -> None:
        self.came: list[tuple[float, bytes]] = []
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self._request = request
        self._rest = b""
        self._upgraded = False

    def connection_made(self, transport: Any) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the frames that are complete."""
        now, data = time.time(), self._rest + data
        if not self._upgraded:
            head, end, data = data.partition(HEAD_END)
            if not end or b" 101 " not in head:
                raise ConnectionError(head.decode())
            self._upgraded = True
        place = 0
        while (frame := _frame(data, place)) is not None:
            opcode, start, place = frame
            self.came.append((now, data[start:place]))
            self.begun.set()
            if opcode == 8:  # noqa: PLR2004  # close
                self.over.set()
        self._rest = data[place:]

    def connection_lost(self, _: Exception | None) -> None:
        """Wake who waits."""
        self.begun.set()
        self.over.set()

    def told(self) -> list[tuple[float, dict[str, Any]]]:
        """Give the events, and when they came."""
        frames = [(at, json.loads(text)) for at, text in self.came if text.startswith(b"{")]
        return [(at, frame) for at, frame in frames if frame["type"] == "event"]


async def follow(host: str, port: int, run: str) -> Follower:
    """Follow a run."""
    head = (
        f"GET /api/v2/workflows/{run}/live HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    _, follower = await loop.create_connection(lambda: Follower(head.encode()), host, port)
    return follower


def _frame(data: bytes, place: int) -> tuple[int, int, int] | None:
    """Give the kind of the frame at this place, where its content begins and where it ends; ``None`` if it is cut."""
    if len(data) < place + 2:
        return None
    size, start = data[place + 1] & 127, place + 2
    extra = {126: 2, 127: 8}.get(size, 0)
    if extra:
        size, start = int.from_bytes(data[start : start + extra], "big"), start + extra
    return None if len(data) < start + size else (data[place] & 15, start, start + size)


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode().rstrip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers
