"""What past runs tell about each agent, read from the tables."""

import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from langgraph.types import interrupt

from planner_graph import Campaign, CampaignOrchestrator, PlanMirror, compile_plan
from planner_graph.catalog.spec import AgentSpec
from planner_graph.compiler.identity import work_of
from planner_graph.mirror.history import PerformanceTracker, estimates_of
from planner_graph.planning.planner import MasterPlanner
from planner_graph.store.queries import query
from planner_graph.types import AgentName
from tests.catalogs import catalog, spec
from tests.events import ERROR, NOON
from tests.past_runs import attempt, past_run, skipped, usage

pytestmark = pytest.mark.every_postgres


@pytest.fixture
def conn(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tracker(database):
    return PerformanceTracker(database)


async def only(tracker, agent="writer", **options):
    [performance] = await tracker.performance(agent, **options)
    return performance


async def test_without_runs_there_is_no_history(tracker):
    assert await tracker.agents() == []
    assert await tracker.performance() == []
    assert await tracker.performance("writer") == []
    assert await tracker.executions("writer") == []


async def test_every_agent_that_ever_ended_has_a_line_sorted_by_name(tracker, conn):
    past_run(
        conn,
        attempt("writer", 1, 2),
        attempt("editor", 2, 3),
        skipped("seo", 3),
        attempt("later", 4, None, "running", error=None),
    )
    assert await tracker.agents() == ["editor", "seo", "writer"]
    assert [agent.agent for agent in await tracker.performance()] == ["editor", "seo", "writer"]
    assert [agent.agent for agent in await tracker.performance("seo")] == ["seo"]


async def test_figures_are_taken_from_successful_runs_and_rates_from_all(tracker, conn):
    for number, seconds in enumerate([10, 20, 30, 40, 50]):
        past_run(conn, attempt("writer", 1, 1 + seconds), start=1000 * number)
    past_run(conn, attempt("writer", 1, 999, "failed"), start=5000, failed=["writer"])
    found = await only(tracker)
    assert (found.runs, found.succeeded, found.skipped) == (6, 5, 0)
    assert found.success_rate == pytest.approx(5 / 6)
    assert (found.duration.median, found.duration.p90) == (30, 46)
    assert (found.mean_attempts, found.most_attempts) == (1, 1)
    assert found.last_run_at == NOON + timedelta(seconds=5999)


async def test_an_execution_lasts_from_its_first_start_to_its_last_end_whatever_came_between(tracker, conn):
    run_id = past_run(
        conn,
        attempt("writer", 5, 10, "failed"),
        attempt("writer", 20, 24, "failed", attempt=2),
        attempt("writer", 60, 65, attempt=3),
    )
    [execution] = await tracker.executions("writer")
    assert (execution.run_id, execution.status, execution.attempts) == (run_id, "completed", 3)
    assert (execution.seconds, execution.queue_seconds) == (60, 5)
    assert execution.error == ERROR
    found = await only(tracker)
    assert (found.runs, found.succeeded, found.most_attempts) == (1, 1, 3)
    assert found.latest_failure == execution


async def test_a_run_that_failed_after_retries_counts_once_with_its_latest_error(tracker, conn):
    first, second = {"type": "OSError", "message": "first"}, {"type": "OSError", "message": "second"}
    past_run(
        conn,
        attempt("writer", 1, 2, "failed", error=first),
        attempt("writer", 3, 4, "failed", attempt=2, error=second),
        failed=["writer"],
    )
    found = await only(tracker)
    assert (found.runs, found.succeeded, found.mean_attempts) == (1, 0, 2)
    assert found.latest_failure.error == second


async def test_what_was_cut_off_or_still_runs_does_not_count(tracker, conn):
    past_run(conn, attempt("writer", 1, 2, "interrupted"))
    past_run(conn, attempt("writer", 1, 2, "cancelled"))
    past_run(conn, attempt("writer", 1, None, "running", error=None))
    past_run(conn, attempt("writer", 1, 2, "failed"))  # its next attempt never came: the run was paused before
    past_run(conn, attempt("writer", 1, 2, "failed"), attempt("writer", 5, None, "running", attempt=2, error=None))
    past_run(
        conn, attempt("writer", 1, 2, "interrupted"), attempt("writer", 5, None, "running", execution=2, error=None)
    )
    found = await only(tracker)
    assert (found.runs, found.success_rate, found.duration, found.queue_wait) == (0, None, None, None)
    assert (found.mean_attempts, found.most_attempts, found.last_run_at, found.latest_failure) == (
        None,
        None,
        None,
        None,
    )


async def test_of_a_resumed_run_the_last_execution_counts_once(tracker, conn):
    past_run(
        conn,
        attempt("writer", 2, 8, "interrupted"),
        attempt("writer", 100, 101, "failed", execution=2),
        attempt("writer", 500, 530, execution=3),
    )
    [execution] = await tracker.executions("writer")
    assert (execution.status, execution.attempts, execution.seconds, execution.error) == ("completed", 1, 30, None)
    assert execution.queue_seconds == 2


async def test_the_wait_begins_when_the_last_hard_or_soft_dependency_has_ended(tracker, conn):
    past_run(
        conn,
        attempt("first", 1, 10),
        attempt("second", 1, 4, "failed"),
        attempt("second", 6, 30, attempt=2),
        skipped("third", 31),
        attempt("fourth", 1, 40),
        attempt("writer", 42, 50),
        edges={
            ("writer", "hard"): ["first", "second"],
            ("writer", "soft"): ["third"],
            ("writer", "optional"): ["fourth"],
        },
    )
    assert (await only(tracker)).queue_wait.median == 11
    assert (await only(tracker, "first")).queue_wait.median == 1


async def test_an_optional_dependency_that_ends_late_makes_no_wait_negative(tracker, conn):
    past_run(conn, attempt("first", 1, 90), attempt("writer", 42, 50), edges={("writer", "hard"): ["first"]})
    assert (await only(tracker)).queue_wait.median == 0


async def test_a_pause_is_no_wait(tracker, conn):
    events = [("run_started", 0), ("run_paused", 12), ("run_resumed", 5000), ("run_resumed", 9000)]
    past_run(
        conn,
        attempt("first", 1, 10),
        attempt("writer", 5003, 5010),
        edges={("writer", "hard"): ["first"]},
        events=events,
    )
    assert (await only(tracker)).queue_wait.median == 3


async def test_usage_is_added_up_and_what_is_missing_is_not_zero(tracker, conn):
    past_run(conn, attempt("writer", 1, 2, usage=usage(100, 0.25)))
    past_run(conn, attempt("writer", 1, 2, usage=usage(200, None)))
    past_run(conn, attempt("writer", 1, 2, "failed", usage=usage(300, 0.75)), failed=["writer"])
    past_run(conn, attempt("writer", 1, 2), attempt("editor", 1, 2))
    used = (await only(tracker)).usage
    assert (used.runs, used.calls, used.total_tokens, used.input_tokens, used.output_tokens) == (3, 3, 600, 597, 3)
    assert (used.mean_tokens, used.priced_runs, used.cost_usd, used.mean_cost_usd) == (200, 2, 1.0, 0.5)
    assert (await only(tracker, "editor")).usage is None


async def test_only_the_latest_runs_of_each_agent_are_looked_at(tracker, conn):
    ids = [past_run(conn, attempt("writer", 1, 1 + number), start=100 * number) for number in range(1, 8)]
    past_run(conn, attempt("editor", 1, 2))
    assert [execution.run_id for execution in await tracker.executions("writer", last=3)] == ids[:-4:-1]
    assert {agent.agent: agent.runs for agent in await tracker.performance(last=3)} == {"editor": 1, "writer": 3}
    assert (await only(tracker, last=3)).duration.median == 6


async def test_skips_are_counted_over_the_time_of_the_runs_looked_at(tracker, conn):
    for number in range(6):
        past_run(conn, skipped("writer", 5), start=100 * number)
        past_run(conn, attempt("writer", 1, 2), start=100 * number + 50)
    assert (await only(tracker)).skipped == 6
    assert (await only(tracker, last=2)).skipped == 1
    past_run(conn, skipped("editor", 5))
    found = await only(tracker, "editor")
    assert (found.runs, found.skipped, found.success_rate) == (0, 1, None)


@pytest.mark.parametrize("last", [0, -1])
async def test_looking_at_no_run_at_all_is_refused(tracker, last):
    for question in (
        tracker.performance(last=last),
        tracker.executions("writer", last=last),
        tracker.estimates(last=last),
    ):
        with pytest.raises(ValueError, match=f"last is {last}; look at one run at least"):
            await question


async def test_a_plan_takes_its_estimates_from_enough_successful_runs(tracker, conn):
    for number in range(6):
        past_run(conn, attempt("writer", 1, 11 + number), start=100 * number)
        past_run(
            conn,
            attempt("editor", 1, 99 if number > 3 else 8, "failed" if number > 3 else "completed"),
            failed=["editor"],
        )
    planner = MasterPlanner(
        catalog(
            AgentSpec(name=AgentName("writer"), estimate_seconds=7),
            AgentSpec(name=AgentName("editor"), estimate_seconds=70),
        ),
        estimator=await tracker.estimates(min_runs=5),
    )
    assert estimates(planner) == {
        "writer": (12.5, "median of the last 6 runs"),
        "editor": (70, "declared in the catalog"),
    }
    fewer = MasterPlanner(planner.catalog, estimator=await tracker.estimates(min_runs=4, last=4))
    assert estimates(fewer) == {
        "writer": (13.5, "median of the last 4 runs"),
        "editor": (7, "median of the last 4 runs"),
    }


def estimates(planner):
    return {
        name: (estimate.seconds, estimate.source)
        for name, spec in planner.catalog.agents.items()
        for estimate in [planner.estimator.estimate(spec)]
    }


MANY_RUNS = """
    WITH runs AS (
        INSERT INTO execution_plans (
            campaign_id, workflow_execution_id, total_agents, planned_sequence, plan, plan_hash, campaign, thread_id
        )
        SELECT (SELECT id FROM campaigns), gen_random_uuid(), 5, '[]', '{}', repeat('0', 64), '{}', n::TEXT
        FROM generate_series(1, 500) n
        RETURNING workflow_execution_id
    )
    INSERT INTO agent_runs (workflow_execution_id, agent_name, attempt, status, started_at, ended_at)
    SELECT workflow_execution_id, 'agent ' || n, 1, 'completed', NOW(), NOW() FROM runs, generate_series(1, 5) n
"""


@pytest.mark.parametrize("name", ["list_known_agents", "list_executions", "count_never_started"])
def test_an_index_leads_to_the_latest_runs_of_an_agent(conn, name):
    past_run(conn, attempt("writer", 1, 2))
    conn.execute(MANY_RUNS)
    conn.execute("ANALYZE")
    values = {
        "agents": ["agent 1", "agent 2"],
        "works": [None, "key"],
        "statuses": ["completed"],
        "last": 20,
        "since": [NOON, None],
    }
    lines = [line for (line,) in conn.execute(b"EXPLAIN " + query(name), values)]
    assert any("idx_agent_runs_history" in line for line in lines)


def writer(_):
    return "a text"


def editor(_):
    return "a text"


async def test_only_runs_of_the_same_body_and_outputs_estimate_an_agent(tracker, conn):
    key = work_of(["text"], writer)
    others = [work_of(["text"], lambda _: "stand-in"), work_of(["other"], writer), None]
    for number in range(5):
        past_run(conn, attempt("writer", 1, 11 + number, work=key), start=100 * number)
        for place, other in enumerate(others, start=1):
            past_run(conn, attempt("writer", 1, 2, work=other), start=1000 * place + 100 * number)
    known = catalog(AgentSpec(name=AgentName("writer"), outputs=("text",), estimate_seconds=7))

    async def estimated(bodies):
        found = await estimates_of(tracker, known, bodies, min_runs=5)
        return estimates(MasterPlanner(known, estimator=found))["writer"]

    assert await estimated({"writer": writer}) == (12, "median of the last 5 runs")
    assert await estimated({"writer": "tests.integration.test_history:missing"}) == (7, "declared in the catalog")
    assert await estimated({"writer": lambda _: 2}) == (7, "declared in the catalog")
    assert await estimated({}) == (7, "declared in the catalog")


async def test_figures_are_those_of_one_body_the_one_that_ran_last_first(tracker, conn):
    for number, work in enumerate(["old", "old", "new"]):
        past_run(conn, attempt("writer", 1, 2 + number, work=work), skipped("editor", 1), start=100 * number)
    found = await tracker.performance("writer")
    assert [(one.work, one.runs) for one in found] == [("new", 1), ("old", 2)]
    assert [run.work for run in await tracker.executions("writer")] == ["new", "old", "old"]
    assert [(one.work, one.skipped) for one in await tracker.performance("editor")] == [(None, 3)]


async def work_stored(database, run_id):
    async with database.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT agent_name, work FROM agent_runs WHERE workflow_execution_id = %s", (run_id,)
        )
        return {row["agent_name"]: row["work"] for row in await cursor.fetchall()}


async def test_a_run_keeps_what_did_the_work_of_each_agent(database, tracker):
    known = catalog(AgentSpec(name=AgentName("writer")), AgentSpec(name=AgentName("editor")))
    bodies = {"writer": writer, "editor": editor}
    orchestrator = CampaignOrchestrator(database, bodies, planner=MasterPlanner(known), history_min_runs=1)
    campaign = Campaign(id="c", deliverables=("writer", "editor"))
    first = await orchestrator.run(campaign)
    assert await work_stored(database, first.run_id) == {
        "writer": work_of(["writer"], writer),
        "editor": work_of(["editor"], editor),
    }
    sources = estimates(await orchestrator.current_planner())
    assert {source for _, source in sources.values()} == {"median of the last run"}
    other = CampaignOrchestrator(
        database, {**bodies, "writer": editor}, planner=MasterPlanner(known), history_min_runs=1
    )
    assert estimates(await other.current_planner())["writer"][1] == "declared in the catalog"
    begun = await orchestrator.rerun(first.run_id, "editor")
    await orchestrator.execute(begun.run_id)
    assert [one.runs for one in await tracker.performance("writer")] == [1], "what is kept ran once"
    assert [one.runs for one in await tracker.performance("editor")] == [2]


async def test_a_run_that_is_resumed_with_other_code_keeps_apart_what_did_what(database):
    known = catalog(spec("writer"), spec("editor", after=["writer"]))

    async def asks(_):
        return interrupt("?")

    planner = MasterPlanner(known)
    first = CampaignOrchestrator(database, {"writer": writer, "editor": asks}, planner=planner)
    paused = await first.run(Campaign(id="c", deliverables=("writer", "editor")))
    second = CampaignOrchestrator(database, {"writer": editor, "editor": editor}, planner=planner)
    await second.resume(paused.run_id)
    found = await work_stored(database, paused.run_id)
    assert found["writer"] == work_of(["writer"], writer)
    assert found["editor"] == work_of(["editor"], editor)


async def test_a_graph_that_is_invoked_with_a_mirror_keeps_it_too(database):
    known = catalog(AgentSpec(name=AgentName("writer")))
    campaign = Campaign(id="c", deliverables=("writer",))
    graph = compile_plan(MasterPlanner(known).create_execution_plan(campaign), {"writer": writer})
    run_id = str(uuid.uuid4())
    async with PlanMirror(database) as mirror:
        config: Any = {"callbacks": [mirror], "configurable": {"workflow_execution_id": run_id}}
        await graph.ainvoke({"campaign": campaign.model_dump(mode="json")}, config)
    assert await work_stored(database, run_id) == {"writer": work_of(["writer"], writer)}
