"""The fan-out of a run's events to clients, against the tables."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

import pytest

from planner_graph.campaign import Campaign
from planner_graph.errors import RunNotFoundError
from planner_graph.mirror.feed import RunFeed
from planner_graph.mirror.log import FeedClosedError
from planner_graph.server import followed
from planner_graph.server.frames import Frame, event_frame
from planner_graph.server.live import RunHub, TooManyClientsError
from planner_graph.server.ring import MOST_FRAMES
from planner_graph.server.settings import ServerSettings
from planner_graph.store.repository import Repository
from planner_graph.types import RunStatus
from tests.logs import CUT, SILENTLY, tell, tell_silently
from tests.plans import make_plan

NEVER = 3600.0


@pytest.fixture
def repository(database):
    return Repository(database)


@pytest.fixture
async def run_id(repository):
    run_id = str(uuid.uuid4())
    await repository.accept_run(run_id, Campaign(id="c"), make_plan({"a": []}))
    return run_id


class Reading:
    """How often something was read."""

    def __init__(self):
        self.snapshots = 0
        self.pages = []


class CountingFeed(RunFeed):
    def __init__(self, database, reading):
        super().__init__(database, look_seconds=NEVER)
        self.reading = reading

    async def past(self, run_id, after, limit=0):
        self.reading.pages.append(after)
        return await super().past(run_id, after, limit)


@pytest.fixture
def reading():
    return Reading()


@asynccontextmanager
async def opened(database, reading, **options):
    async with CountingFeed(database, reading) as feed:

        async def snapshot(run_id):
            reading.snapshots += 1
            end = await feed.end_of_log(run_id)
            told = {"type": "snapshot", "sequence": end.last_sequence, "progress": {"status": end.status.value}}
            return Frame(json.dumps(told), end.last_sequence)

        yield RunHub(feed, snapshot, ServerSettings(**{"ping_seconds": NEVER, **options}))


@pytest.fixture
async def hub(database, reading):
    async with opened(database, reading) as hub, asyncio.timeout(60):
        yield hub


async def told(hub, run_id, after=None, most=None):
    """Give what a client is told, until the end or until it has had ``most`` frames."""
    frames = []
    async with hub.joined(run_id, after) as bursts:
        async for burst in bursts:
            frames += [json.loads(frame.text) for frame in burst]
            if most is not None and len(frames) >= most:
                break
    return frames


def sequences(frames):
    return [frame["sequence"] for frame in frames if frame["type"] == "event"]


async def test_first_comes_how_the_run_stands_then_each_event_and_then_its_end(hub, database, repository, run_id):
    await repository.start_run(run_id)
    async with hub.joined(run_id) as bursts:
        [first] = await anext(bursts)
        assert json.loads(first.text) == {
            "type": "snapshot",
            "sequence": 2,
            "progress": {"status": "running"},
        }
        await tell(database, run_id, "run_reconciled", differences=["<b>ü</b>"])
        [second] = await anext(bursts)
        event = json.loads(second.text)
        assert (event["type"], event["sequence"], event["event"], event["agent_name"]) == (
            "event",
            3,
            "run_reconciled",
            None,
        )
        assert event["data"] == {"differences": ["<b>ü</b>"]}
        assert event["at"].endswith("Z")
        assert event["recorded_at"].endswith("Z")
        await repository.finish_run(run_id, RunStatus.FAILED, None)
        rest = [json.loads(frame.text) async for burst in bursts for frame in burst]
        assert [frame.get("event", frame["type"]) for frame in rest] == ["run_ended", "end"]
        assert rest[-1] == {"type": "end", "status": "failed"}
    assert hub.clients == 0


async def test_of_a_run_that_has_ended_all_is_told_at_once(hub, repository, run_id):
    await repository.finish_run(run_id, RunStatus.CANCELLED, None)
    frames = await told(hub, run_id, after=0)
    assert [frame.get("event", frame["type"]) for frame in frames] == ["run_accepted", "run_ended", "end"]
    assert [frame["type"] for frame in await told(hub, run_id, after=2)] == ["end"]
    assert [frame["type"] for frame in await told(hub, run_id)] == ["snapshot", "end"]


async def test_however_often_a_client_comes_back_it_has_each_event_once_and_in_order(hub, database, run_id):
    seen: list[int] = []
    for round_ in range(6):
        await tell_silently(database, run_id, 40)
        frames = await told(hub, run_id, after=len(seen), most=30 if round_ < 5 else 241 - len(seen))
        assert {frame["type"] for frame in frames} == {"event"}
        seen += sequences(frames)
    assert seen == list(range(1, 242))


async def test_who_names_an_event_that_was_never_is_told_how_the_run_stands(hub, run_id):
    [snapshot] = await told(hub, run_id, after=99, most=1)
    assert (snapshot["type"], snapshot["sequence"]) == ("snapshot", 1)


async def test_who_has_fallen_behind_the_ring_is_served_from_the_log(hub, database, repository, reading, run_id):
    async with hub.joined(run_id, after=1) as slow:
        waiting = asyncio.ensure_future(anext(slow))
        await tell(database, run_id, "run_reconciled")
        assert [frame.sequence for frame in await waiting] == [2]
        assert reading.pages == []
        count = MOST_FRAMES + 120
        await tell_silently(database, run_id, count)
        await repository.finish_run(run_id, RunStatus.CANCELLED, None)
        assert sequences(await told(hub, run_id, after=count)) == [count + 1, count + 2, count + 3]
        frames = [frame async for burst in slow for frame in burst]
    assert [frame.sequence for frame in frames[:-1]] == list(range(3, count + 4))
    assert json.loads(frames[-1].text)["type"] == "end"
    assert 0 < len(reading.pages) < 10


async def test_an_event_is_read_and_encoded_once_for_all_clients(hub, database, reading, run_id, monkeypatch):
    encoded = []

    def noting(row):
        encoded.append(row.sequence)
        return event_frame(row)

    monkeypatch.setattr(followed, "event_frame", noting)
    clients = [asyncio.create_task(told(hub, run_id)) for _ in range(50)]
    while hub.clients < 50 or not reading.snapshots:  # noqa: ASYNC110  # nobody is told
        await asyncio.sleep(0.001)
    for _ in range(20):
        await tell(database, run_id, "run_reconciled")
    await Repository(database).finish_run(run_id, RunStatus.CANCELLED, None)
    for frames in await asyncio.gather(*clients):
        [snapshot, *events, end] = frames
        assert sequences(events) == list(range(snapshot["sequence"] + 1, 23))
        assert end["type"] == "end"
    assert len(encoded) == len(set(encoded))
    assert reading.snapshots == 1
    assert reading.pages == []


async def test_those_who_catch_up_alike_share_what_is_read(hub, database, repository, reading, run_id):
    await tell_silently(database, run_id, 98)
    await repository.finish_run(run_id, RunStatus.CANCELLED, None)
    everything = await asyncio.gather(*(told(hub, run_id, after=0) for _ in range(20)))
    assert all(sequences(frames) == list(range(1, 101)) for frames in everything)
    assert reading.pages == [0, 50]


async def test_through_a_database_that_cuts_all_connections_nothing_is_missed(hub, database, repository, run_id):
    async with hub.joined(run_id, after=0) as bursts:
        frames = list(await anext(bursts))
        for _ in range(5):
            waiting = asyncio.ensure_future(anext(bursts))
            async with database.pool.connection() as conn:
                await conn.execute(CUT)
                await conn.execute(SILENTLY, {"run_id": run_id, "count": 3, "size": 0})
            await database.pool.check()
            frames += await waiting
            while frames[-1].sequence % 3 != 1:
                frames += await anext(bursts)
        await repository.finish_run(run_id, RunStatus.CANCELLED, None)
        frames += [frame async for burst in bursts for frame in burst]
    assert [frame.sequence for frame in frames] == [*range(1, 18), 0]


async def test_silence_is_told_from_a_dead_connection_by_pings(database, reading, run_id):
    async with opened(database, reading, ping_seconds=0.001) as hub, asyncio.timeout(20):
        frames = await told(hub, run_id, after=1, most=3)
    assert [frame["type"] for frame in frames] == ["ping", "ping", "ping"]
    assert frames[0]["at"].endswith("+00:00")


async def test_who_closes_the_hub_tells_all_clients(hub, repository, run_id):
    ended = str(uuid.uuid4())
    await repository.accept_run(ended, Campaign(id="c"), make_plan({"a": []}))
    await repository.finish_run(ended, RunStatus.CANCELLED, None)
    async with hub.joined(run_id, after=0) as going_on, hub.joined(ended, after=0) as over, hub.joined(run_id) as new:
        await anext(going_on)
        waiting = asyncio.ensure_future(anext(going_on))
        await asyncio.sleep(0)
        hub.close()
        for stream in (waiting, anext(over)):
            with pytest.raises(FeedClosedError):
                await stream
        await anext(new)
        with pytest.raises(FeedClosedError):
            await anext(new)
    with pytest.raises(FeedClosedError):
        await told(hub, run_id)


async def test_when_the_feed_is_closed_clients_learn_it(database, reading, run_id):
    async with opened(database, reading) as hub:
        client = asyncio.create_task(told(hub, run_id, after=1))
        while not hub.clients:  # noqa: ASYNC110
            await asyncio.sleep(0)
    with pytest.raises(FeedClosedError):
        await client


async def test_a_run_that_nobody_follows_any_more_is_let_be(hub, database, run_id):
    async with hub.joined(run_id, after=0) as one:
        await anext(one)
        async with hub.joined(run_id, after=0) as other:
            await anext(other)
        waiting = asyncio.ensure_future(anext(one))
        await tell(database, run_id, "run_reconciled")
        assert [frame.sequence for frame in await waiting] == [2]
    assert hub._runs == {}
    while hub._feed._subscribers:  # noqa: ASYNC110  # nobody is told
        await asyncio.sleep(0)


async def test_no_more_clients_are_taken_than_there_is_room_for(database, reading, run_id):
    async with opened(database, reading, max_clients=1) as hub, hub.joined(run_id):
        with pytest.raises(TooManyClientsError, match="1 clients follow runs here already; try again later"):
            await told(hub, run_id)
    assert hub.clients == 0


@pytest.mark.parametrize("run_id", [str(uuid.UUID(int=7)), "no uuid"])
async def test_a_run_that_does_not_exist_cannot_be_joined(hub, run_id):
    with pytest.raises(RunNotFoundError):
        await told(hub, run_id)
    assert (hub.clients, hub._runs) == (0, {})
