"""Clients that do not get on with the head of a request; on a real server, over real sockets."""

import asyncio

import pytest

from planner_graph.server import heads
from tests.servers import serving

HEAD = b"GET /api/v2/health/live HTTP/1.1\r\nHost: localhost\r\n"


async def connected(served):
    host, port = served.address.split(":")
    return await asyncio.open_connection(host, int(port))


async def is_cut(reader):
    """Wait until the server ends the connection."""
    try:
        async with asyncio.timeout(15):
            while await reader.read(65_536):
                pass
    except ConnectionError:
        return True
    return reader.at_eof()


@pytest.mark.parametrize(("sent", "before"), [(b"", 0), (HEAD, 0), (HEAD, 1)])
async def test_who_does_not_end_a_head_is_cut_off(database, monkeypatch, sent, before):
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.2)
    async with serving(database) as served:
        reader, writer = await connected(served)
        for _ in range(before):
            writer.write(HEAD + b"\r\n")
            await reader.readuntil(b"}")
        writer.write(sent)
        assert await is_cut(reader)
        writer.close()


async def test_a_head_that_has_no_end_is_cut_off(database):
    async with serving(database) as served:
        reader, writer = await connected(served)
        writer.write(HEAD + b"X-Filler: " + b"a" * 2 * heads.LARGEST_HEAD)
        assert await is_cut(reader)
        writer.close()


async def test_who_comes_again_and_again_is_answered(database, monkeypatch):
    monkeypatch.setattr(heads, "LARGEST_HEAD", 3 * len(HEAD))
    async with serving(database) as served:
        reader, writer = await connected(served)
        for _ in range(5):
            writer.write(HEAD + b"\r\n")
            assert b"200 OK" in await reader.readuntil(b"}")
        writer.close()
