"""What clients see of a run as it happens, over real connections."""

import asyncio
import json
import socket as socketlib
import uuid
from contextlib import suppress

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from planner_graph.campaign import Campaign
from planner_graph.store.repository import Repository
from planner_graph.types import RunStatus
from tests.logs import tell, tell_silently
from tests.plans import make_plan
from tests.servers import serving


@pytest.fixture
async def repository(database):
    return Repository(database)


@pytest.fixture
async def run_id(repository):
    return await accept(repository)


@pytest.fixture
async def server(database):
    async with serving(database) as served, asyncio.timeout(60):
        yield served


async def accept(repository):
    run_id = str(uuid.uuid4())
    await repository.accept_run(run_id, Campaign(id="c", name="<b>C</b>"), make_plan({"a": [], "b": ["a"]}))
    return run_id


def live(server, run_id, query="", **options):
    # Without a limit, as this client does not hear the answer to its goodbye while it has too many frames to read.
    return connect(server.url(f"/workflows/{run_id}/live{query}", "ws"), **{"max_queue": None, **options})


async def frames(socket, count):
    return [json.loads(await socket.recv()) for _ in range(count)]


async def closing(socket):
    """Read until the server closes, and give how it does."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.protocol.close_rcvd


async def test_a_client_sees_how_a_run_stands_then_all_that_happens_and_its_end(server, repository, run_id):
    async with live(server, run_id[:8], subprotocols=["other", "planner-graph.v1"]) as socket:
        assert socket.subprotocol == "planner-graph.v1"
        [snapshot] = await frames(socket, 1)
        assert (snapshot["type"], snapshot["sequence"]) == ("snapshot", 1)
        assert snapshot["progress"]["agents_status"]["waiting"] == ["a", "b"]
        assert snapshot["run"]["campaign"] == {"key": "c", "name": "<b>C</b>"}
        await repository.start_run(run_id)
        await repository.finish_run(run_id, RunStatus.FAILED, None, "no reason")
        started, ended, end = await frames(socket, 3)
        assert (started["type"], started["sequence"], started["event"]) == ("event", 2, "run_started")
        assert (ended["sequence"], ended["event"], ended["data"]["reason"]) == (3, "run_ended", "no reason")
        assert end == {"type": "end", "status": "failed"}
        closed = await closing(socket)
    assert (closed.code, closed.reason) == (1000, "the run has ended")


async def test_who_comes_back_has_each_event_once_also_from_another_server(server, database, repository, run_id):
    seen: list[int] = []
    async with serving(database) as other:
        for number in range(8):
            await tell_silently(database, run_id, 20)
            async with live((server, other)[number % 2], run_id, f"?after={len(seen)}") as socket:
                seen += [frame["sequence"] for frame in await frames(socket, 15)]
        await repository.finish_run(run_id, RunStatus.CANCELLED, None)
        async with live(other, run_id, f"?after={len(seen)}") as socket:
            rest = [json.loads(text) async for text in socket]
    seen += [frame["sequence"] for frame in rest[:-1]]
    assert seen == list(range(1, 163))
    assert rest[-1]["type"] == "end"


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        ("no json", 1007, "a frame is no JSON object"),
        ('"pong"', 1007, "a frame is no JSON object"),
        ("[" * 4_000, 1007, "a frame is no JSON object"),
        ("x" * 5_000, 1009, "frame with 5000 bytes exceeds limit"),
        (b"\x00\xff", 1007, "a frame is no JSON object"),
        ('{"type": "subscribe"}', 1008, "a frame has no known type"),
        ("{}", 1008, "a frame has no known type"),
        ('{"type": ["pong"]}', 1008, "a frame has no known type"),
    ],
)
async def test_a_client_that_says_something_odd_is_let_go_with_the_reason(server, run_id, sent, code, reason):
    async with live(server, run_id) as socket:
        await socket.send(sent)
        closed = await closing(socket)
    assert closed.code == code
    assert closed.reason.startswith(reason)


async def test_a_client_may_answer_pings_but_not_without_end(database, run_id):
    async with serving(database, ping_seconds=0.01) as server, asyncio.timeout(60), live(server, run_id) as socket:
        assert [frame["type"] for frame in await frames(socket, 3)] == ["snapshot", "ping", "ping"]
        await socket.send('{"type": "pong"}')
        await frames(socket, 2)
        for _ in range(110):
            await socket.send('{"type": "pong"}')
        closed = await closing(socket)
    assert (closed.code, closed.reason) == (1008, "more than 100 frames in a minute")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/workflows/00000000-0000-0000-0000-000000000007/{}", 404, "run-not-found"),
        ("/workflows/no-run/{}", 404, "run-not-found"),
        ("/workflows/%2e%2e%00/{}", 404, "run-not-found"),
        ("/workflows/RUN/{}?after=-1", 422, "invalid-request"),
        ("/workflows/RUN/{}?after=x", 422, "invalid-request"),
        ("/workflows/RUN/{}?after=99999999999999999999", 422, "invalid-request"),
    ],
)
async def test_what_cannot_be_followed_is_refused_before_there_is_a_connection(server, run_id, path, status, kind):
    path = path.replace("RUN", run_id)
    with pytest.raises(InvalidStatus) as refused:
        await connect(server.url(path.format("live"), "ws"))
    async with httpx.AsyncClient() as client:
        answer = await client.get(server.url(path.format("stream")))
    assert refused.value.response.status_code == answer.status_code == status
    assert (
        refused.value.response.headers["content-type"] == answer.headers["content-type"] == "application/problem+json"
    )
    assert json.loads(refused.value.response.body)["type"] == answer.json()["type"] == f"/problems/{kind}"


async def test_the_plain_stream_tells_the_same_and_goes_on_after_an_id(server, database, repository, run_id):
    url = server.url(f"/workflows/{run_id}/stream")
    async with httpx.AsyncClient(timeout=30) as client:
        async with client.stream("GET", url) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            lines = answer.aiter_lines()
            assert [await anext(lines) for _ in range(3)] == ["retry: 1000", "", "id: 1"]
            assert json.loads((await anext(lines)).removeprefix("data: "))["type"] == "snapshot"
            await tell(database, run_id, "run_reconciled", differences=["a\n\nid: 7\ndata: {}"])
            assert [await anext(lines) for _ in range(2)] == ["", "id: 2"]
            event = json.loads((await anext(lines)).removeprefix("data: "))
            assert event["data"] == {"differences": ["a\n\nid: 7\ndata: {}"]}
        await repository.finish_run(run_id, RunStatus.CANCELLED, None)
        text = (await client.get(url, headers={"Last-Event-ID": "1"}, params={"after": 0})).text
    told = [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]
    assert [frame.get("sequence", frame["type"]) for frame in told] == [2, 3, "end"]


async def test_when_the_server_ends_clients_are_told_to_come_back(server, run_id):
    stream = server.url(f"/workflows/{run_id}/stream")
    async with (
        live(server, run_id, "?after=0") as one,
        connect(server.url("/workflows/live", "ws")) as runs,
        httpx.AsyncClient(timeout=30) as client,
        client.stream("GET", stream) as answer,
    ):
        await frames(one, 1)
        lines = answer.aiter_lines()
        await anext(lines)
        server.stop()
        assert (await closing(one)).code == 1012
        assert (await closing(runs)).code == 1012
        assert [line async for line in lines][-1] == ""


async def test_a_client_that_reads_nothing_is_let_go_and_keeps_nobody_waiting(database, run_id):
    """It reads on when it was found too slow, so it learns why."""
    async with (
        serving(database, slow_seconds=0.2) as server,
        asyncio.timeout(60),
        live(server, run_id, "?after=1", max_queue=1) as slow,
        live(server, run_id, "?after=1") as other,
    ):
        slow.transport.pause_reading()
        sequence = 1
        while server.context.hub.clients > 1:
            await tell_silently(database, run_id, 49, size=9_000)
            await tell(database, run_id, "run_reconciled")
            for frame in await frames(other, 50):
                sequence += 1
                assert frame["sequence"] == sequence
        slow.transport.resume_reading()
        closed = await closing(slow)
    assert closed.code == 4408
    assert closed.reason == "too slow: a few events were not read within 0.2 s; come back for the rest"


async def told(socket) -> tuple[str, str]:
    [frame] = await frames(socket, 1)
    assert frame["type"] == "run"
    return frame["run"]["workflow_execution_id"], frame["run"]["status"]


async def test_the_list_tells_of_each_run_that_changes_how_it_stands(server, repository, run_id):
    other = await accept(repository)
    async with connect(server.url("/workflows/live", "ws")) as socket:
        while not server.context.feed._watchers:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.001)
        await repository.start_run(run_id)
        seen = await told(socket)
        while seen in {(run_id, "pending"), (other, "pending")}:  # told late of what was accepted before it watched
            seen = await told(socket)
        assert seen == (run_id, "running")
        await repository.finish_run(other, RunStatus.CANCELLED, None)
        assert await told(socket) == (other, "cancelled")
        new = await accept(repository)
        assert await told(socket) == (new, "pending")
        await socket.send("?")
        assert (await closing(socket)).code == 1007


async def test_the_system_cuts_connections_that_take_in_nothing(server, run_id):
    """What uvicorn would hold for ever; that the option is inherited from where the server listens is Linux's."""
    async with live(server, run_id) as socket:
        await frames(socket, 1)
        [connection] = server.web.server_state.connections
        option = (socketlib.IPPROTO_TCP, socketlib.TCP_USER_TIMEOUT)
        assert connection.transport.get_extra_info("socket").getsockopt(*option) == 30_000
