"""Signs of life of runs: who holds them, and when they were last heard of."""

import uuid

import pytest

from planner_graph.campaign import Campaign
from planner_graph.errors import RunNotFoundError
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, RunStatus
from tests.plans import make_plan

pytestmark = pytest.mark.every_postgres

RUNS = [
    RunId("00000000-0000-4000-8000-000000000001"),
    RunId("ffffffff-ffff-4fff-bfff-ffffffffffff"),
    RunId("80000000-0000-4000-8000-0000ffffffff"),
    RunId(str(uuid.UUID(int=2**64 + 2**31))),
]
"""Their numbers among advisory locks have either sign, and halves of either sign."""


@pytest.fixture
async def repository(database):
    made = Repository(database)
    for run_id in RUNS:
        await made.accept_run(run_id, Campaign(id="c"), make_plan({"a": []}))
    return made


@pytest.mark.parametrize("run_id", RUNS)
async def test_it_shows_in_any_process_whether_one_has_the_right_to_execute_a_run(repository, dsn, run_id):
    assert not (await repository.vitals(run_id)).held
    async with open_database(dsn) as other, Repository(other).exclusive(run_id) as granted:
        assert granted
        held = {found: (await repository.vitals(found)).held for found in RUNS}
        assert held == {found: found == run_id for found in RUNS}
    assert not (await repository.vitals(run_id)).held


async def test_looking_takes_no_right_from_anyone(repository, dsn):
    async with open_database(dsn) as other:
        await repository.vitals(RUNS[0])
        async with Repository(other).exclusive(RUNS[0]) as granted:
            assert granted


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
