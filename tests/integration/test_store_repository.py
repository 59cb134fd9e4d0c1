"""Runs in the tables: accepted, followed, ended, found."""

import asyncio
import uuid
from datetime import UTC

import psycopg
import pytest

from planner_graph.campaign import Campaign
from planner_graph.errors import (
    AmbiguousRunError,
    PlanMismatchError,
    RunEndedError,
    RunNotFoundError,
    RunNotResumableError,
)
from planner_graph.store.repository import Repository
from planner_graph.types import AgentStatus, RunStatus
from tests.events import ended, started
from tests.mirrors import live, progress, record
from tests.plans import BLOG, BLOG_SECONDS, make_plan

pytestmark = pytest.mark.every_postgres

NOBODY = "00000000-0000-4000-8000-000000000000"
CAMPAIGN = Campaign.model_validate(
    {
        "id": "launch",
        "name": "Launch of the thing",
        "type": "blog_creation",
        "brief": "Ü 😀",
        "provided": {"huge": 1e30, "whole": 7, "real": 7.0, "tiny": 5e-324, "text": "\\u0000"},
        "tasks": [{"type": "blog_post", "title": "Post"}, {"type": "image_generation", "parameters": {"width": 3}}],
    }
)
PLAN = make_plan(BLOG, seconds=BLOG_SECONDS, campaign_id="launch", kinds={("seo", "editor"): "soft"})


@pytest.fixture
def repository(database):
    return Repository(database)


@pytest.fixture
async def run_id(repository):
    return await accept(repository)


async def accept(repository, run_id=None, campaign=CAMPAIGN, plan=PLAN, **others):
    run_id = run_id or str(uuid.uuid4())
    await repository.accept_run(run_id, campaign, plan, **others)
    return run_id


async def rows(repository, statement, *values):
    async with repository.database.pool.connection() as conn:
        return await (await conn.execute(statement, values)).fetchall()


async def test_an_accepted_run_is_pending_and_says_what_was_planned(repository):
    run_id = await accept(repository, agents_reference="agents:bodies", output_folder="/out")
    run = await repository.get_run(run_id)
    assert (run.run_id, run.status, run.campaign_key, run.campaign_name) == (
        run_id,
        RunStatus.PENDING,
        "launch",
        "Launch of the thing",
    )
    assert (run.total_agents, run.strategy, run.plan_hash) == (7, PLAN.strategy, PLAN.hash)
    assert run.estimated_duration_minutes == PLAN.estimated_duration_minutes
    assert (run.agents_reference, run.output_folder, run.planning_reasoning) == (
        "agents:bodies",
        "/out",
        PLAN.explain(),
    )
    assert (run.thread_id, run.plan_revision) == (f"{run_id}:1", 1)
    assert (run.started_at, run.ended_at, run.result) == (None, None, None)
    assert run.created_at.tzinfo is UTC


async def test_plan_and_campaign_come_back_as_they_were(repository, run_id):
    plan, campaign = await repository.load_plan(run_id), await repository.load_campaign(run_id)
    assert plan == PLAN
    assert plan.canonical_json() == PLAN.canonical_json()
    assert campaign == CAMPAIGN
    assert repr(campaign.provided["huge"]) == "1e+30"


async def test_a_run_keeps_the_campaign_it_accepted_when_that_is_changed(repository, run_id):
    changed = CAMPAIGN.model_copy(update={"name": "Other", "tasks": ()})
    other = await accept(repository, campaign=changed)
    assert await repository.load_campaign(run_id) == CAMPAIGN
    assert await repository.load_campaign(other) == changed
    [row] = await rows(repository, "SELECT name, definition ->> 'name' AS defined FROM campaigns")
    assert (row["name"], row["defined"]) == ("Other", "Other")
    assert await rows(repository, "SELECT * FROM campaign_tasks") == []


@pytest.mark.usefixtures("run_id")
async def test_tasks_are_kept_in_order(repository):
    found = await rows(repository, "SELECT position, task_type, title, parameters FROM campaign_tasks ORDER BY 1")
    assert [tuple(row.values()) for row in found] == [
        (1, "blog_post", "Post", {}),
        (2, "image_generation", "", {"width": 3}),
    ]


@pytest.mark.usefixtures("run_id")
async def test_the_plan_stands_in_columns_that_others_read(repository):
    [row] = await rows(repository, "SELECT planned_sequence, agent_configurations, plan FROM execution_plans")
    assert [step["agent"] for step in row["planned_sequence"]] == [step.agent for step in PLAN.steps]
    for planned, step, own in zip(row["planned_sequence"], PLAN.agent_sequence, row["plan"]["steps"], strict=True):
        assert {key: planned[key] for key in step} == step
        assert planned["edges"] == own["dependencies"]
        assert {key: planned[key] for key in own if key != "dependencies"} == {
            key: own[key] for key in own if key != "dependencies"
        }
    assert row["agent_configurations"] == {step.agent: {} for step in PLAN.steps}
    assert row["plan"] == PLAN.model_dump(mode="json")


@pytest.mark.usefixtures("run_id")
async def test_each_agent_has_a_row_for_each_kind_of_its_dependencies(repository):
    found = await rows(
        repository,
        "SELECT d.agent_name, d.dependency_type, d.depends_on_agents, d.execution_order, d.parallel_group_id,"
        " d.is_parallel_eligible, d.timeout_minutes FROM agent_dependencies d"
        " JOIN execution_plans p ON p.id = d.execution_plan_id ORDER BY d.execution_order, d.dependency_type",
    )
    steps = {step.agent: step for step in PLAN.steps}
    assert [(row["agent_name"], row["dependency_type"], row["depends_on_agents"]) for row in found] == [
        ("planner", "hard", []),
        ("researcher", "hard", ["planner"]),
        ("writer", "hard", ["planner", "researcher"]),
        ("editor", "hard", ["writer"]),
        ("image", "hard", ["writer"]),
        ("seo", "hard", ["writer"]),
        ("seo", "soft", ["editor"]),
        ("social_media", "hard", ["writer", "editor"]),
    ]
    for row in found:
        step = steps[row["agent_name"]]
        assert (row["execution_order"], row["parallel_group_id"]) == (step.order, step.parallel_group_id)
        assert row["is_parallel_eligible"] == (step.parallel_group_id is not None)
        assert row["timeout_minutes"] == 1


async def test_a_run_that_cannot_be_accepted_leaves_nothing(repository, run_id):
    newer = CAMPAIGN.model_copy(update={"name": "Newer"})
    with pytest.raises(psycopg.errors.UniqueViolation):
        await accept(repository, run_id, campaign=newer)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await accept(repository, run_id, campaign=CAMPAIGN.model_copy(update={"id": "never stored"}))
    assert await rows(repository, "SELECT name FROM campaigns") == [{"name": CAMPAIGN.name}]
    assert await rows(repository, "SELECT count(*) AS n FROM execution_plans") == [{"n": 1}]


async def test_one_campaign_accepted_many_times_at_once_is_one_campaign(repository):
    await asyncio.gather(*(accept(repository) for _ in range(10)))
    assert await rows(repository, "SELECT count(*) AS n FROM campaigns") == [{"n": 1}]
    assert await rows(repository, "SELECT count(*) AS n FROM campaign_tasks") == [{"n": 2}]
    assert len(await repository.list_runs()) == 10


async def test_a_started_run_says_when_it_will_be_done(repository, run_id):
    await repository.start_run(run_id)
    state = await live(repository.database, run_id)
    start, end = state["start_time"], state["estimated_completion_time"]
    assert (end - start).total_seconds() == pytest.approx(PLAN.duration.predicted, abs=0.01)
    run = await repository.get_run(run_id)
    assert (run.status, run.started_at) == (RunStatus.RUNNING, start)


async def test_a_run_of_no_agents_can_be_started(repository):
    run_id = await accept(repository, plan=make_plan({}))
    await repository.start_run(run_id)
    assert (await progress(repository.database, run_id))["progress_percentage"] == 0


async def test_a_paused_run_runs_nothing_and_can_be_started_again(repository, run_id):
    await repository.start_run(run_id)
    await record(repository.database, run_id, [ended("planner", 1), started("researcher", 1)])
    await repository.pause_run(run_id, "asked to\x00")
    run, state = await repository.get_run(run_id), await live(repository.database, run_id)
    assert (run.status, run.status_reason) == (RunStatus.PAUSED, "asked to\ufffd")
    assert (state["current_agents_running"], state["waiting_agents"][0]) == ([], "researcher")
    assert state["estimated_completion_time"] is None
    [_, row] = await repository.agent_runs(run_id)
    assert (row.status, row.reason) == (AgentStatus.INTERRUPTED, "asked to\ufffd")
    await repository.start_run(run_id)
    await record(repository.database, run_id, [started("researcher", 9), ended("researcher", 10, since=9)])
    again = [row for row in await repository.agent_runs(run_id) if row.agent_name == "researcher"]
    assert [(row.execution, row.status.value) for row in again] == [(1, "interrupted"), (2, "completed")]
    run = await repository.get_run(run_id)
    assert (run.status, run.status_reason) == (RunStatus.RUNNING, None)
    assert (await live(repository.database, run_id))["estimated_completion_time"] > run.started_at


async def test_a_run_left_behind_by_a_dead_process_is_started_again(repository, run_id):
    await repository.start_run(run_id)
    first = (await repository.get_run(run_id)).started_at
    await record(repository.database, run_id, [started("planner", 1)])
    await repository.start_run(run_id)
    state = await live(repository.database, run_id)
    assert (state["current_agents_running"], state["waiting_agents"][0]) == ([], "planner")
    [row] = await repository.agent_runs(run_id)
    assert (row.status, row.reason) == (AgentStatus.INTERRUPTED, "its process ended before it did")
    assert (await repository.get_run(run_id)).started_at == first


@pytest.mark.parametrize("status", [status for status in RunStatus if status.ended])
async def test_an_ended_run_stays_as_it_ended(repository, run_id, status):
    await repository.start_run(run_id)
    await record(repository.database, run_id, [started("planner", 0)])
    result = {"status": status.value, "deliverables": {"post": "a\x00b", "score": float("nan")}}
    await repository.finish_run(run_id, status, result, "so it is")
    run = await repository.get_run(run_id)
    assert (run.status, run.status_reason) == (status, "so it is")
    assert run.result == {"status": status.value, "deliverables": {"post": "a\ufffdb", "score": "nan"}}
    assert run.ended_at >= run.started_at
    state = await live(repository.database, run_id)
    assert state["current_agents_running"] == state["waiting_agents"] == []
    assert state["estimated_completion_time"] == run.ended_at
    await repository.finish_run(run_id, status, {"other": 1})
    assert await repository.get_run(run_id) == run
    with pytest.raises(RunNotResumableError, match=f"it has ended as '{status}'"):
        await repository.start_run(run_id)
    if status is RunStatus.CANCELLED:
        assert await repository.pause_run(run_id, "no") is status
    else:
        with pytest.raises(RunEndedError, match=f"has ended as '{status}' and stays so"):
            await repository.pause_run(run_id, "no")
    assert await repository.get_run(run_id) == run
    other = RunStatus.FAILED if status is not RunStatus.FAILED else RunStatus.COMPLETED
    with pytest.raises(RunEndedError):
        await repository.finish_run(run_id, other, None)


async def test_a_run_that_never_started_can_end(repository, run_id):
    await repository.finish_run(run_id, RunStatus.CANCELLED, None, "not wanted")
    run = await repository.get_run(run_id)
    assert (run.status, run.started_at, run.result) == (RunStatus.CANCELLED, None, None)


async def test_a_run_ends_in_an_end_state_only(repository, run_id):
    with pytest.raises(ValueError, match="a run does not end as 'paused'"):
        await repository.finish_run(run_id, RunStatus.PAUSED, None)


async def test_a_run_is_found_by_the_beginning_of_its_id(repository):
    first = await accept(repository, "abcd1111-0000-4000-8000-000000000000")
    await accept(repository, "abcd2222-0000-4000-8000-000000000000")
    for name in (first, first.upper(), first.replace("-", ""), "abcd1", "abcd1111-00"):
        assert (await repository.get_run(name)).run_id == first
    with pytest.raises(AmbiguousRunError) as caught:
        await repository.get_run("abcd")
    assert caught.value.matches == (first, "abcd2222-0000-4000-8000-000000000000")


@pytest.mark.usefixtures("run_id")
@pytest.mark.parametrize("name", ["", "abc", "no-such-run", "abcg", NOBODY, NOBODY + "0", "ffff", "%%%%"])
async def test_a_run_that_is_not_there_is_told(repository, name):
    with pytest.raises(RunNotFoundError, match="no run '"):
        await repository.get_run(name)


@pytest.mark.parametrize("name", [NOBODY, "no uuid"])
async def test_every_method_tells_that_there_is_no_such_run(repository, name):
    for call in (
        repository.start_run(name),
        repository.pause_run(name, "x"),
        repository.finish_run(name, RunStatus.FAILED, None),
        progress(repository.database, name),
        repository.events(name),
        repository.agent_runs(name),
        repository.load_plan(name),
        repository.load_campaign(name),
    ):
        with pytest.raises(RunNotFoundError):
            await call


async def test_the_latest_runs_come_first(repository):
    ids = [await accept(repository) for _ in range(4)]
    await repository.start_run(ids[1])
    assert [run.run_id for run in await repository.list_runs()] == ids[::-1]
    assert [run.run_id for run in await repository.list_runs(2)] == ids[:1:-1]
    assert [run.run_id for run in await repository.list_runs(status=RunStatus.RUNNING)] == [ids[1]]
    assert await repository.list_runs(status=RunStatus.FAILED) == []


async def test_a_plan_that_was_tampered_with_is_refused(repository, run_id):
    await rows(repository, "UPDATE execution_plans SET plan = plan || '{\"max_parallel\": 3}' RETURNING id")
    with pytest.raises(PlanMismatchError):
        await repository.load_plan(run_id)


async def test_changes_are_dated(repository, run_id):
    before = (await repository.get_run(run_id)).updated_at
    for change in (
        repository.start_run(run_id),
        record(repository.database, run_id, [started("planner", 0)]),
        repository.pause_run(run_id, "x"),
        repository.finish_run(run_id, RunStatus.FAILED, None),
    ):
        await change
        state = await live(repository.database, run_id)
        after = (await repository.get_run(run_id)).updated_at
        assert after > before
        assert state["updated_at"] == state["last_heartbeat"] == after
        before = after


async def test_times_are_utc_whatever_the_session_says(repository, run_id):
    await record(repository.database, run_id, [started("planner", 0)])
    async with repository.database.pool.connection() as conn:
        await conn.execute("SET TimeZone = 'Asia/Kathmandu'")
    for _ in range(3):
        assert (await repository.get_run(run_id)).created_at.tzinfo is UTC
        [row] = await repository.agent_runs(run_id)
        assert row.started_at.tzinfo is UTC
