"""The saver of a run: fenced, patient, and it stores what is on its way even when the run is stopped."""

import asyncio

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint

from planner_graph.errors import LeaseLostError
from planner_graph.store import leases
from planner_graph.store.connection import connect
from planner_graph.store.outages import Patience
from planner_graph.store.saver import RunSaver, checkpointer
from tests.mirrors import accept
from tests.plans import make_plan

CONFIG: RunnableConfig = {"configurable": {"thread_id": "thread", "checkpoint_ns": ""}}


class Desk:
    """A saver, who holds its run, and what it told of."""

    def __init__(self, database, session, run, lease):
        self.session, self.run = session, run
        self.told: list[Exception] = []
        patience = Patience(10, repair=database.pool.check)
        self.saver = RunSaver(database, lease, patience=patience, on_failure=self.told.append)

    async def put(self):
        return await self.saver.aput(CONFIG, empty_checkpoint(), {}, {})


@pytest.fixture
async def desk(database, dsn):
    run = await accept(database, make_plan({"a": []}))
    async with await connect(dsn, "holder") as session:
        yield Desk(database, session, run, await leases.acquire(session, run))


async def test_what_is_put_can_be_read_by_others(database, desk):
    config = await desk.put()
    await desk.saver.aput_writes(config, [("channel", "value")], "task")
    found = await checkpointer(database).aget_tuple(CONFIG)
    assert found is not None
    assert found.pending_writes == [("task", "channel", "value")]


async def test_nothing_lands_once_another_process_has_the_run(database, desk):
    config = await desk.put()
    await leases.acquire(desk.session, desk.run, take_over=True)
    with pytest.raises(LeaseLostError):
        await desk.saver.aput_writes(config, [("channel", "value")], "task")
    with pytest.raises(LeaseLostError):
        await desk.put()
    assert [type(error) for error in desk.told] == [LeaseLostError, LeaseLostError]
    found = await checkpointer(database).aget_tuple(CONFIG)
    assert found is not None
    assert (found.config["configurable"]["checkpoint_id"], found.pending_writes) == (
        config["configurable"]["checkpoint_id"],
        [],
    )


async def test_cut_connections_are_not_noticed(desk):
    await desk.put()
    for _ in range(3):
        await desk.session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await desk.put()
    assert desk.told == []


async def test_what_cannot_be_stored_is_told_at_once(desk):
    await desk.session.execute("ALTER TABLE checkpoints ADD CHECK (thread_id <> 'thread')")
    with pytest.raises(psycopg.errors.CheckViolation):
        await desk.put()
    assert [type(error) for error in desk.told] == [psycopg.errors.CheckViolation]


async def test_a_write_that_is_under_way_is_stored_though_its_task_is_cancelled(database, desk):
    config = await desk.put()
    await desk.session.execute("BEGIN")
    await desk.session.execute("LOCK TABLE checkpoint_writes IN EXCLUSIVE MODE")
    writing = asyncio.create_task(desk.saver.aput_writes(config, [("channel", "value")], "task"))
    async with asyncio.timeout(10):
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'checkpoint_writes'::REGCLASS"
        while await (await desk.session.execute(waiting)).fetchone() is None:
            pass
    writing.cancel()
    await asyncio.sleep(0)
    await desk.session.execute("COMMIT")
    with pytest.raises(asyncio.CancelledError):
        await writing
    found = await checkpointer(database).aget_tuple(CONFIG)
    assert found is not None
    assert found.pending_writes == [("task", "channel", "value")]


async def test_nothing_is_stored_after_something_that_could_not_be(database, desk):
    """Seen to fail without an order of writes: a record was there without the one it was made from."""
    config = await desk.put()
    await desk.session.execute("ALTER TABLE checkpoint_writes ADD CHECK (task_id <> 'first')")
    writes = [desk.saver.aput_writes(config, [("channel", "value")], task) for task in ("first", "second")]
    said = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(error) for error in said] == [psycopg.errors.CheckViolation] * 2
    found = await checkpointer(database).aget_tuple(CONFIG)
    assert found is not None
    assert found.pending_writes == []
