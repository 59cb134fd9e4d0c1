"""What the tables say of a run after events of its agents were written."""

import asyncio
from datetime import timedelta

import pytest

from planner_graph.mirror import tables
from planner_graph.mirror.previews import lean_event
from planner_graph.store.repository import Repository
from planner_graph.types import AgentName, AgentStatus, RunId
from tests.events import ERROR, NOON, attempt_failed, ended, interrupted, started
from tests.mirrors import accept, live, progress, record
from tests.plans import BLOG, BLOG_SECONDS, make_plan

pytestmark = pytest.mark.every_postgres

PLAN = make_plan(BLOG, seconds=BLOG_SECONDS, kinds={("seo", "editor"): "soft"})
IN_ORDER = [step.agent for step in PLAN.steps]
LISTS = ("current_agents_running", "completed_agents", "failed_agents", "waiting_agents", "skipped_agents")


@pytest.fixture
def repository(database):
    return Repository(database)


@pytest.fixture
async def run_id(database):
    return await accept(database, PLAN)


async def lists(database, run_id):
    state = await live(database, run_id)
    return [state[name] for name in LISTS]


async def everything(database, run_id):
    """All that the tables say of a run, but for when it was written."""
    sorted_by = {"agent_runs": "agent_name, execution, attempt", "run_events": "sequence"}
    sorted_by |= {"workflow_state_live": "1", "execution_plans": "1"}
    found = []
    async with database.pool.connection() as conn:
        for table, order in sorted_by.items():
            rows = f"SELECT * FROM {table} WHERE workflow_execution_id = %s ORDER BY {order}"  # noqa: S608  # our names
            cursor = await conn.execute(rows, [run_id])
            found += await cursor.fetchall()
    return found


async def test_before_the_start_all_wait(database, run_id):
    assert await lists(database, run_id) == [[], [], [], IN_ORDER, []]
    report = await progress(database, run_id)
    assert (report["status"], report["current_step"], report["progress_percentage"]) == ("pending", 0, 0)
    assert report["agents_status"]["waiting"] == IN_ORDER
    assert (report["counts"]["total"], report["counts"]["waiting"]) == (7, 7)
    assert report["execution_info"] == {
        "start_time": None,
        "estimated_completion": None,
        "strategy": "parallel",
        "total_agents": 7,
    }


async def test_in_the_middle_each_agent_is_where_it_is(repository, database, run_id):
    await repository.start_run(run_id)
    events = [
        started("planner", 0),
        ended("planner", 1),
        started("researcher", 1),
        ended("researcher", 2, "failed", since=1, error=ERROR, reason="too slow"),
        ended("seo", 2, "skipped", attempts=0, reason="not wanted"),
        started("writer", 2),
        started("image", 2),
    ]
    await record(database, run_id, events)
    waiting = ["editor", "social_media"]
    assert await lists(database, run_id) == [["writer", "image"], ["planner"], ["researcher"], waiting, ["seo"]]
    report = await progress(database, run_id)
    assert report["agents_status"] == {
        "running": ["writer", "image"],
        "completed": ["planner"],
        "failed": ["researcher"],
        "waiting": waiting,
        "skipped": ["seo"],
        "cancelled": [],
        "interrupted": [],
    }
    counts = {"total": 7, "completed": 1, "failed": 1, "running": 2, "waiting": 2, "skipped": 1}
    assert report["counts"] == {**counts, "cancelled": 0, "interrupted": 0}
    assert report["progress_percentage"] == 14
    assert report["current_step"] == PLAN.by_agent[AgentName("seo")].order


async def test_each_attempt_is_kept(repository, database, run_id):
    usage = {"total_tokens": 7}
    events = [
        started("planner", 0),
        attempt_failed("planner", 1, retry=1.0),
        started("planner", 2, 2),
        interrupted("planner", 3, 2),
        started("planner", 4),
        ended("planner", 5, since=4, usage=usage),
        ended("writer", 6, "skipped", attempts=0, reason="hard dependency 'researcher' failed"),
    ]
    await record(database, run_id, events)
    found = await repository.agent_runs(run_id)
    assert [(row.agent_name, row.execution, row.attempt, row.status) for row in found] == [
        ("planner", 1, 1, AgentStatus.FAILED),
        ("planner", 1, 2, AgentStatus.INTERRUPTED),
        ("planner", 2, 1, AgentStatus.COMPLETED),
        ("writer", 1, 0, AgentStatus.SKIPPED),
    ]
    assert (found[0].started_at, found[0].ended_at) == (NOON, NOON + timedelta(seconds=1))
    assert (found[0].error, found[1].reason, found[2].usage) == (ERROR, "asks a human", usage)
    assert found[3].reason == "hard dependency 'researcher' failed"


async def test_plan_and_live_state_tell_the_same(repository, database, run_id):
    await record(database, run_id, [ended("planner", 1), ended("researcher", 2, "failed", reason="too slow")])
    run, state = await repository.get_run(run_id), await live(database, run_id)
    assert list(run.completed_agents) == state["completed_agents"] == ["planner"]
    assert list(run.failed_agents) == state["failed_agents"] == ["researcher"]
    assert run.current_step == state["current_step"] == 2


async def test_usage_of_a_run_is_that_of_its_agents(repository, database, run_id):
    assert (await repository.get_run(run_id)).usage is None
    used = {"input_tokens": 2, "output_tokens": 1, "total_tokens": 3, "calls": 1, "cost_usd": 0.25, "models": {}}
    await record(database, run_id, [ended("planner", 1, usage=used)])
    await record(database, run_id, [ended("researcher", 2, usage=used)])
    twice = {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6, "calls": 2, "cost_usd": 0.5, "models": {}}
    assert (await repository.get_run(run_id)).usage == twice
    assert (await progress(database, run_id))["usage"] == twice


async def test_outputs_are_shown_for_as_long_as_they_count(database, run_id):
    await record(database, run_id, [started("planner", 0), ended("planner", 1)])
    await record(database, run_id, [ended("researcher", 2, output={"text": "yes"})])
    shown = (await live(database, run_id))["intermediate_outputs"]
    assert shown == {"planner": {"planner": "done"}, "researcher": {"text": "yes"}}
    await record(database, run_id, [started("planner", 3)])
    assert list((await live(database, run_id))["intermediate_outputs"]) == ["researcher"]
    await record(database, run_id, [ended("planner", 4, since=3, output={"text": "again"})])
    assert (await live(database, run_id))["intermediate_outputs"]["planner"] == {"text": "again"}


async def test_what_bodies_say_in_strange_characters_is_stored_as_far_as_it_can_be(repository, database, run_id):
    nul, surrogate = "a\x00b", "c\ud800d"
    events = [
        attempt_failed("planner", 1) | {"error": {"type": nul, "message": surrogate}},
        ended("planner", 2, "failed", since=1, error={"type": nul, "message": surrogate}, reason=nul + surrogate),
        ended("writer", 3, output={nul: [surrogate], "large": surrogate * 1000}),
    ]
    await record(database, run_id, [lean_event(event, 200, "thread") for event in events])
    planner, writer = await repository.agent_runs(run_id)
    if planner.agent_name != "planner":
        planner, writer = writer, planner
    assert planner.error == {"type": "a\ufffdb", "message": "c\ufffdd"}
    assert planner.reason == "a\ufffdbc\ufffdd"
    shown = (await live(database, run_id))["intermediate_outputs"]["writer"]
    assert shown["truncated"]
    assert shown["reference"] == {"thread_id": "thread", "channel": "writer"}


async def test_the_same_events_again_change_nothing(database, run_id):
    events = [
        started("planner", 0),
        attempt_failed("planner", 1, retry=1.0),
        started("planner", 2, 2),
        ended("planner", 3, attempts=2),
        started("researcher", 3),
        interrupted("researcher", 4),
        ended("image", 4, "skipped", attempts=0, reason="no"),
    ]
    await record(database, run_id, events)
    once = await everything(database, run_id)
    for again in (events, events[:3], events[2:], []):
        await record(database, run_id, again)
        assert await everything(database, run_id) == once


async def test_events_one_by_one_and_all_at_once_give_the_same(repository, database):
    events = [started("planner", 0), ended("planner", 3), started("researcher", 3), attempt_failed("researcher", 4)]
    one, other = await accept(database, PLAN), await accept(database, PLAN)
    await record(database, one, events)
    for event in events:
        await record(database, other, [event])
    assert await repository.agent_runs(one) == await repository.agent_runs(other)
    assert await lists(database, one) == await lists(database, other)
    logs = [[(event.sequence, event.event) for event in await repository.events(run)] for run in (one, other)]
    assert logs[0] == logs[1]


async def test_events_from_several_connections_at_once_are_all_kept(database, run_id):
    told = ([started(agent, 0), ended(agent, position)] for position, agent in enumerate(IN_ORDER))
    await asyncio.gather(*(record(database, run_id, events) for events in told))
    assert sorted((await live(database, run_id))["completed_agents"]) == sorted(IN_ORDER)
    assert (await progress(database, run_id))["progress_percentage"] == 100


async def test_an_agent_that_completed_twice_is_kept_once(repository, database, run_id):
    """Rows are written in an order in which the database never sees two results of one agent."""
    await record(database, run_id, [started("planner", 0), ended("planner", 1)])
    await record(database, run_id, [started("planner", 2), ended("planner", 3, since=2)])
    found = [(row.execution, row.status.value) for row in await repository.agent_runs(run_id)]
    assert found == [(1, "interrupted"), (2, "completed")]


async def test_an_estimate_is_written_with_what_changed_and_stays_until_there_is_another(repository, database, run_id):
    await repository.start_run(run_id)
    end = NOON + timedelta(hours=1)
    async with database.pool.connection() as conn, conn.transaction():
        ledgers = await tables.load(conn, await tables.lock(conn, [run_id]))
        ledgers[run_id].take([started("planner", 0)])
        await tables.save(conn, ledgers, {run_id: end})
    assert (await live(database, run_id))["estimated_completion_time"] == end
    await record(database, run_id, [ended("planner", 1)])
    assert (await live(database, run_id))["estimated_completion_time"] == end


async def test_runs_that_do_not_exist_are_neither_locked_nor_loaded(database, run_id):
    nobody = RunId("00000000-0000-4000-8000-000000000000")
    async with database.pool.connection() as conn, conn.transaction():
        assert list(await tables.lock(conn, [nobody, run_id])) == [run_id]
        assert list(await tables.load(conn, [nobody, run_id])) == [run_id]
        assert await tables.load(conn, []) == {}
