"""A run that another process takes over while a mirror follows it goes on without its tables, or fails if it must."""

import asyncio
import uuid

import pytest

from planner_graph.errors import LeaseLostError, RunHeldError
from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.store import leases
from planner_graph.store.database import open_database
from planner_graph.types import RunId
from tests.fakes import INPUT
from tests.followed import DIAMOND, Tables
from tests.integration.test_mirror_outages import followed_by, graph_of

EXCLUSIVE = MirrorSettings(exclusive=True)


async def taken_over(dsn, run_id):
    async with open_database(dsn) as database, database.pool.connection() as conn:
        await leases.release(conn, await leases.acquire(conn, RunId(run_id), take_over=True))


def rival(dsn, run_id, tables):
    """Give an agent that lets its own run be taken over, once the tables know that it has begun."""

    async def take_over(_):
        while not tables.attempts(run_id):  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.01)
        await taken_over(dsn, run_id)
        return 1

    return take_over


@pytest.fixture
def tables(dsn):
    return Tables(dsn)


@pytest.fixture
def run_id():
    return str(uuid.uuid4())


def config(mirror, run_id):
    given = followed_by(mirror, run_id)
    return {**given, "configurable": {**given["configurable"], "workflow_execution_id": run_id}}


async def run(graph, way, config):
    return await (graph.ainvoke(INPUT, config) if way == "ainvoke" else asyncio.to_thread(graph.invoke, INPUT, config))


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_an_exclusive_one_fails(tables, run_id, way):
    graph = graph_of(DIAMOND, b=rival(tables.dsn, run_id, tables))
    async with PlanMirror(tables.dsn, settings=EXCLUSIVE) as mirror:
        with pytest.raises(LeaseLostError, match=f"run '{run_id}' was taken over by another process"):
            await run(graph, way, config(mirror, run_id))
    assert tables.plan(run_id)["status"] == "running", "its end is not for who lost it to record"


async def test_any_other_goes_on(tables, run_id):
    graph = graph_of(DIAMOND, b=rival(tables.dsn, run_id, tables))
    async with PlanMirror(tables.dsn) as mirror:
        assert (await graph.ainvoke(INPUT, config(mirror, run_id)))["result"]["status"] == "completed"
        assert mirror.report(run_id).missing


async def test_an_exclusive_one_that_is_held_already_fails(tables, run_id):
    """The second of two processes that go on with one run; the first one is not disturbed."""
    held, over = asyncio.Event(), asyncio.Event()

    async def hold(_):
        while not tables.attempts(run_id):  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.01)
        held.set()
        await over.wait()
        return 1

    async with PlanMirror(tables.dsn) as first, PlanMirror(tables.dsn, settings=EXCLUSIVE) as second:
        running = asyncio.create_task(graph_of(DIAMOND, b=hold).ainvoke(INPUT, config(first, run_id)))
        await held.wait()
        try:
            with pytest.raises(RunHeldError, match=f"run '{run_id}' is executed by process"):
                await graph_of(DIAMOND).ainvoke(INPUT, config(second, run_id))
        finally:
            over.set()
        assert (await running)["result"]["status"] == "completed"
        assert first.report(run_id).caught_up
