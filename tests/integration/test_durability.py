"""Durability chosen in the campaign, and effects that wait for what they read to be stored."""

import psycopg
import pytest

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner, RunStatus
from planner_graph.store.repository import Repository
from tests.catalogs import catalog, spec

WRITES = """
SELECT count(*) FROM checkpoint_writes w JOIN execution_plans p ON w.thread_id = p.thread_id WHERE w.channel = 'a'
"""


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
