"""Runs in the tables: accepted, followed, ended, found."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

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
from planner_graph.types import AgentName, AgentStatus, RunStatus
from tests.events import NOON, attempt_failed, ended, started
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
    await repository.accept_run(run_id, campaign, plan, **{"reasoning": "because", **others})
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
    assert (run.agents_reference, run.output_folder, run.planning_reasoning) == ("agents:bodies", "/out", "because")
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


async def test_progress_before_the_start(repository, run_id):
    assert await repository.get_progress(run_id) == {
        "workflow_execution_id": run_id,
        "status": "pending",
        "current_step": 0,
        "progress_percentage": 0,
        "agents_status": {"running": [], "completed": [], "failed": [], "waiting": [step.agent for step in PLAN.steps]},
        "execution_info": {
            "start_time": None,
            "estimated_completion": None,
            "strategy": "parallel",
            "total_agents": 7,
        },
        "counts": {"total": 7, "completed": 0, "failed": 0, "running": 0, "waiting": 7},
    }


async def test_progress_in_the_middle(repository, run_id):
    await repository.start_run(run_id)
    await repository.record_events(
        run_id,
        [
            started("planner", 0),
            ended("planner", 1),
            started("researcher", 1),
            ended("researcher", 2, "failed"),
            started("writer", 2),
            started("image", 2),
        ],
    )
    progress = await repository.get_progress(run_id)
    assert progress["status"] == "running"
    assert progress["agents_status"] == {
        "running": ["writer", "image"],
        "completed": ["planner"],
        "failed": ["researcher"],
        "waiting": ["editor", "seo", "social_media"],
    }
    assert progress["counts"] == {"total": 7, "completed": 1, "failed": 1, "running": 2, "waiting": 3}
    assert progress["progress_percentage"] == 14
    assert progress["current_step"] == PLAN.by_agent[AgentName("image")].order


async def test_a_started_run_says_when_it_will_be_done(repository, run_id):
    await repository.start_run(run_id)
    info = (await repository.get_progress(run_id))["execution_info"]
    start, end = (datetime.fromisoformat(info[key]) for key in ("start_time", "estimated_completion"))
    expected = PLAN.duration.predicted + PLAN.duration.buffer
    assert (end - start).total_seconds() == pytest.approx(expected, abs=0.01)
    run = await repository.get_run(run_id)
    assert (run.status, run.started_at) == (RunStatus.RUNNING, start)


async def test_a_run_of_no_agents_can_be_started(repository):
    run_id = await accept(repository, plan=make_plan({}))
    await repository.start_run(run_id)
    assert (await repository.get_progress(run_id))["progress_percentage"] == 0


async def test_each_attempt_is_kept(repository, run_id):
    usage = {"total_tokens": 7}
    await repository.record_events(
        run_id,
        [
            started("planner", 0),
            attempt_failed("planner", 1, retry=1.0),
            started("planner", 2, 2),
            ended("planner", 3, attempts=2, usage=usage),
            ended("writer", 4, "skipped", attempts=0, reason="hard dependency 'researcher' failed"),
        ],
    )
    found = await repository.agent_runs(run_id)
    assert [(row.agent_name, row.execution, row.attempt, row.status) for row in found] == [
        ("planner", 1, 1, AgentStatus.FAILED),
        ("planner", 1, 2, AgentStatus.COMPLETED),
        ("writer", 1, 0, AgentStatus.SKIPPED),
    ]
    assert (found[0].started_at, found[0].ended_at) == (NOON, NOON + timedelta(seconds=1))
    assert found[0].error == {"type": "TimeoutError", "message": "slow"}
    assert found[1].usage == usage
    assert found[2].reason == "hard dependency 'researcher' failed"


async def test_outputs_are_shown_and_large_ones_cut(repository, run_id):
    large = ended("researcher", 2, output={"text": "y" * 5000})
    await repository.record_events(run_id, [ended("planner", 1), large])
    [row] = await rows(repository, "SELECT intermediate_outputs AS o FROM workflow_state_live")
    assert row["o"]["planner"] == {"planner": "done"}
    assert row["o"]["researcher"]["truncated"]
    assert len(row["o"]["researcher"]["preview"]) == 1000


async def test_plan_and_live_state_tell_the_same(repository, run_id):
    await repository.record_events(run_id, [ended("planner", 1), ended("researcher", 2, "failed")])
    run, progress = await repository.get_run(run_id), await repository.get_progress(run_id)
    assert list(run.completed_agents) == progress["agents_status"]["completed"] == ["planner"]
    assert list(run.failed_agents) == progress["agents_status"]["failed"] == ["researcher"]
    assert run.current_step == progress["current_step"] == 2


async def everything(repository):
    queries = ["SELECT * FROM agent_runs ORDER BY 1, 2, 3, 4"]
    queries.append(
        "SELECT current_step, current_agents_running, completed_agents, failed_agents, waiting_agents,"
        " intermediate_outputs FROM workflow_state_live"
    )
    queries.append("SELECT status, current_step, completed_agents, failed_agents FROM execution_plans")
    return [await rows(repository, query) for query in queries]


async def test_the_same_events_again_change_nothing(repository, run_id):
    events = [
        started("planner", 0),
        attempt_failed("planner", 1, retry=1.0),
        started("planner", 2, 2),
        ended("planner", 3, attempts=2),
        started("researcher", 3),
        ended("image", 4, "skipped", attempts=0, reason="no"),
    ]
    await repository.record_events(run_id, events)
    once = await everything(repository)
    for again in (events, events[:3], events[2:]):
        await repository.record_events(run_id, again)
        assert await everything(repository) == once


async def test_events_one_by_one_and_all_at_once_give_the_same(repository):
    events = [started("planner", 0), ended("planner", 3), started("researcher", 3), attempt_failed("researcher", 4)]
    one, other = await accept(repository), await accept(repository)
    await repository.record_events(one, events)
    for event in events:
        await repository.record_events(other, [event])
    assert await repository.agent_runs(one) == await repository.agent_runs(other)
    first, second = await repository.get_progress(one), await repository.get_progress(other)
    assert first["agents_status"] == second["agents_status"]


async def test_events_from_several_connections_at_once_are_all_kept(repository, run_id):
    await asyncio.gather(
        *(
            repository.record_events(run_id, [started(step.agent, 0), ended(step.agent, position)])
            for position, step in enumerate(PLAN.steps)
        )
    )
    progress = await repository.get_progress(run_id)
    assert sorted(progress["agents_status"]["completed"]) == sorted(step.agent for step in PLAN.steps)
    assert progress["progress_percentage"] == 100


async def test_no_events_change_nothing(repository, run_id):
    await repository.record_events(run_id, [])
    assert (await repository.get_progress(run_id))["counts"]["waiting"] == 7


async def test_a_paused_run_runs_nothing_and_can_be_started_again(repository, run_id):
    await repository.start_run(run_id)
    await repository.record_events(run_id, [ended("planner", 1), started("researcher", 1)])
    await repository.pause_run(run_id, "asked to\x00")
    run, progress = await repository.get_run(run_id), await repository.get_progress(run_id)
    assert (run.status, run.status_reason) == (RunStatus.PAUSED, "asked to\ufffd")
    assert progress["agents_status"]["running"] == []
    assert progress["agents_status"]["waiting"][0] == "researcher"
    [_, row] = await repository.agent_runs(run_id)
    assert (row.status, row.reason) == (AgentStatus.INTERRUPTED, "asked to\ufffd")
    await repository.start_run(run_id)
    await repository.record_events(run_id, [started("researcher", 9), ended("researcher", 10)])
    again = [row for row in await repository.agent_runs(run_id) if row.agent_name == "researcher"]
    assert [(row.execution, row.status.value) for row in again] == [(1, "interrupted"), (2, "completed")]
    run = await repository.get_run(run_id)
    assert (run.status, run.status_reason) == (RunStatus.RUNNING, None)


async def test_a_run_left_behind_by_a_dead_process_is_started_again(repository, run_id):
    await repository.start_run(run_id)
    first = (await repository.get_run(run_id)).started_at
    await repository.record_events(run_id, [started("planner", 1)])
    await repository.start_run(run_id)
    assert (await repository.get_progress(run_id))["agents_status"]["running"] == []
    [row] = await repository.agent_runs(run_id)
    assert (row.status, row.reason) == (AgentStatus.INTERRUPTED, "its process ended before it did")
    assert (await repository.get_run(run_id)).started_at == first


@pytest.mark.parametrize("status", [status for status in RunStatus if status.ended])
async def test_an_ended_run_stays_as_it_ended(repository, run_id, status):
    await repository.start_run(run_id)
    await repository.record_events(run_id, [started("planner", 0)])
    result = {"status": status.value, "deliverables": {"post": "a\x00b", "score": float("nan")}}
    await repository.finish_run(run_id, status, result, "so it is")
    run = await repository.get_run(run_id)
    assert (run.status, run.status_reason) == (status, "so it is")
    assert run.result == {"status": status.value, "deliverables": {"post": "a\ufffdb", "score": "nan"}}
    assert run.ended_at >= run.started_at
    progress = await repository.get_progress(run_id)
    assert progress["agents_status"]["running"] == progress["agents_status"]["waiting"] == []
    await repository.finish_run(run_id, status, {"other": 1})
    assert await repository.get_run(run_id) == run
    with pytest.raises(RunNotResumableError, match=f"it has ended as '{status}'"):
        await repository.start_run(run_id)
    with pytest.raises(RunEndedError, match=f"has ended as '{status}' and stays so"):
        await repository.pause_run(run_id, "no")
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
        repository.record_events(name, [started("a", 0)]),
        repository.get_progress(name),
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
        repository.record_events(run_id, [started("planner", 0)]),
        repository.pause_run(run_id, "x"),
        repository.finish_run(run_id, RunStatus.FAILED, None),
    ):
        await change
        [live] = await rows(repository, "SELECT updated_at, last_heartbeat FROM workflow_state_live")
        after = (await repository.get_run(run_id)).updated_at
        assert after > before
        assert live["updated_at"] == live["last_heartbeat"] == after
        before = after


async def test_times_are_utc_whatever_the_session_says(repository, run_id):
    await repository.record_events(run_id, [started("planner", 0)])
    async with repository.database.pool.connection() as conn:
        await conn.execute("SET TimeZone = 'Asia/Kathmandu'")
    for _ in range(3):
        assert (await repository.get_run(run_id)).created_at.tzinfo is UTC
        [row] = await repository.agent_runs(run_id)
        assert row.started_at.tzinfo is UTC
