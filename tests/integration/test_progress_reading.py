"""Progress is that of one moment, whatever others write while it is read."""

import uuid
from datetime import UTC, datetime

import pytest

from planner_graph.campaign import Campaign
from planner_graph.cli.account import read_account
from planner_graph.mirror.reading import get_workflow_progress
from planner_graph.store import reading
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, RunStatus
from tests.plans import make_plan

RESULT = {"status": "completed", "deliverables": {}, "missing": [], "agents": {}}


@pytest.fixture
async def run_id(database, monkeypatch):
    """A run that ends right after its row was read, before the rest of what is said of it is."""
    repository, run_id = Repository(database), RunId(str(uuid.uuid4()))
    await repository.accept_run(run_id, Campaign(id="c"), make_plan({"a": [], "b": ["a"]}))
    await repository.start_run(run_id)
    find = reading.find_run

    async def find_and_change(conn, run):
        row = await find(conn, run)
        async with database.pool.connection() as other:
            await other.execute(
                "INSERT INTO agent_runs (workflow_execution_id, agent_name, attempt, status, started_at, ended_at)"
                " SELECT %s, name, 1, 'completed', NOW(), NOW() FROM unnest(ARRAY['a', 'b']) AS name",
                [run_id],
            )
        await repository.finish_run(run_id, RunStatus.COMPLETED, RESULT)
        return row

    monkeypatch.setattr(reading, "find_run", find_and_change)
    return run_id


async def test_progress_is_that_of_one_moment(database, run_id):
    report = await get_workflow_progress(database, run_id)
    assert (report["status"], report["progress_percentage"]) == ("running", 0)
    assert report["agents_status"]["waiting"] == ["a", "b"]


async def test_what_status_shows_is_that_of_one_moment(database, run_id):
    account = await read_account(database, run_id, datetime.now(UTC))
    assert (account.row.status, account.progress.ended) == (RunStatus.RUNNING, 0)
    assert account.figures["counts"]["waiting"] == 2


async def test_a_snapshot_is_for_reading_only(database, run_id):
    async with reading.snapshot(database) as conn:
        assert await reading.status(conn, run_id) is RunStatus.RUNNING
        settings = await (await conn.execute("SHOW transaction_read_only")).fetchone()
    assert settings == {"transaction_read_only": "on"}
