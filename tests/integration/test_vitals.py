"""Signs of life of runs: who holds them, and when they were last heard of."""

import uuid
from contextlib import asynccontextmanager

import pytest

from planner_graph.campaign import Campaign
from planner_graph.errors import RunNotFoundError
from planner_graph.store import leases
from planner_graph.store.connection import connect
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, RunStatus
from tests.plans import make_plan

pytestmark = pytest.mark.every_postgres

RUNS = [RunId(str(uuid.UUID(int=number))) for number in (1, 2)]


@pytest.fixture
async def repository(database):
    made = Repository(database)
    for run_id in RUNS:
        await made.accept_run(run_id, Campaign(id="c"), make_plan({"a": []}))
    return made


@asynccontextmanager
async def session(dsn):
    """A session of another process."""
    conn = await connect(dsn, "test")
    async with conn:
        yield conn


async def test_it_shows_which_process_has_the_right_to_execute_a_run(repository, dsn):
    one, other = RUNS
    assert (await repository.vitals(one)).holder is None
    async with session(dsn) as conn:
        lease = await leases.acquire(conn, one)
        assert (await repository.vitals(one)).holder == leases.this_process()
        assert not (await repository.vitals(other)).held
        await leases.release(conn, lease)
    assert not (await repository.vitals(one)).held


async def test_a_process_that_died_holds_nothing_once_it_has_been_silent(repository, dsn, database):
    async with session(dsn) as conn:
        await leases.acquire(conn, RUNS[0])
    assert (await repository.vitals(RUNS[0])).held  # an outage ends sessions, too
    async with database.pool.connection() as conn:
        await conn.execute("UPDATE run_leases SET renewed_at = NOW() - INTERVAL '3 seconds'")
    assert not (await repository.vitals(RUNS[0])).held


async def test_a_process_that_is_silent_but_there_holds_its_run_until_the_lease_ends(repository, dsn, database):
    async with session(dsn) as conn:
        await leases.acquire(conn, RUNS[0])
        async with database.pool.connection() as own:
            await own.execute("UPDATE run_leases SET renewed_at = NOW() - INTERVAL '10 seconds'")
            assert (await repository.vitals(RUNS[0])).held
            await own.execute("UPDATE run_leases SET expires_at = NOW() - INTERVAL '1 second'")
        assert not (await repository.vitals(RUNS[0])).held


async def test_silence_is_told_by_the_clock_of_the_database(repository, database):
    assert 0 <= (await repository.vitals(RUNS[0])).silent_seconds < 60
    async with database.pool.connection() as conn:
        await conn.execute("UPDATE workflow_state_live SET last_heartbeat = NOW() - INTERVAL '125 seconds'")
        assert 125 <= (await repository.vitals(RUNS[0])).silent_seconds < 185
        await conn.execute("UPDATE workflow_state_live SET last_heartbeat = NOW() + INTERVAL '1 hour'")
    vitals = await repository.vitals(RUNS[0])
    assert (vitals.silent_seconds, vitals.status) == (0, RunStatus.PENDING)


@pytest.mark.parametrize("run_id", [str(uuid.UUID(int=7)), "no uuid"])
async def test_a_run_that_does_not_exist_has_no_vitals(repository, run_id):
    with pytest.raises(RunNotFoundError):
        await repository.vitals(run_id)
