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


async def answer_to(served, *parts):
    """Send parts of a request, each as a packet of its own, and give the status and all that comes back."""
    reader, writer = await connected(served)
    said = b""
    try:
        async with asyncio.timeout(15):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)  # so that it is read by itself
            while part := await reader.read(65_536):
                said += part
                if b"200 OK" in said:
                    break
    except ConnectionError:
        pass
    writer.close()
    return int(said.split()[1]) if said else None, said


def filled(size, header=b"X-Filler"):
    """Give a head of this many bytes, all but the end in one header."""
    rest = len(HEAD) + len(header) + len(b": \r\n\r\n")
    return HEAD + header + b": " + b"a" * (size - rest) + b"\r\n\r\n"


def of_many(size):
    """Give a head of at least so many bytes, in small headers."""
    line = b"X-A: b\r\n"
    return HEAD + line * (-(-(size - len(HEAD)) // len(line))) + b"\r\n"


def with_target(size):
    return HEAD.replace(b"live ", b"live?" + b"a" * size + b" ") + b"\r\n"


def in_pieces(head, size=10_000):
    return [head[begin : begin + size] for begin in range(0, len(head), size)]


LIMIT = heads.LARGEST_HEAD


@pytest.mark.parametrize("head", [filled(LIMIT), of_many(LIMIT - 100), with_target(60_000)])
@pytest.mark.parametrize("pieces", [False, True])
async def test_a_head_within_the_limit_is_answered(database, head, pieces):
    async with serving(database) as served:
        status, _ = await answer_to(served, *(in_pieces(head) if pieces else [head]))
        assert status == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (filled(LIMIT + 1), 431),
        (filled(3 * LIMIT), 431),
        (of_many(LIMIT + 1), 431),
        (of_many(2 * LIMIT), 431),
        (with_target(LIMIT), 414),
        (HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + of_many(2 * LIMIT)[len(HEAD) :], 431),
    ],
)
@pytest.mark.parametrize("pieces", [False, True])
async def test_a_head_beyond_the_limit_is_refused(database, head, status, pieces):
    async with serving(database) as served:
        found, said = await answer_to(served, *(in_pieces(head) if pieces else [head]))
        assert found == status
        assert b"application/problem+json" in said
        assert b"200 OK" not in said


async def test_a_head_that_has_no_end_is_cut_off(database):
    async with serving(database) as served:
        reader, writer = await connected(served)
        writer.write(HEAD + b"X-Filler: " + b"a" * 2 * heads.LARGEST_HEAD)
        assert await is_cut(reader)
        writer.close()


async def test_trailers_are_no_headers_and_have_no_end_neither(database):
    body = HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    async with serving(database) as served:
        status, _ = await answer_to(served, body + b"Host: evil.example\r\n\r\n")
        assert status == 405
        assert await answer_to(served, body + b"X-A: b\r\n" * LIMIT) == (None, b"")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /api/v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /api/v2/health/live HTTP/1.1\r\n\r\n", 400),
        (b"GET /api/v2/health/live HTTP/1.0\r\n\r\n", 400),
        (b"GET /api/v2/health/live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /api/v2/health/live HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\n\r\n", 400),
        (b"GET /api/v2/health/live HTTP/1.1\r\nHOST: evil.example\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /api/v2/health/live HTTP/1.1\r\nHost: localhost, localhost\r\n\r\n", 403),
        (b"GET /api/v2/health/live HTTP/1.1\r\nHost:\r\n\r\n", 403),
        (b"GET http://localhost/api/v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET http://localhost/api/v2/health/live HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200),
        (b"GET http://evil.example/api/v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        (b"GET http://localhost@evil.example/api/v2/me HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        (b"GET http://localhost/api/v2/health/live HTTP/1.1\r\n\r\n", 400),
        (b"GET http://localhost/api/v2/me HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
)
async def test_a_request_names_its_host_once(database, head, status):
    async with serving(database) as served:
        found, _ = await answer_to(served, head.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n"))
        assert found == status


async def test_who_comes_again_and_again_is_answered(database, monkeypatch):
    monkeypatch.setattr(heads, "LARGEST_HEAD", 3 * len(HEAD))
    async with serving(database) as served:
        reader, writer = await connected(served)
        for _ in range(5):
            writer.write(HEAD + b"\r\n")
            assert b"200 OK" in await reader.readuntil(b"}")
        writer.close()
