"""A request that is sent twice starts one run."""

import asyncio

import pytest

from planner_graph.errors import KeyReusedError, RequestRepeatedError
from planner_graph.store import idempotency
from planner_graph.store.idempotency import KEY_SECONDS, KeyedRequest, claim
from planner_graph.store.repository import Repository
from tests.team import CAMPAIGN, Orchestrated, Team

REQUEST = KeyedRequest.of("ann", "key-1", {"campaign_id": "launch", "strategy": None})
OTHER_BODY = KeyedRequest.of("ann", "key-1", {"campaign_id": "launch", "strategy": "parallel"})


async def accept(database, request, also=None):
    async def first(conn, run_id):
        await claim(conn, request, run_id)
        if also is not None:
            await also()

    return (await Orchestrated(database, Team(), "adaptive").orchestrator().accept(CAMPAIGN, first=first))[0]


async def find(database, request):
    async with database.pool.connection() as conn:
        return await idempotency.find(conn, request)


def test_the_order_of_names_in_a_request_does_not_count_and_everything_else_does():
    same = KeyedRequest.of("ann", "key-1", {"strategy": None, "campaign_id": "launch"})
    assert same == REQUEST
    assert OTHER_BODY.request_hash != REQUEST.request_hash
    assert KeyedRequest.of("ann", "key-1", "\ud800").request_hash != KeyedRequest.of("ann", "key-1", "?").request_hash


async def test_the_same_request_again_finds_the_run_it_has_started(database):
    assert await find(database, REQUEST) is None
    run_id = await accept(database, REQUEST)

    assert await find(database, REQUEST) == run_id
    with pytest.raises(RequestRepeatedError, match=r"'key-1' has started run .* already") as repeated:
        await accept(database, REQUEST)
    assert repeated.value.run_id == run_id
    assert await Repository(database).run_ids() == [run_id]


async def test_the_key_of_another_request_is_refused(database):
    run_id = await accept(database, REQUEST)

    for call in (accept, find):
        with pytest.raises(KeyReusedError, match=f"belongs to another request, which has started run {run_id}"):
            await call(database, OTHER_BODY)
    assert await Repository(database).run_ids() == [run_id]


async def test_keys_of_others_are_others(database):
    theirs = KeyedRequest(principal="bob", key=REQUEST.key, request_hash=REQUEST.request_hash)
    assert await accept(database, REQUEST) != await accept(database, theirs)


async def test_of_requests_at_the_same_instant_one_starts_a_run_and_all_find_it(database):
    async def one():
        try:
            return "new", await accept(database, REQUEST)
        except RequestRepeatedError as error:
            return "repeated", error.run_id

    found = await asyncio.gather(*(one() for _ in range(8)))

    [run_id] = await Repository(database).run_ids()
    assert sorted(found) == [("new", run_id), *[("repeated", run_id)] * 7]


async def test_a_request_waits_for_an_equal_one_and_takes_its_place_if_that_fails(database):
    claimed, fail = asyncio.Event(), asyncio.Event()

    async def wait_and_fail():
        claimed.set()
        await fail.wait()
        raise ConnectionResetError

    first = asyncio.create_task(accept(database, REQUEST, wait_and_fail))
    await claimed.wait()
    second = asyncio.create_task(accept(database, REQUEST))
    await someone_waits(database)
    fail.set()
    with pytest.raises(ConnectionResetError):
        await first

    assert [await second] == await Repository(database).run_ids()
    assert await find(database, REQUEST) == await second


async def someone_waits(database):
    """Return when a transaction waits for another one."""
    sql = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    async with database.pool.connection() as conn, asyncio.timeout(30):
        while await (await conn.execute(sql)).fetchone() is None:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.01)


async def test_a_key_counts_for_a_week(database):
    first = await accept(database, REQUEST)
    async with database.pool.connection() as conn:
        age = "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => %s)"
        await conn.execute(age, [KEY_SECONDS])

    assert await find(database, REQUEST) is None
    second = await accept(database, OTHER_BODY)
    assert second != first
    assert await find(database, OTHER_BODY) == second


async def test_no_key_is_kept_without_its_run(database):
    async def fail():
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await accept(database, REQUEST, fail)
    assert await find(database, REQUEST) is None
