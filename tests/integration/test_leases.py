"""Leases on a real PostgreSQL: one holder, ever-growing tokens, and what is refused without one."""

import asyncio

import psycopg
import pytest

from planner_graph.errors import RunHeldError
from planner_graph.store import leases
from planner_graph.store.connection import connect
from planner_graph.store.leases import Lease
from planner_graph.types import RunId, RunStatus
from tests.mirrors import accept
from tests.plans import make_plan


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 0.2)


@pytest.fixture
async def run(database):
    return await accept(database, make_plan({"a": []}))


@pytest.fixture
async def sessions(dsn):
    """Two processes, as the database sees them."""
    async with await connect(dsn, "one") as one, await connect(dsn, "two") as two:
        yield one, two


async def is_good(conn, lease):
    try:
        async with conn.transaction():
            await leases.fence_all(conn, [lease])
    except psycopg.Error as error:
        return not leases.is_fenced(error)
    return True


@pytest.mark.every_postgres
async def test_a_run_has_one_holder_who_is_named_to_others(sessions, run):
    one, two = sessions
    lease = await leases.acquire(one, run)
    with pytest.raises(RunHeldError, match=f"run '{run}' is executed by process '{leases.this_process()}'"):
        await leases.acquire(two, run)
    assert (await leases.holders(two, [run]))[run].token == lease.token == 1
    assert await is_good(one, lease)


async def test_what_is_released_is_free_at_once_and_the_token_grows(sessions, run):
    one, two = sessions
    first = await leases.acquire(one, run)
    await leases.release(one, first)
    assert await leases.holders(two, [run]) == {}
    assert (await leases.acquire(two, run)).token == 2
    assert not await is_good(one, first)


async def test_take_over_fences_the_holder_out(sessions, run):
    one, two = sessions
    first = await leases.acquire(one, run)
    second = await leases.acquire(two, run, take_over=True)
    assert await leases.renew(one, [first]) == {}
    assert await leases.renew(two, [second]) == {second: (RunStatus.PENDING, None)}
    await leases.release(one, first)
    assert (await leases.holders(two, [run]))[run].token == second.token


async def test_a_dead_holder_is_waited_for_until_that_is_sure(dsn, sessions, run):
    _, two = sessions
    async with await connect(dsn, "dead") as dead:
        await leases.acquire(dead, run)
    async with asyncio.timeout(5):
        assert (await leases.acquire(two, run)).token == 2


async def test_an_old_lease_is_still_good_if_nobody_wanted_the_run(monkeypatch, sessions, run):
    one, two = sessions
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.0)
    lease = await leases.acquire(one, run)
    assert await leases.holders(two, [run]) == {}
    assert await is_good(one, lease)
    assert list(await leases.renew(one, [lease])) == [lease]


async def test_taking_over_waits_for_what_the_holder_is_writing_and_ends_it_if_it_is_frozen(monkeypatch, sessions, run):
    one, two = sessions
    monkeypatch.setattr(leases, "LOCK_SECONDS", 0.1)
    first = await leases.acquire(one, run)
    await one.execute("BEGIN")
    await leases.fence_all(one, [first])
    async with asyncio.timeout(5):
        assert (await leases.acquire(two, run, take_over=True)).token == 2
    with pytest.raises(psycopg.OperationalError):
        await one.execute("COMMIT")


async def test_many_that_want_a_new_run_at_once_get_it_or_hear_who_has_it(dsn, database):
    for _ in range(10):
        run = await accept(database, make_plan({"a": []}))
        async with await connect(dsn, "a") as a, await connect(dsn, "b") as b, await connect(dsn, "c") as c:
            came = await asyncio.gather(*(leases.acquire(conn, run) for conn in (a, b, c)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in came) == ["Lease", "RunHeldError", "RunHeldError"]


async def test_the_fence_knows_runs_that_nobody_ever_held(sessions, run):
    assert not await is_good(sessions[0], Lease(run_id=run, token=1))
    assert not await is_good(sessions[0], Lease(run_id=RunId("00000000-0000-0000-0000-000000000000"), token=1))
