"""Durability chosen in the campaign, and effects that wait for what they read to be stored."""

import asyncio
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner, RunStatus
from planner_graph.store.repository import Repository
from tests.catalogs import catalog, spec

WRITES = """
SELECT count(*) FROM checkpoint_writes w JOIN execution_plans p ON w.thread_id = p.thread_id
JOIN checkpoints c ON c.thread_id = w.thread_id AND c.checkpoint_id = w.checkpoint_id WHERE w.channel = 'a'
"""


@pytest.fixture
def slow_checkpoints(monkeypatch):
    """Store checkpoints slowly: what an agent wrote is lost if the one that it belongs to is not stored."""
    put = AsyncPostgresSaver.aput

    async def put_slowly(*given: Any) -> Any:
        await asyncio.sleep(0.1)
        return await put(*given)

    monkeypatch.setattr(AsyncPostgresSaver, "aput", put_slowly)


@pytest.mark.usefixtures("slow_checkpoints")
@pytest.mark.parametrize(
    ("durability", "effects"), [("sync", "idempotent"), ("async", "external"), (None, "external"), ("sync", "external")]
)
@pytest.mark.parametrize("strategy", ["sequential", "parallel", "adaptive"])
async def test_an_agent_finds_stored_what_it_reads(database, dsn, strategy, durability, effects):
    stored = []

    def b(_):
        with psycopg.connect(dsn) as conn:
            stored.append(conn.execute(WRITES).fetchone())

    planner = MasterPlanner(catalog(spec("a"), spec("b", needs=["a"], effects=effects)))
    orchestrator = CampaignOrchestrator(database, {"a": lambda _: "x", "b": b}, planner=planner)
    ended = await orchestrator.run(Campaign(type="all", durability=durability), strategy=strategy)
    assert ended.status is RunStatus.COMPLETED
    assert stored == [(1,)]
    assert (await Repository(database).load_campaign(ended.run_id)).durability == durability


async def test_durability_without_checkpoints_in_between_runs_too(database):
    planner = MasterPlanner(catalog(spec("a"), spec("b", needs=["a"])))
    orchestrator = CampaignOrchestrator(database, dict.fromkeys("ab", lambda _: 1), planner=planner)
    ended = await orchestrator.run(Campaign(type="all", durability="exit"))
    assert ended.status is RunStatus.COMPLETED
