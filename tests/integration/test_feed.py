"""The feed of what happens in runs."""

import asyncio
import uuid
from itertools import pairwise

import psycopg
import pytest

from planner_graph.campaign import Campaign
from planner_graph.errors import RunNotFoundError
from planner_graph.mirror.feed import RunFeed
from planner_graph.mirror.log import PAGE
from planner_graph.store import transitions
from planner_graph.store.connection import connect
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
    return await accept(repository)


async def accept(repository):
    run_id = str(uuid.uuid4())
    await repository.accept_run(run_id, Campaign(id="c"), make_plan({"a": []}))
    return run_id


async def names(stream, count):
    async with asyncio.timeout(20):
        return [(event.sequence, event.event) for event in [await anext(stream) for _ in range(count)]]


async def test_what_has_happened_comes_first_and_then_what_happens_until_the_run_ends(database, repository, run_id):
    async with RunFeed(database, look_seconds=NEVER) as feed:
        stream = feed.follow(run_id)
        assert await names(stream, 1) == [(1, "run_accepted")]
        waiting = asyncio.ensure_future(anext(stream))
        await repository.start_run(run_id)
        async with asyncio.timeout(20):
            assert (await waiting).event == "run_started"
        await repository.finish_run(run_id, RunStatus.FAILED, None, "no reason")
        async with asyncio.timeout(20):
            assert [(event.sequence, event.event) async for event in stream] == [(3, "run_ended")]


async def test_a_subscriber_goes_on_after_the_event_it_names(database, repository, run_id):
    await repository.start_run(run_id)
    async with RunFeed(database) as feed:
        assert await names(feed.follow(run_id, after=1), 1) == [(2, "run_started")]


async def test_of_a_run_that_has_ended_everything_is_told_and_then_no_more(database, repository, run_id):
    await repository.finish_run(run_id, RunStatus.CANCELLED, None)
    async with RunFeed(database) as feed, asyncio.timeout(20):
        assert [event.event async for event in feed.follow(run_id)] == ["run_accepted", "run_ended"]
        assert [event.event async for event in feed.follow(run_id, after=2)] == []


async def test_past_its_end_a_run_can_be_followed_on(database, repository, run_id):
    await repository.finish_run(run_id, RunStatus.CANCELLED, None)
    async with RunFeed(database, look_seconds=NEVER) as feed:
        stream = feed.follow(run_id, after=1, past_end=True)
        assert await names(stream, 1) == [(2, "run_ended")]
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await tell(database, run_id, "run_reconciled")
        async with asyncio.timeout(20):
            assert (await waiting).event == "run_reconciled"


async def test_more_than_one_page_comes_in_order_without_a_gap(database, repository, run_id):
    await tell_silently(database, run_id, 2 * PAGE + 7)
    await repository.finish_run(run_id, RunStatus.CANCELLED, None)
    async with RunFeed(database) as feed, asyncio.timeout(20):
        sequences = [event.sequence async for event in feed.follow(run_id)]
    assert sequences[0] == 1
    assert len(sequences) == 2 * PAGE + 9
    assert all(later == earlier + 1 for earlier, later in pairwise(sequences))


async def test_what_nobody_was_notified_of_is_found_by_looking(database, run_id):
    async with RunFeed(database, look_seconds=0.02) as feed:
        stream = feed.follow(run_id)
        assert await names(stream, 1) == [(1, "run_accepted")]
        for sequence in range(2, 7):  # more than once: the first might be read before the feed waits
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            await tell_silently(database, run_id, 1)
            async with asyncio.timeout(20):
                assert (await waiting).sequence == sequence


async def test_after_an_outage_the_gap_is_filled(database, dsn, run_id):
    async with RunFeed(database, look_seconds=NEVER) as feed:
        stream = feed.follow(run_id)
        assert await names(stream, 1) == [(1, "run_accepted")]
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        async with await connect(dsn, dsn) as conn:
            for _ in range(3):
                await conn.execute(SILENTLY, {"run_id": run_id, "count": 1, "size": 0})
                await conn.execute(CUT)
            async with asyncio.timeout(20):
                assert (await waiting).sequence == 2
            assert await names(stream, 2) == [(3, "run_reconciled"), (4, "run_reconciled")]
            waiting = asyncio.ensure_future(anext(stream))
            await transitions.log(conn, run_id, "run_resumed", {})
            async with asyncio.timeout(20):
                assert (await waiting).event == "run_resumed"


async def test_while_the_database_is_away_the_feed_says_so(database, dsn, run_id):
    async with RunFeed(database, look_seconds=NEVER) as feed:
        assert feed.problem is None
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
            await conn.execute(CUT)
        async with asyncio.timeout(20):
            while feed.problem is None:  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.001)
            assert "connection" in feed.problem
            while feed.problem is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert await names(feed.follow(run_id), 1) == [(1, "run_accepted")]


async def test_two_connections_serve_all_subscribers_each_with_its_own_run(database, repository, dsn):
    runs = [await accept(repository) for _ in range(20)]

    async def follow(feed, run_id):
        return [event.data.get("of", event.event) async for event in feed.follow(run_id)]

    async with RunFeed(database, look_seconds=NEVER) as feed, asyncio.timeout(30):
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            [(before,)] = await (await conn.execute(query)).fetchall()
            following = [asyncio.create_task(follow(feed, run_id)) for run_id in runs for _ in range(3)]
            for run_id in runs:
                await tell(database, run_id, "run_reconciled", of=run_id)
            [(during,)] = await (await conn.execute(query)).fetchall()
            assert during - before <= 1
        for run_id in runs:
            await repository.finish_run(run_id, RunStatus.CANCELLED, None)
        told = await asyncio.gather(*following)
    assert told == [["run_accepted", run_id, "run_ended"] for run_id in runs for _ in range(3)]


async def test_a_feed_that_is_closed_lets_its_subscribers_go(database, run_id):
    async with RunFeed(database, look_seconds=NEVER) as feed:
        stream = feed.follow(run_id, after=1)
        waiting = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        assert await waiting is None


@pytest.mark.parametrize("run_id", [str(uuid.UUID(int=7)), "no uuid"])
@pytest.mark.parametrize("past_end", [False, True])
async def test_a_run_that_does_not_exist_cannot_be_followed(database, run_id, past_end):
    async with RunFeed(database) as feed:
        with pytest.raises(RunNotFoundError):
            await anext(feed.follow(run_id, past_end=past_end))
