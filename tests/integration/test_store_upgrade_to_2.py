"""A database with the tables of version 1 and a run in them, upgraded: it is as if made today, and nothing is lost."""

import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from planner_graph.store.connection import CONNECTION
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.store.upgrades import upgrade, versions
from planner_graph.types import RunId, RunStatus
from tests.events import ended, started
from tests.mirrors import live, progress, record
from tests.plans import make_plan

pytestmark = pytest.mark.every_postgres

VERSION_1 = Path(__file__).with_name("schema_1.sql").read_bytes()
RUN = uuid.UUID("00000000-0000-4000-8000-000000000001")
OTHER = uuid.UUID("00000000-0000-4000-8000-000000000002")
PLAN = make_plan({"planner": [], "writer": ["planner"], "image": ["writer"], "seo": ["writer"], "editor": ["writer"]})
FILL = """
INSERT INTO campaigns (id, campaign_key, definition) VALUES (%(run)s, 'launch', '{"id": "launch"}');
INSERT INTO campaign_tasks (campaign_id, position, task_type) VALUES (%(run)s, 1, 'blog_post');
INSERT INTO execution_plans (
    campaign_id, workflow_execution_id, total_agents, planned_sequence, plan, plan_hash, campaign, thread_id, status,
    started_at, current_step, completed_agents, failed_agents
) VALUES
    (%(run)s, %(run)s, 5, '[]', %(plan)s, %(hash)s, '{"id": "launch"}', 'one', 'running', '2030-01-01', 4,
        ARRAY['planner'], ARRAY['writer']),
    (%(run)s, %(other)s, 5, '[]', %(plan)s, %(hash)s, '{"id": "launch"}', 'other', 'pending', NULL, 0, '{}', '{}');
INSERT INTO agent_dependencies (execution_plan_id, agent_name, agent_type, execution_order)
SELECT id, 'planner', 'generic', 1 FROM execution_plans;
INSERT INTO workflow_state_live (
    workflow_execution_id, current_agents_running, completed_agents, failed_agents, waiting_agents, current_step,
    intermediate_outputs
) VALUES
    (%(run)s, '{}', ARRAY['planner'], ARRAY['writer'], ARRAY['editor'], 4, '{"planner": {"planner": "done"}}'),
    (%(other)s, '{}', '{}', '{}', ARRAY['planner', 'writer', 'image', 'seo', 'editor'], 0, NULL);
INSERT INTO agent_runs (
    workflow_execution_id, agent_name, execution, attempt, status, started_at, ended_at, error, reason
) VALUES
    (%(run)s, 'planner', 1, 1, 'completed', '2030-01-01', '2030-01-02', NULL, NULL),
    (%(run)s, 'writer', 1, 1, 'failed', '2030-01-02', '2030-01-03', '{"type": "E"}', 'E after 1 attempt'),
    (%(run)s, 'seo', 1, 0, 'skipped', NULL, '2030-01-04', NULL, 'hard dependency failed'),
    (%(run)s, 'image', 1, 0, 'skipped', NULL, '2030-01-03', NULL, 'hard dependency failed'),
    (%(run)s, 'image', 2, 0, 'skipped', NULL, '2030-01-05', NULL, 'hard dependency failed'),
    (%(run)s, 'editor', 1, 0, 'skipped', NULL, '2030-01-03', NULL, 'its result was lost; it waits again');
"""
OLD_TABLES = (
    "campaigns",
    "campaign_tasks",
    "execution_plans",
    "agent_dependencies",
    "workflow_state_live",
    "agent_runs",
)
NEW_TABLES = ("run_events", "planner_graph_schema", "api_tokens", "audit_log", "idempotency_keys")
# In an upgraded table added columns come last; nothing depends on their order.
SHAPES = {
    "columns": """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE relname = ANY (%(tables)s) ORDER BY 1, 2""",
    "constraints": """SELECT relname, conname, pg_get_constraintdef(o.oid)
        FROM pg_class c JOIN pg_constraint o ON o.conrelid = c.oid WHERE relname = ANY (%(tables)s) ORDER BY 1, 2""",
    "indexes": """SELECT relname, indexdef
        FROM pg_class c JOIN pg_indexes i ON i.tablename = c.relname WHERE relname = ANY (%(tables)s) ORDER BY 1, 2""",
}


@pytest.fixture
def old_dsn(empty_dsn):
    """The connection string of a database with tables of version 1 and two runs."""
    values = {"run": RUN, "other": OTHER, "plan": PLAN.canonical_json().decode(), "hash": PLAN.hash}
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(VERSION_1, prepare=False)
        for statement in filter(str.strip, FILL.split(";\n")):
            conn.execute(statement.encode(), values)
    return empty_dsn


async def upgraded(dsn):
    async with await AsyncConnection.connect(dsn, **CONNECTION) as conn:
        assert (await versions(conn)).schema == 1
        await upgrade(conn)
        (await versions(conn)).check()


def shapes(dsn):
    with psycopg.connect(dsn) as conn:
        return {
            name: conn.execute(query.encode(), {"tables": [*OLD_TABLES, *NEW_TABLES]}).fetchall()
            for name, query in SHAPES.items()
        }


def contents(dsn):
    """The rows of all tables of version 1, by table."""
    with psycopg.connect(dsn, row_factory=dict_row) as conn:
        rows = sql.SQL("SELECT * FROM {} ORDER BY 1, 2, 3")
        return {table: conn.execute(rows.format(sql.Identifier(table))).fetchall() for table in OLD_TABLES}


async def test_upgraded_tables_are_as_new_ones(old_dsn, dsn):
    assert shapes(old_dsn) != shapes(dsn)
    await upgraded(old_dsn)
    found, fresh = shapes(old_dsn), shapes(dsn)
    for name in SHAPES:
        assert found[name] == fresh[name]
        assert {row[0] for row in fresh[name]} == {*OLD_TABLES, *NEW_TABLES}


async def test_no_row_and_no_value_is_lost(old_dsn):
    before = contents(old_dsn)
    await upgraded(old_dsn)
    after = contents(old_dsn)
    for table, rows in before.items():
        assert rows
        assert [{key: row[key] for key in rows[0]} for row in after[table]] == rows


async def test_agents_that_were_skipped_are_listed_and_others_are_where_they_were(old_dsn):
    await upgraded(old_dsn)
    states = {row["workflow_execution_id"]: row for row in contents(old_dsn)["workflow_state_live"]}
    assert states[RUN]["skipped_agents"] == ["seo", "image"]
    assert states[RUN]["waiting_agents"] == ["editor"]
    assert states[OTHER]["skipped_agents"] == []
    assert [state["last_sequence"] for state in states.values()] == [0, 0]


async def test_runs_from_before_the_upgrade_go_on_and_log_from_now(old_dsn):
    await upgraded(old_dsn)
    async with open_database(old_dsn) as database:
        repository, run_id = Repository(database), RunId(str(RUN))
        await repository.start_run(run_id)
        await record(database, run_id, [started("editor", 1), ended("editor", 2, since=1)])
        await repository.finish_run(run_id, RunStatus.PARTIAL_SUCCESS, {})
        events = [(event.sequence, event.event) for event in await repository.events(run_id)]
        assert events == [(1, "run_started"), (2, "agent_started"), (3, "agent_ended"), (4, "run_ended")]
        assert (await live(database, run_id))["completed_agents"] == ["planner", "editor"]
        assert (await progress(database, run_id))["counts"]["skipped"] == 2
