"""Clients leave WebSockets in any way there is: none of that is a fault of the server, or an error in its log."""

import asyncio
import base64
import logging
import socket
import struct
import uuid

import pytest

from planner_graph.campaign import Campaign
from planner_graph.cli.serving import is_news
from planner_graph.store.repository import Repository
from planner_graph.types import RunId
from tests.logs import tell_silently
from tests.plans import make_plan
from tests.servers import serving

LINGER_NOT = struct.pack("ii", 1, 0)
"""Has a socket end with a reset."""

CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
"""A closing frame of a client, with the code 1000 and an empty mask."""


@pytest.fixture
async def run_id(database):
    run_id = RunId(str(uuid.uuid4()))
    await Repository(database).accept_run(run_id, Campaign(id="c"), make_plan({"a": []}))
    return run_id


@pytest.fixture(autouse=True)
def _news():
    """Filter what uvicorn says, as the command does."""
    said = logging.getLogger("uvicorn.error")
    said.addFilter(is_news)
    yield
    said.removeFilter(is_news)


class Caller:
    """A client of a WebSocket, by hand."""

    def __init__(self, served, path):
        host, port = served.address.split(":")
        key = base64.b64encode(uuid.uuid4().bytes).decode()
        self.head = (
            f"GET /api/v2/workflows/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.connect((host, int(port)))
        self.socket.setblocking(False)  # noqa: FBT003

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self):
        async with asyncio.timeout(10):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65_536)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.socket.close()


async def opened(caller):
    await caller.send(caller.head)
    assert b"101" in await caller.read()


async def close_frame(caller):
    await opened(caller)
    await caller.send(CLOSE)
    caller.socket.close()


async def close_frame_and_reset(caller):
    await opened(caller)
    await caller.send(CLOSE)
    caller.reset()


async def reset(caller):
    await opened(caller)
    caller.reset()


async def end(caller):
    await opened(caller)
    caller.socket.close()


async def half_close(caller):
    await opened(caller)
    caller.socket.shutdown(socket.SHUT_WR)


async def reset_in_the_handshake(caller):
    await caller.send(caller.head)
    caller.reset()


async def end_in_the_handshake(caller):
    await caller.send(caller.head)
    caller.socket.close()


async def half_a_head(caller):
    await caller.send(caller.head[:-10])
    caller.reset()


async def half_a_frame(caller):
    await opened(caller)
    await caller.send(CLOSE[:3])
    caller.reset()


async def no_frame(caller):
    await opened(caller)
    await caller.send(b"\xff" * 50)
    caller.socket.close()


async def text_that_is_none(caller):
    await opened(caller)
    await caller.send(b"\x81\x82\0\0\0\0\xff\xff")
    caller.reset()


async def reset_behind_on_reading(caller):
    await opened(caller)
    await asyncio.sleep(0.3)  # while the server sends what the client does not read
    caller.reset()


WAYS = [
    close_frame,
    close_frame_and_reset,
    reset,
    end,
    half_close,
    reset_in_the_handshake,
    end_in_the_handshake,
    half_a_head,
    half_a_frame,
    no_frame,
    text_that_is_none,
    reset_behind_on_reading,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_client_that_leaves_is_no_error(database, run_id, caplog, way):
    caplog.set_level(logging.WARNING)
    await tell_silently(database, run_id, 2_000, size=500)
    async with serving(database) as served:
        callers = [
            Caller(served, path)
            for path in ("live", f"{run_id}/live", f"{run_id}/live?after=0", f"{uuid.uuid4()}/live", "live?x=1")
            for _ in range(4)
        ]
        known = [caller for caller in callers if str(run_id).encode() in caller.head or b"/live " in caller.head[:40]]
        for caller in known if way not in {reset_in_the_handshake, end_in_the_handshake} else callers:
            await way(caller)
        await asyncio.sleep(0.5)  # the server may hear of it by then
        for caller in callers:
            caller.socket.close()
        await asyncio.sleep(0.2)
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in told] == []
    assert [record.exc_text or record.exc_info for record in caplog.records if record.exc_info] == []


async def test_clients_that_are_there_when_the_server_ends_are_no_error(database, run_id, caplog):
    caplog.set_level(logging.WARNING)
    async with serving(database) as served:
        caller = Caller(served, f"{run_id}/live")
        await opened(caller)
        late = Caller(served, f"{run_id}/live")
        await late.send(late.head)
    caller.socket.close()
    late.socket.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
