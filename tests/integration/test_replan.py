"""A run goes on under another plan: what stays true is kept, the rest runs, and the tables say so."""

import asyncio
from collections import Counter

import psycopg
import pytest

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner, RunStatus
from planner_graph.errors import (
    LeaseLostError,
    PlanChangedError,
    RunHeldError,
    RunNotResumableError,
    UnboundAgentsError,
)
from planner_graph.mirror.checkpoint import full_output
from planner_graph.mirror.reconcile import reconcile
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.runtime.replanning import Replanning, propose
from planner_graph.store import leases
from planner_graph.store.repository import Repository
from tests.catalogs import catalog, spec
from tests.equality import differences
from tests.mirrors import live, progress

STRATEGIES = ("sequential", "parallel", "adaptive")
CAMPAIGN = Campaign(id="c", type="all")
BROKEN = """
CREATE FUNCTION broken() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$broken off$$; END';
CREATE TRIGGER broken BEFORE INSERT ON agent_dependencies EXECUTE FUNCTION broken();
"""
"""Lets the tables refuse a new plan when part of it is written."""


class Office:
    """Agents that count their calls; the run is paused when one of ``stops`` is at work, those in ``fails`` fail."""

    def __init__(self, database, strategy="adaptive"):
        self.database, self.strategy = database, strategy
        self.calls: list[str] = []
        self.stops: set[str] = set()
        self.fails: set[str] = set()
        self.campaign, self.gives = CAMPAIGN, ""

    def orchestrator(self, *specs):
        bodies = {item.name: self.body(item.name, item.outputs) for item in specs}
        spares = {item.fallback for item in specs}
        known = catalog(*specs, select={"all": [item.name for item in specs if item.name not in spares]})
        return CampaignOrchestrator(self.database, bodies, planner=MasterPlanner(known))

    def body(self, name, outputs):
        async def work(_):
            self.calls.append(name)
            if name in self.stops:
                self.at_work.set()
                await asyncio.Event().wait()
            if name in self.fails:
                raise ValueError(name)
            return {output: f"{self.gives or output} {self.calls.count(name)}" for output in outputs}

        return work

    async def begin(self, *specs, stops):
        """Run until one of ``stops`` is at work, then pause; gives the id of the run."""
        self.stops, self.at_work = {stops}, asyncio.Event()
        orchestrator = self.orchestrator(*specs)
        run_id, _ = await orchestrator.accept(self.campaign, strategy=self.strategy)
        running = asyncio.create_task(orchestrator.execute(run_id))
        await self.at_work.wait()
        orchestrator.pause_all("enough", at_once=True)
        assert (await running).status is RunStatus.PAUSED
        self.stops, self.calls = set(), []
        return run_id

    async def replan(self, run_id, *specs, campaign=None, strategy=None):
        return await self.orchestrator(*specs).replan(run_id, campaign, strategy=strategy, by="me")

    async def finish(self, run_id, *specs):
        """Go on to the end; gives the outcome, after looking whether all is consistent."""
        outcome = await self.orchestrator(*specs).execute(run_id)
        assert await differences(self.database, run_id) == []
        assert (await reconcile(self.database, run_id)).differences == ()
        return outcome


@pytest.fixture
def office(database):
    return Office(database)


def chain(*names, **fields):
    return [spec(name, after=names[place - 1 : place] if place else [], **fields) for place, name in enumerate(names)]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_an_agent_added_at_the_end_runs_and_the_finished_ones_do_not(database, strategy):
    office, old, new = Office(database, strategy), chain("a", "b", "c"), chain("a", "b", "c", "d")
    run_id = await office.begin(*old, stops="c")

    replanned = await office.replan(run_id, *new)

    assert (replanned.revision, replanned.keeping.kept, replanned.keeping.again) == (2, ("a", "b"), {})
    assert replanned.differences == ("agent 'd' is added, which depends on 'c'",)
    assert await differences(database, run_id) == []
    row = await Repository(database).get_run(run_id)
    assert (row.thread_id, row.plan_revision, row.plan_hash) == (f"{run_id}:2", 2, replanned.plan.hash)
    outcome = await office.finish(run_id, *new)
    assert (outcome.status, office.calls) == (RunStatus.COMPLETED, ["c", "d"])
    assert outcome.result["deliverables"] == {"a": "a 1", "b": "b 1", "c": "c 1", "d": "d 1"}


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_an_agent_added_in_the_middle_lets_what_depends_on_it_run_again(database, strategy):
    office = Office(database, strategy)
    run_id = await office.begin(*chain("a", "b", "c"), stops="c")
    new = [spec("a"), spec("x", after=["a"]), spec("b", after=["a", "x"]), spec("c", after=["b"])]

    replanned = await office.replan(run_id, *new)

    assert (replanned.keeping.kept, replanned.keeping.again) == (("a",), {"b": "its dependencies changed"})
    assert "agent 'b' runs again: its dependencies changed" in replanned.differences
    assert await differences(database, run_id) == []
    assert (await live(database, run_id))["completed_agents"] == ["a"]
    await office.finish(run_id, *new)
    assert office.calls == ["x", "b", "c"]
    rows = [row for row in await Repository(database).agent_runs(run_id) if row.agent_name == "b"]
    assert [(row.execution, row.status.value, row.reason) for row in rows] == [
        (1, "interrupted", "its dependencies changed"),
        (2, "completed", None),
    ]


async def test_a_removed_agent_leaves_only_its_history(database, office):
    old, new = [*chain("a", "b", "c"), spec("aside")], chain("a", "b", "c")
    run_id = await office.begin(*old, stops="c")

    replanned = await office.replan(run_id, *new)

    assert (replanned.keeping.kept, replanned.keeping.gone) == (("a", "b"), ("aside",))
    assert await differences(database, run_id) == []
    state = await live(database, run_id)
    assert (state["completed_agents"], sorted(state["intermediate_outputs"])) == (["a", "b"], ["a", "b"])
    report = await progress(database, run_id)
    assert (report["counts"]["total"], report["progress_percentage"]) == (3, 66)
    await office.finish(run_id, *new)
    rows = [row for row in await Repository(database).agent_runs(run_id) if row.agent_name == "aside"]
    assert [row.status.value for row in rows] == ["completed"]


async def test_an_agent_that_comes_back_runs_again(office):
    old, new = [*chain("a", "b"), spec("aside")], chain("a", "b")
    run_id = await office.begin(*old, stops="b")
    await office.replan(run_id, *new)

    replanned = await office.replan(run_id, *old)

    assert (replanned.revision, replanned.keeping.kept) == (3, ("a",))
    await office.finish(run_id, *old)
    assert sorted(office.calls) == ["aside", "b"]


async def test_a_renamed_agent_runs_under_its_new_name(office):
    run_id = await office.begin(*chain("a", "b", "c"), stops="c")
    new = chain("a", "bee", "c")

    with pytest.raises(PlanChangedError, match="agent 'b' is removed; perhaps renamed to 'bee'"):
        await office.orchestrator(*new).require_same_plan(run_id)
    await office.replan(run_id, *new)

    await office.finish(run_id, *new)
    assert office.calls == ["bee", "c"]


async def test_a_dependency_added_upstream_lets_everything_below_run_again(office):
    run_id = await office.begin(spec("x"), *chain("a", "b", "c"), stops="c")
    new = [spec("x"), spec("a", after=["x"]), spec("b", after=["a"]), spec("c", after=["b"])]

    replanned = await office.replan(run_id, *new)

    assert replanned.keeping.again == {"a": "its dependencies changed", "b": "'a' runs again"}
    await office.finish(run_id, *new)
    assert office.calls == ["a", "b", "c"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("other", STRATEGIES)
async def test_another_strategy_keeps_all_records(database, strategy, other):
    office, agents = Office(database, strategy), chain("a", "b", "c")
    run_id = await office.begin(*agents, stops="c")

    replanned = await office.replan(run_id, *agents, strategy=other)

    assert replanned.changed == (strategy != other)
    outcome = await office.finish(run_id, *agents)
    assert (office.calls, outcome.plan.strategy) == (["c"], other)


async def test_a_fallback_is_added_for_an_agent_that_failed(database, office):
    office.fails = {"a"}
    old = [spec("a", max_retries=0), spec("b", after=["a"]), spec("slow"), spec("last", after={"soft": ["b", "slow"]})]
    run_id = await office.begin(*old, stops="slow")
    new = [spec("a", max_retries=0, fallback="spare"), *old[1:], spec("spare", gives=["a"])]

    replanned = await office.replan(run_id, *new)

    assert replanned.keeping.kept == ("a",)
    assert replanned.keeping.again == {"b": "its dependencies changed"}
    assert await differences(database, run_id) == []
    outcome = await office.finish(run_id, *new)
    assert outcome.status is RunStatus.COMPLETED
    assert sorted(office.calls) == ["b", "last", "slow", "spare"]


async def test_an_agent_that_failed_runs_again_when_it_gets_more_attempts(office):
    office.fails = {"a"}
    run_id = await office.begin(spec("a", max_retries=0), spec("slow"), stops="slow")
    office.fails = set()
    new = [spec("a", max_retries=1), spec("slow")]

    replanned = await office.replan(run_id, *new)

    assert replanned.keeping.again == {"a": "its max retries changed"}
    assert (await office.finish(run_id, *new)).status is RunStatus.COMPLETED
    assert sorted(office.calls) == ["a", "slow"]


async def test_failures_and_skips_are_kept_where_nothing_changed(database, office):
    office.fails = {"a"}
    old = [spec("a", max_retries=0), spec("b", after=["a"]), spec("slow")]
    run_id = await office.begin(*old, stops="slow")
    new = [*old, spec("last", after=["slow"])]

    replanned = await office.replan(run_id, *new)

    assert (replanned.keeping.kept, replanned.keeping.again) == (("a", "b"), {})
    assert await differences(database, run_id) == []
    outcome = await office.finish(run_id, *new)
    assert office.calls == ["slow", "last"]
    assert outcome.result["agents"]["b"]["status"] == "skipped"


async def test_where_nothing_changed_the_run_keeps_its_plan(database, office):
    agents = chain("a", "b")
    run_id = await office.begin(*agents, stops="b")
    faster = chain("a", "b", seconds=1)

    await office.orchestrator(*faster).require_same_plan(run_id)
    replanned = await office.replan(run_id, *faster)

    assert (replanned.changed, replanned.revision) == (False, 1)
    assert (await Repository(database).get_run(run_id)).thread_id == f"{run_id}:1"
    await office.finish(run_id, *agents)
    assert office.calls == ["b"]


async def test_another_brief_is_refused_and_reaches_those_that_run_under_the_new_plan(office):
    agents = chain("a", "b")
    run_id = await office.begin(*agents, stops="b")
    changed = Campaign(id="c", type="all", brief="shorter")
    with pytest.raises(PlanChangedError) as refused:
        await office.orchestrator(*agents).require_same_plan(run_id, changed)
    assert refused.value.differences == ('campaign: brief: "" -> "shorter"',)

    await office.replan(run_id, *agents, campaign=changed)

    orchestrator = office.orchestrator(*agents)
    orchestrator.agents = {**orchestrator.agents, "b": lambda inputs: inputs["campaign"]["brief"]}
    outcome = await orchestrator.execute(run_id)
    assert (outcome.result["deliverables"], office.calls) == ({"a": "a 1", "b": "shorter"}, [])


async def test_whoever_read_a_value_of_the_campaign_that_changed_runs_again(office):
    office.campaign = Campaign(id="c", type="all", provided={"topic": "cats"})
    agents = [spec("a", needs=["topic"]), spec("b"), spec("c", after=["a", "b"])]
    run_id = await office.begin(*agents, stops="c")

    replanned = await office.replan(run_id, *agents, campaign=Campaign(id="c", type="all", provided={"topic": "dogs"}))

    assert replanned.keeping.again == {"a": "the campaign's value 'topic' changed"}
    await office.finish(run_id, *agents)
    assert Counter(office.calls) == {"a": 1, "c": 1}


async def test_the_log_tells_who_replanned_when_and_what(database, office):
    run_id = await office.begin(*chain("a", "b"), stops="b")
    await office.replan(run_id, *chain("a", "b", "c"))

    [event] = [event for event in await Repository(database).events(run_id) if event.event == "run_replanned"]

    assert event.data["by"] == "me"
    assert event.data["differences"] == ["agent 'c' is added, which depends on 'b'"]
    assert (event.data["revision"], event.data["kept"], event.data["again"]) == (2, ["a"], {})


async def test_a_run_that_has_not_begun_begins_under_the_new_plan(database, office):
    run_id, _ = await office.orchestrator(*chain("a", "b")).accept(CAMPAIGN, strategy="parallel")
    new = chain("a", "c")

    await office.replan(run_id, *new)

    assert (await live(database, run_id))["waiting_agents"] == ["a", "c"]
    await office.finish(run_id, *new)
    assert office.calls == ["a", "c"]


@pytest.mark.parametrize("added", ["d", "e"])
async def test_what_broke_off_before_the_tables_were_written_leaves_the_old_plan_and_may_be_tried_again(
    database, office, added
):
    run_id = await office.begin(*chain("a", "b", "c"), stops="c")
    async with database.pool.connection() as conn:
        await conn.execute(BROKEN, prepare=False)
    with pytest.raises(psycopg.errors.RaiseException):
        await office.replan(run_id, *chain("a", "b", "c", "d"))
    assert (await Repository(database).get_run(run_id)).plan_revision == 1
    assert await differences(database, run_id) == []

    async with database.pool.connection() as conn:
        await conn.execute("DROP TRIGGER broken ON agent_dependencies")
    new = chain("a", "b", "c", added)
    assert (await office.replan(run_id, *new)).revision == 2
    await office.finish(run_id, *new)
    assert office.calls == ["c", added]


async def test_the_old_plan_goes_on_after_that(database, office):
    old = chain("a", "b", "c")
    run_id = await office.begin(*old, stops="c")
    async with database.pool.connection() as conn:
        await conn.execute(BROKEN, prepare=False)
    with pytest.raises(psycopg.errors.RaiseException):
        await office.replan(run_id, *chain("a", "b", "c", "d"))

    outcome = await office.finish(run_id, *old)

    assert (office.calls, [step.agent for step in outcome.plan.steps]) == (["c"], ["a", "b", "c"])


async def test_a_replanned_run_that_is_stopped_goes_on_where_it_was(office):
    run_id = await office.begin(*chain("a", "b", "c"), stops="b")
    new = chain("a", "b", "c", "d")
    await office.replan(run_id, *new)
    office.stops, office.at_work = {"d"}, asyncio.Event()
    orchestrator = office.orchestrator(*new)
    running = asyncio.create_task(orchestrator.execute(run_id))
    await office.at_work.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    office.stops, office.calls = set(), []

    await office.finish(run_id, *new)

    assert office.calls == ["d"]


async def test_nothing_is_changed_for_agents_without_code(database, office):
    run_id = await office.begin(*chain("a", "b"), stops="b")
    orchestrator = office.orchestrator(*chain("a", "b", "c"))
    orchestrator.agents = {name: orchestrator.agents[name] for name in ("a", "b")}

    with pytest.raises(UnboundAgentsError, match="'c'"):
        await orchestrator.replan(run_id)

    assert (await Repository(database).get_run(run_id)).plan_revision == 1
    assert await differences(database, run_id) == []


async def test_a_run_that_is_executed_is_not_replanned(office):
    agents = chain("a", "b")
    office.stops, office.at_work = {"b"}, asyncio.Event()
    orchestrator = office.orchestrator(*agents)
    run_id, _ = await orchestrator.accept(CAMPAIGN)
    running = asyncio.create_task(orchestrator.execute(run_id))
    await office.at_work.wait()

    with pytest.raises(RunHeldError):
        await office.replan(run_id, *chain("a", "b", "c"))

    orchestrator.pause_all("enough", at_once=True)
    await running


async def test_a_process_that_lost_the_run_cannot_replan_it(database, office):
    run_id = await office.begin(*chain("a", "b"), stops="b")
    orchestrator = office.orchestrator(*chain("a", "b", "c"))
    proposal = await propose(orchestrator.repository, orchestrator.planner, run_id, None, None)
    async with database.pool.connection() as one, database.pool.connection() as other:
        lost = await leases.acquire(one, run_id)
        await leases.acquire(other, run_id, take_over=True)
        replanning = Replanning(
            database=database, lease=lost, agents=orchestrator.agents, settings=MirrorSettings(), by="me"
        )
        with pytest.raises(LeaseLostError):
            await replanning.carry_out(proposal)
    assert (await Repository(database).get_run(run_id)).plan_revision == 1


async def test_the_tables_show_where_whole_outputs_are_now(database, office):
    office.gives = "x" * 5_000
    run_id = await office.begin(*chain("a", "b"), stops="b")

    await office.replan(run_id, *chain("a", "b", "c"))

    shown = (await live(database, run_id))["intermediate_outputs"]["a"]
    assert shown["reference"] == {"thread_id": f"{run_id}:2", "channel": "a"}
    assert (await full_output(database, run_id, "a"))["a"].startswith("xxx")
    assert await differences(database, run_id) == []


async def test_a_run_that_has_ended_is_not_replanned(office):
    orchestrator = office.orchestrator(*chain("a"))
    outcome = await orchestrator.run(CAMPAIGN)
    with pytest.raises(RunNotResumableError, match="it has ended as 'completed'"):
        await office.replan(outcome.run_id, *chain("a", "b"))
