"""Whole runs on a real PostgreSQL: stored first, executed, followed in SQL, resumed."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from langgraph.types import interrupt

from planner_graph import (
    AgentFactory,
    AgentStatus,
    Campaign,
    CampaignOrchestrator,
    Catalog,
    Limits,
    MasterPlanner,
    RunStatus,
    agent,
)
from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import PlanError, RunHeldError, RunNotFoundError, RunNotResumableError, UnboundAgentsError
from planner_graph.store.saver import checkpointer
from tests.mirrors import live, progress

BLOG = ("planner", "researcher", "writer", "editor", "seo")


class Company:
    """Agents that give their declared outputs, count their calls, and wait or fail when told to."""

    def __init__(self, names=BLOG, catalog=None):
        self.catalog = catalog or Catalog.builtin()
        self.calls = []
        self.failing = {}
        self.gates = {}
        self.factory = AgentFactory({name: self.body(name) for name in names})

    def body(self, name):
        async def work(_):
            self.calls.append(name)
            if name in self.gates:
                await self.gates[name].wait()
            if name in self.failing:
                raise self.failing[name]
            return {output: f"{output} of {name}" for output in self.catalog.agents[name].outputs}

        return work

    def orchestrator(self, database):
        return CampaignOrchestrator(database, self.factory, planner=MasterPlanner(self.catalog))


@pytest.mark.every_postgres
@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
async def test_a_full_workflow_runs_every_agent_once_and_in_order(database, strategy):
    company = Company()
    orchestrator = company.orchestrator(database)

    outcome = await orchestrator.run(Campaign(type="blog_creation"), strategy=strategy)

    assert outcome.status is RunStatus.COMPLETED
    assert Counter(company.calls) == dict.fromkeys(BLOG, 1)
    ended = {row.agent_name: row for row in await orchestrator.repository.agent_runs(outcome.run_id)}
    for step in outcome.plan.steps:
        for before in step.waits_for:
            assert ended[before].ended_at <= ended[step.agent].started_at
    if strategy == "sequential":
        for first, second in pairwise(company.calls):
            assert ended[first].ended_at <= ended[second].started_at
    row = await orchestrator.repository.get_run(outcome.run_id)
    assert row.status is RunStatus.COMPLETED


async def test_progress_follows_the_run(database):
    company = Company()
    company.gates["writer"] = asyncio.Event()
    orchestrator = company.orchestrator(database)
    started = asyncio.Event()

    def watch(event):
        if (event["event"], event["agent"]) == ("agent_started", "writer"):
            started.set()

    run_id, _ = await orchestrator.accept(Campaign(type="blog_creation"), strategy="parallel")
    before = await progress(database, run_id)
    running = asyncio.create_task(orchestrator.execute(run_id, on_event=watch))
    await started.wait()
    midway = await progress_with(database, run_id, running=["writer"])
    company.gates["writer"].set()
    await running
    after = await progress(database, run_id)

    assert (before["status"], before["progress_percentage"]) == ("pending", 0)
    none = dict.fromkeys(["completed", "failed", "running", "waiting", "skipped", "cancelled", "interrupted"], 0)
    assert before["counts"] == {**none, "total": 5, "waiting": 5}
    assert midway["agents_status"] == {
        "running": ["writer"],
        "completed": ["planner", "researcher"],
        "failed": [],
        "waiting": ["editor", "seo"],
        "skipped": [],
        "cancelled": [],
        "interrupted": [],
    }
    assert midway["progress_percentage"] == 40
    assert after["counts"] == {**none, "total": 5, "completed": 5}
    assert (after["status"], after["progress_percentage"]) == ("completed", 100)
    assert after["execution_info"]["strategy"] == "parallel"


async def progress_with(database, run_id, *, running):
    """Ask until the tables, which are written beside the run, show who runs."""
    async with asyncio.timeout(5):
        while True:
            report = await progress(database, run_id)
            if report["agents_status"]["running"] == running:
                return report


async def test_a_failure_leaves_a_partial_success_with_reasons(database):
    company = Company((*BLOG, "art_direction", "image"))
    company.failing["editor"] = TypeError("no such style")
    orchestrator = company.orchestrator(database)
    campaign = Campaign(type="blog_creation", include_images=True, deliverables=("generated_images", "seo_metadata"))

    outcome = await orchestrator.run(campaign)

    assert outcome.status is RunStatus.PARTIAL_SUCCESS
    assert outcome.result is not None
    assert outcome.result["deliverables"] == {"generated_images": "generated_images of image"}
    assert outcome.result["missing"] == ["seo_metadata"]
    rows = {row.agent_name: row for row in await orchestrator.repository.agent_runs(outcome.run_id)}
    assert rows["editor"].status is AgentStatus.FAILED
    assert rows["seo"].status is AgentStatus.SKIPPED
    assert rows["seo"].reason == "hard dependency 'editor' failed: TypeError after 1 attempt: no such style"


async def test_nothing_is_stored_of_a_campaign_that_cannot_be_planned_or_run(database):
    company = Company()
    orchestrator = company.orchestrator(database)

    with pytest.raises(PlanError, match="unknown campaign type 'blog_creaton'"):
        await orchestrator.run(Campaign(type="blog_creaton"))
    with pytest.raises(UnboundAgentsError, match="image"):
        await orchestrator.run(Campaign(type="blog_creation", include_images=True))

    assert await orchestrator.repository.list_runs() == []


async def test_an_accepted_run_that_never_started_is_not_lost(database):
    company = Company()
    run_id, plan = await company.orchestrator(database).accept(Campaign(type="blog_creation"))

    outcome = await company.orchestrator(database).execute(run_id)

    assert outcome.status is RunStatus.COMPLETED
    assert outcome.plan == plan


async def test_a_stopped_run_goes_on_where_it_was_and_repeats_nobody(database):
    company = Company()
    company.gates["editor"] = asyncio.Event()
    orchestrator = company.orchestrator(database)
    started = asyncio.Event()
    run_id, _ = await orchestrator.accept(Campaign(type="blog_creation"))
    running = asyncio.create_task(
        orchestrator.execute(run_id, on_event=lambda event: started.set() if event["agent"] == "editor" else None)
    )
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    paused = await orchestrator.repository.get_run(run_id)
    company.gates["editor"].set()

    outcome = await company.orchestrator(database).resume(run_id)

    assert paused.status is RunStatus.PAUSED
    assert outcome.status is RunStatus.COMPLETED
    assert Counter(company.calls) == {**dict.fromkeys(BLOG, 1), "editor": 2}


async def test_a_run_has_one_executor_and_one_end(database):
    company = Company()
    company.gates["planner"] = asyncio.Event()
    orchestrator = company.orchestrator(database)
    started = asyncio.Event()
    run_id, _ = await orchestrator.accept(Campaign(type="blog_creation"))
    running = asyncio.create_task(orchestrator.execute(run_id, on_event=lambda _: started.set()))
    await started.wait()

    with pytest.raises(RunHeldError, match="is executed by process"):
        await company.orchestrator(database).execute(run_id)
    company.gates["planner"].set()
    await running
    with pytest.raises(RunNotResumableError, match="it has ended as 'completed'"):
        await orchestrator.execute(run_id)
    with pytest.raises(RunNotFoundError, match="no run 'ffffffff'"):
        await orchestrator.execute("ffffffff")
    assert Counter(company.calls) == dict.fromkeys(BLOG, 1)


async def test_a_run_that_waits_for_a_human_is_paused_and_says_for_whom(database):
    @agent(outputs=["decision"])
    async def reviewer(_):
        return interrupt("publish?")

    orchestrator = CampaignOrchestrator(
        database, AgentFactory.of(reviewer), planner=MasterPlanner(Catalog.of(reviewer))
    )

    outcome = await orchestrator.run(Campaign(deliverables=("decision",)))

    assert outcome.status is RunStatus.PAUSED
    assert outcome.result is None
    assert outcome.reason == "waiting for an answer to: reviewer"


async def test_the_checkpoint_holds_every_record(database):
    company = Company()
    outcome = await company.orchestrator(database).run(Campaign(type="blog_creation"))
    row = await company.orchestrator(database).repository.get_run(outcome.run_id)
    graph = compile_plan(outcome.plan, company.factory, checkpointer=checkpointer(database))

    state = await graph.aget_state({"configurable": {"thread_id": row.thread_id}})

    assert state.values["result"] == outcome.result
    assert {name: state.values[name]["status"] for name in BLOG} == dict.fromkeys(BLOG, "completed")
    assert state.values["writer"]["output"]["blog_content"] == "blog_content of writer"


async def test_what_a_killed_process_did_not_tell_is_in_the_tables_after_the_resume(database, monkeypatch):
    company = Company()
    company.gates["editor"] = asyncio.Event()
    orchestrator = company.orchestrator(database)
    started = asyncio.Event()
    run_id, _ = await orchestrator.accept(Campaign(type="blog_creation"))
    with monkeypatch.context() as deaf:
        deaf.setattr("planner_graph.mirror.writer.MirrorWriter.put", lambda *_: None)
        running = asyncio.create_task(
            orchestrator.execute(run_id, on_event=lambda event: started.set() if event["agent"] == "editor" else None)
        )
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    company.gates["editor"].set()

    await company.orchestrator(database).execute(run_id)

    assert sorted((await live(database, run_id))["completed_agents"]) == sorted(BLOG)
    rows = {row.agent_name: row.status for row in await orchestrator.repository.agent_runs(run_id)}
    assert rows == dict.fromkeys(BLOG, AgentStatus.COMPLETED)


async def test_a_run_that_takes_too_long_is_paused_and_can_be_resumed(database):
    company = Company()
    company.gates["editor"] = asyncio.Event()
    campaign = Campaign(type="blog_creation", limits=Limits(timeout_seconds=0.5))

    outcome = await company.orchestrator(database).run(campaign)
    company.gates["editor"].set()
    again = await company.orchestrator(database).execute(outcome.run_id)

    assert outcome.status is RunStatus.PAUSED
    assert outcome.reason == "the time limit of 0.5 s is over; resume it for as long again"
    assert again.status is RunStatus.COMPLETED
