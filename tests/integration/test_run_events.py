"""The log of a run: numbered without a gap whoever writes, and told to who listens."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from planner_graph.errors import RunNotFoundError
from planner_graph.mirror import tables
from planner_graph.store import transitions
from planner_graph.store.connection import connect
from planner_graph.store.repository import Repository
from planner_graph.types import RunStatus
from tests.events import NOON, at, ended, interrupted, started
from tests.mirrors import accept, live, record, tell
from tests.plans import make_plan

pytestmark = pytest.mark.every_postgres

WRITERS = 50
AGENTS = [f"agent_{number:02}" for number in range(WRITERS)]
PLAN = make_plan({"planner": [], "writer": ["planner"]})
WIDE = make_plan({agent: [] for agent in AGENTS})


@pytest.fixture
def repository(database):
    return Repository(database)


@pytest.fixture
async def run_id(database):
    return await accept(database, PLAN)


@asynccontextmanager
async def connected(database):
    conn = await connect(database.conninfo, database.target)
    async with conn:
        yield conn


async def log(repository, run_id):
    return [(event.sequence, event.event, event.agent_name) for event in await repository.events(run_id)]


async def test_what_happens_to_a_run_and_its_agents_is_numbered_in_one_row(repository, database, run_id):
    await repository.start_run(run_id)
    await record(database, run_id, [started("planner", 1), interrupted("planner", 2)])
    await repository.pause_run(run_id, "waiting for an answer")
    await repository.start_run(run_id)
    await record(database, run_id, [started("planner", 5)])
    await record(database, run_id, [ended("planner", 6, since=5), ended("writer", 7, "skipped", attempts=0)])
    await repository.finish_run(run_id, RunStatus.PARTIAL_SUCCESS, {}, "so it is")
    assert await log(repository, run_id) == [
        (1, "run_accepted", None),
        (2, "run_started", None),
        (3, "agent_started", "planner"),
        (4, "agent_interrupted", "planner"),
        (5, "run_paused", None),
        (6, "run_started", None),
        (7, "agent_started", "planner"),
        (8, "agent_ended", "planner"),
        (9, "agent_ended", "writer"),
        (10, "run_ended", None),
    ]
    assert (await live(database, run_id))["last_sequence"] == 10


async def test_an_event_says_when_and_what(repository, database, run_id):
    await repository.start_run(run_id)
    await record(database, run_id, [started("planner", 1, 2), interrupted("planner", 2, 2, usage={"calls": 1})])
    await repository.pause_run(run_id, "asked\x00to")
    await repository.start_run(run_id)
    await repository.finish_run(run_id, RunStatus.FAILED, None, "no\x00")
    accepted, first, began, asked, paused, again, over = await repository.events(run_id)
    assert accepted.data == {"strategy": "parallel", "total_agents": 2}
    assert (first.data, again.data) == ({"again": False}, {"again": True})
    assert (began.data, began.at.isoformat()) == ({"attempt": 2}, at(1))
    assert asked.data == {"attempt": 2, "reason": "asks a human", "usage": {"calls": 1}}
    assert paused.data == {"reason": "asked\ufffdto"}
    assert over.data == {"status": "failed", "reason": "no\ufffd"}
    assert began.recorded_at != NOON
    for event in (accepted, first, paused, again, over):
        assert abs((event.at - event.recorded_at).total_seconds()) < 5


async def test_an_end_said_again_is_no_event(repository, run_id):
    for _ in range(2):
        await repository.finish_run(run_id, RunStatus.CANCELLED, None)
    assert await log(repository, run_id) == [(1, "run_accepted", None), (2, "run_ended", None)]


async def test_whoever_has_seen_an_event_asks_for_what_came_after(repository, database, run_id):
    await record(database, run_id, [started("planner", 1), ended("planner", 2, since=1), started("writer", 3)])
    everything = await repository.events(run_id)
    assert [event.sequence for event in everything] == [1, 2, 3, 4]
    assert await repository.events(run_id, after=2) == everything[2:]
    assert await repository.events(run_id, after=4) == []
    assert await repository.events(run_id, limit=2) == everything[:2]
    assert await repository.events(run_id, after=1, limit=2) == everything[1:3]


@pytest.mark.parametrize("name", ["00000000-0000-4000-8000-000000000000", "no uuid"])
async def test_a_run_that_is_not_there_has_no_events(repository, name):
    with pytest.raises(RunNotFoundError):
        await repository.events(name)


async def test_many_writers_of_one_run_leave_no_gap_and_lose_nothing(repository, database):
    run_id = await accept(database, WIDE)
    ready = asyncio.Barrier(WRITERS)

    async def write(position, agent):
        async with connected(database) as conn:
            await ready.wait()
            async with conn.transaction():
                await tell(conn, {run_id: [started(agent, position)]})
            async with conn.transaction():
                await transitions.lock(conn, run_id)
                await transitions.log(conn, run_id, "run_resumed", {"by": agent})
            async with conn.transaction():
                await tell(conn, {run_id: [ended(agent, position + 1, since=position)]})

    async with asyncio.TaskGroup() as group:
        for position, agent in enumerate(AGENTS):
            group.create_task(write(position, agent))
    assert_complete(await repository.events(run_id), resumed=WRITERS)
    state = await live(database, run_id)
    assert sorted(state["completed_agents"]) == AGENTS
    assert state["last_sequence"] == 1 + 3 * WRITERS
    assert sorted(state["intermediate_outputs"]) == AGENTS


async def test_many_writers_of_several_runs_at_a_time_leave_no_gap_and_lose_nothing(repository, database):
    """Each transaction concerns all runs, which it names in an order of its own."""
    runs = [await accept(database, WIDE) for _ in range(5)]
    ready = asyncio.Barrier(WRITERS)

    async def write(position, agent):
        turned = runs[position % 5 :] + runs[: position % 5]
        async with connected(database) as conn:
            await ready.wait()
            for event in (started(agent, position), ended(agent, position + 1, since=position)):
                async with conn.transaction():
                    await tell(conn, {run_id: [event] for run_id in turned})

    async with asyncio.TaskGroup() as group:
        for position, agent in enumerate(AGENTS):
            group.create_task(write(position, agent))
    for run_id in runs:
        assert_complete(await repository.events(run_id), resumed=0)


def assert_complete(events, *, resumed):
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    by_kind: dict[str, list[Any]] = {}
    for event in events:
        by_kind.setdefault(event.event, []).append(event.agent_name)
    assert len(by_kind.pop("run_resumed", [])) == resumed
    assert {kind: sorted(filter(None, agents)) for kind, agents in by_kind.items()} == {
        "run_accepted": [],
        "agent_started": AGENTS,
        "agent_ended": AGENTS,
    }


async def test_who_waited_for_a_run_knows_what_was_written_meanwhile(database, run_id):
    async with connected(database) as holder, connected(database) as waiter:
        async with holder.transaction():
            await transitions.lock(holder, run_id)
            waiting = asyncio.create_task(locked_sequence(waiter, run_id))
            await until_waiting(database, waiter)
            await transitions.log(holder, run_id, "run_resumed", {})
        assert await waiting == 2


async def locked_sequence(conn, run_id):
    async with conn.transaction():
        return (await tables.lock(conn, [run_id]))[run_id].sequence


async def until_waiting(database, waiter):
    """Return when a connection waits for a lock."""
    question = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s"
    async with asyncio.timeout(5), database.pool.connection() as conn:
        while True:
            row = await (await conn.execute(question, [waiter.info.backend_pid])).fetchone()
            if row["wait_event_type"] == "Lock":
                return


async def test_a_transaction_that_was_rolled_back_leaves_no_gap(repository, database, run_id):
    async with connected(database) as conn, conn.transaction(force_rollback=True):
        await tell(conn, {run_id: [started("planner", 1)]})
        await transitions.pause(conn, run_id, "never mind")
    assert await log(repository, run_id) == [(1, "run_accepted", None)]
    await repository.start_run(run_id)
    await record(database, run_id, [started("planner", 1)])
    assert await log(repository, run_id) == [
        (1, "run_accepted", None),
        (2, "run_started", None),
        (3, "agent_started", "planner"),
    ]


async def test_who_listens_is_told_of_each_transaction_with_events(repository, database, run_id):
    async with connected(database) as listener:
        await listener.execute("LISTEN planner_graph")
        await repository.start_run(run_id)
        await record(database, run_id, [started("planner", 1), ended("planner", 2, since=1)])
        await record(database, run_id, [])
        other = await accept(database, PLAN)
        told = [note.payload async for note in listener.notifies(timeout=5, stop_after=3)]
    assert told == [f"{run_id} 2", f"{run_id} 4", f"{other} 1"]


async def test_no_number_can_be_used_twice(database, run_id):
    insert = (
        "INSERT INTO run_events (workflow_execution_id, sequence, event, at) VALUES (%s, 1, 'run_reconciled', now())"
    )
    async with connected(database) as conn:
        with pytest.raises(psycopg.errors.UniqueViolation, match="run_events_pkey"):
            await conn.execute(insert, [run_id])
