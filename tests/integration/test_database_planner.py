"""Campaigns and runs are planned by their ids, where there is a database to look them up in."""

import uuid

import pytest

from planner_graph import Campaign, CampaignOrchestrator, DatabasePlanner, MasterPlanner
from planner_graph.errors import CampaignNotFoundError, NoDatabaseError, RunExistsError, RunIdError
from tests.catalogs import catalog, spec

KNOWN = catalog(spec("a"), spec("b", after=["a"]), spec("c", after=["a", "b"], parallel_safe=False))


async def work(_):
    return "done"


@pytest.mark.parametrize("strategy", ["sequential", "parallel", "adaptive"])
async def test_a_stored_campaign_is_planned_by_its_id_for_a_run_that_can_be_executed(database, strategy):
    bodies = dict.fromkeys("abc", work)
    planner = DatabasePlanner(database, bodies, planner=MasterPlanner(KNOWN))
    await planner.repository.store_campaign(Campaign(id="spring", type="all"))
    run_id = str(uuid.uuid4())
    plan = await planner.create_execution_plan("spring", run_id, strategy)
    assert plan.dependencies == {"a": [], "b": ["a"], "c": ["a", "b"]}
    assert plan.estimated_duration == plan.estimated_duration_minutes
    assert [step["can_reschedule"] for step in plan.agent_sequence if "can_reschedule" in step] == (
        [True, True, False] if strategy == "adaptive" else []
    )
    assert (await planner.get_workflow_progress(run_id))["status"] == "pending"
    async with database.pool.connection() as conn:
        cursor = await conn.execute("SELECT planned_sequence FROM execution_plans")
        [row] = await cursor.fetchall()
    for stored, step in zip(row["planned_sequence"], plan.agent_sequence, strict=True):
        assert {key: stored[key] for key in step} == step
        assert ("can_reschedule" in stored) == (strategy == "adaptive")
    ended = await CampaignOrchestrator(database, bodies).execute((await planner.repository.run_ids())[0])
    assert ended.status == "completed"


async def test_what_cannot_be_planned_so_is_refused_in_words(database):
    planner = DatabasePlanner(database, planner=MasterPlanner(KNOWN))
    run_id = str(uuid.uuid4())
    with pytest.raises(CampaignNotFoundError):
        await planner.create_execution_plan("spring", run_id)
    await planner.repository.store_campaign(Campaign(id="spring", type="all"))
    with pytest.raises(RunIdError, match=r"'run-id' is no UUID; write str\(uuid.uuid4\(\)\)"):
        await planner.create_execution_plan("spring", "run-id")
    assert await planner.get_workflow_progress(run_id) == {"status": "not_found"}
    await planner.create_execution_plan(campaign_id="spring", workflow_execution_id=run_id, strategy="adaptive")
    with pytest.raises(RunExistsError, match="there is a run"):
        await planner.create_execution_plan("spring", run_id)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [(("spring", "run-id"), {}), ((), {"campaign_id": "spring", "workflow_execution_id": "run-id"})],
)
def test_a_planner_without_a_database_says_what_to_do(arguments, names):
    with pytest.raises(NoDatabaseError, match=r"no database to look up campaign 'spring' in; pass the Campaign itself"):
        MasterPlanner(KNOWN).create_execution_plan(*arguments, **names)
