"""A database with the tables of version 4, upgraded: it takes warnings, and keeps what it holds."""

import psycopg
import pytest
from psycopg import AsyncConnection

from planner_graph.mirror.history import PerformanceTracker, estimates_of
from planner_graph.store.connection import CONNECTION
from planner_graph.store.repository import Repository
from planner_graph.store.upgrades import upgrade, versions
from planner_graph.types import AgentName
from tests.catalogs import catalog, spec
from tests.events import NOON, ended, started, warned
from tests.mirrors import accept, record
from tests.plans import make_plan

pytestmark = pytest.mark.every_postgres

VERSION_4 = """
ALTER TABLE run_events DROP CONSTRAINT run_events_event_known;
ALTER TABLE run_events ADD CONSTRAINT run_events_event_known CHECK (event IN (
    'run_accepted', 'run_started', 'run_interrupted', 'run_resumed', 'run_pausing', 'run_paused', 'run_cancelling',
    'run_taken_over', 'run_replanned', 'run_ended', 'run_reconciled',
    'agent_started', 'attempt_failed', 'agent_interrupted', 'agent_answered', 'agent_ended', 'agent_reopened'
));
ALTER TABLE agent_dependencies DROP COLUMN work;
ALTER TABLE agent_runs DROP COLUMN work;
DELETE FROM planner_graph_schema WHERE version > 4;
INSERT INTO planner_graph_schema (version) VALUES (4) ON CONFLICT DO NOTHING;
"""
INSERT = b"""
INSERT INTO run_events (workflow_execution_id, sequence, event, agent_name, at)
VALUES (%s, 99, 'agent_warning', 'a', %s)
"""
PLAN = make_plan({"planner": []})


async def test_tables_of_version_4_take_warnings_after_the_upgrade(database, dsn):
    repository = Repository(database)
    run_id = await accept(database, PLAN)
    await record(database, run_id, [started("planner", 0)])
    async with await AsyncConnection.connect(dsn, **CONNECTION) as conn:
        await conn.execute(VERSION_4, prepare=False)
        with pytest.raises(psycopg.errors.CheckViolation):
            await conn.execute(INSERT, (run_id, NOON))
        assert (await versions(conn)).schema == 4
        await upgrade(conn)
        (await versions(conn)).check()
    await record(database, run_id, [warned("planner", 1)])
    found = await repository.events(run_id)
    assert [event.event for event in found][-2:] == ["agent_started", "agent_warning"]
    assert found[-1].data == {"attempt": 1, "code": "extra_outputs", "message": "key 'age' is not declared"}


async def test_of_runs_before_the_upgrade_it_is_not_known_what_did_their_work(database, dsn):
    run_id = await accept(database, PLAN)
    await record(database, run_id, [started("planner", 0), ended("planner", 1)])
    async with await AsyncConnection.connect(dsn, **CONNECTION) as conn:
        await conn.execute(VERSION_4, prepare=False)
        await upgrade(conn)
        cursor = await conn.execute("SELECT agent_name, status, work FROM agent_runs")
        assert await cursor.fetchall() == [{"agent_name": "planner", "status": "completed", "work": None}]
    tracker = PerformanceTracker(database)
    [found] = await tracker.performance("planner")
    assert (found.runs, found.work) == (1, None)
    known = catalog(spec("planner", estimate_seconds=7))
    estimator = await estimates_of(tracker, known, {"planner": len}, min_runs=1)
    assert estimator.estimate(known.agents[AgentName("planner")]).source == "declared in the catalog"
