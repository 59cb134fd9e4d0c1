"""A new run begins with what an earlier one has finished."""

import asyncio
from typing import Any

import psycopg
import pytest

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner, RunStatus, get_workflow_progress, reconcile
from planner_graph.errors import CampaignError, RerunRefusedError, RunNotFoundError, UnboundAgentsError
from planner_graph.store.repository import Repository
from planner_graph.store.retention import remove_checkpoints
from planner_graph.types import AgentName
from tests.catalogs import catalog, spec
from tests.equality import differences
from tests.mirrors import live

STRATEGIES = ("sequential", "parallel", "adaptive")
TEAM = (
    spec("a"),
    spec("b", needs=["a"], configuration={"tone": "dry", "words": 3}),
    spec("c", needs=["b"]),
    spec("d", max_retries=0),
)


class Office:
    """Agents that count their calls, and say how they are configured; those in ``fails`` fail."""

    def __init__(self, database, strategy="adaptive"):
        self.database, self.strategy = database, strategy
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.bodies: dict[str, Any] = {item.name: self.body(item.name) for item in TEAM}
        planner = MasterPlanner(catalog(*TEAM))
        self.orchestrator = CampaignOrchestrator(database, self.bodies, planner=planner)

    def body(self, name):
        async def work(inputs):
            self.calls.append(name)
            if name in self.fails:
                raise ValueError(name)
            return {name: {"call": self.calls.count(name), "as": inputs["configuration"], "of": inputs.get("a")}}

        return work

    async def run(self):
        ended = await self.orchestrator.run(Campaign(id="c", type="all"), strategy=self.strategy)
        self.calls.clear()
        return ended

    async def rerun(self, run_id, agent, **configuration):
        begun = await self.orchestrator.rerun(run_id, agent, configuration=configuration)
        return begun, await self.orchestrator.execute(begun.run_id)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_only_the_agent_and_those_that_depend_on_it_run(database, strategy):
    office = Office(database, strategy)
    first = await office.run()
    begun, second = await office.rerun(first.run_id, "b", tone="kind")
    assert sorted(office.calls) == ["b", "c"]
    assert begun.keeping.kept == tuple(step.agent for step in first.plan.steps if step.agent in {"a", "d"})
    assert (second.status, second.result["deliverables"].keys()) == (RunStatus.COMPLETED, {"a", "b", "c", "d"})
    before, after = await live(database, first.run_id), await live(database, second.run_id)
    assert after["intermediate_outputs"]["a"] == before["intermediate_outputs"]["a"]
    assert after["intermediate_outputs"]["b"]["b"]["as"] == {"tone": "kind", "words": 3}
    assert before["intermediate_outputs"]["b"]["b"]["as"] == {"tone": "dry", "words": 3}, "the first stays what it is"
    assert not await differences(database, second.run_id)


async def test_the_log_tells_where_a_run_comes_from_and_the_campaign_how_it_is_configured(database):
    office, repository = Office(database), Repository(database)
    first = await office.run()
    begun, second = await office.rerun(first.run_id, "c", words=5)
    [accepted, *_] = await repository.events(second.run_id)
    assert accepted.data["rerun_of"] == first.run_id == begun.rerun_of
    assert (accepted.data["rerun_from"], sorted(accepted.data["kept"])) == ("c", ["a", "b", "d"])
    assert (await repository.load_campaign(second.run_id)).configuration == {"c": {"words": 5}}
    assert (await repository.load_campaign(first.run_id)).configuration == {}
    assert second.plan.hash != first.plan.hash


async def test_what_had_failed_runs_again_too(database):
    office = Office(database)
    office.fails = {"d"}
    first = await office.run()
    office.fails = set()
    _, second = await office.rerun(first.run_id, "c")
    assert sorted(office.calls) == ["c", "d"]
    assert (first.status, second.status) == (RunStatus.PARTIAL_SUCCESS, RunStatus.COMPLETED)


async def test_it_can_be_executed_by_whoever_finds_it(database):
    """The process that asked for it may die before it executes it."""
    office = Office(database)
    first = await office.run()
    begun = await office.orchestrator.rerun(first.run_id, "c")
    other = Office(database)
    assert (await other.orchestrator.resume(begun.run_id)).status is RunStatus.COMPLETED
    assert other.calls == ["c"]


async def test_a_crash_before_it_is_accepted_leaves_no_run(database, monkeypatch):
    office = Office(database)
    first = await office.run()

    async def broken(*_, **__):
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(Repository, "accept_run", broken)
    with pytest.raises(psycopg.OperationalError):
        await office.orchestrator.rerun(first.run_id, "c")
    assert await Repository(database).run_ids() == [first.run_id]


async def test_what_cannot_be_is_refused_in_words(database):
    office = Office(database)
    first = await office.run()
    with pytest.raises(RerunRefusedError, match=r"from agent 'cc': its plan has no such agent; did you mean 'c'\?"):
        await office.orchestrator.rerun(first.run_id, "cc")
    with pytest.raises(CampaignError, match="configuration"):
        await office.orchestrator.rerun(first.run_id, "c", configuration={"x": float("nan")})
    with pytest.raises(RunNotFoundError):
        await office.orchestrator.rerun("abcd", "c")
    del office.bodies["c"]
    with pytest.raises(UnboundAgentsError):
        await office.orchestrator.rerun(first.run_id, "c")


async def test_a_run_whose_checkpoints_are_gone_is_refused(database):
    office = Office(database)
    first = await office.run()
    await remove_checkpoints(database, 0)
    with pytest.raises(RerunRefusedError, match=r"its checkpoints were removed on .+ run its campaign anew"):
        await office.orchestrator.rerun(first.run_id, "c")
    assert office.calls == []


async def test_a_rerun_that_is_cancelled_before_its_start_has_tables_like_its_checkpoint(database):
    office = Office(database)
    first = await office.run()
    begun = await office.orchestrator.rerun(first.run_id, "b")
    kept = await live(database, begun.run_id)
    assert sorted(kept["completed_agents"]) == ["a", "d"]
    assert sorted(kept["waiting_agents"]) == ["b", "c"]
    assert set(kept["intermediate_outputs"]) == {"a", "d"}
    assert not await differences(database, begun.run_id)
    await office.orchestrator.cancel(begun.run_id)
    found = await reconcile(database, begun.run_id)
    assert (found.differences, found.problem) == ((), None)
    report = await get_workflow_progress(database, begun.run_id)
    assert sorted(report["agents_status"]["cancelled"]) == ["b", "c"]


async def test_what_is_kept_keeps_its_times(database):
    office, repository = Office(database), Repository(database)
    first = await office.run()
    begun, second = await office.rerun(first.run_id, "b")
    before = {row.agent_name: row for row in await repository.agent_runs(first.run_id)}
    after = {row.agent_name: row for row in await repository.agent_runs(begun.run_id)}
    assert [after[AgentName(agent)] for agent in "ad"] == [before[AgentName(agent)] for agent in "ad"]
    starts = [rows[AgentName("b")].started_at for rows in (before, after)]
    assert starts == sorted(starts, key=str)
    assert starts[0] != starts[1]
    assert second.status is RunStatus.COMPLETED


async def run_of(database, specs, bodies, strategy, deliverables):
    known = catalog(*specs, select={"all": [item.name for item in specs if item.name != "spare"]})
    orchestrator = CampaignOrchestrator(database, bodies, planner=MasterPlanner(known))
    campaign = Campaign(id="c", type="all", deliverables=deliverables)
    return orchestrator, await orchestrator.run(campaign, strategy=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_what_a_fallback_repaired_is_kept(database, strategy):
    calls: list[str] = []

    def body(name, *, fails=False):
        async def work(_):
            calls.append(name)
            if fails:
                raise ValueError(name)
            return "done"

        return work

    team = [spec("a", gives=["x"], fallback="spare", max_retries=0), spec("spare", gives=["x"]), spec("b", needs=["x"])]
    bodies = {"a": body("a", fails=True), "spare": body("spare"), "b": body("b"), "beside": body("beside")}
    made = await run_of(database, [*team, spec("beside")], bodies, strategy, ("b", "beside"))
    orchestrator, first = made
    calls.clear()
    for agent, again in (("beside", ["beside"]), ("b", ["b"]), ("a", ["a", "b", "spare"])):
        begun = await orchestrator.rerun(first.run_id, agent)
        ended = await orchestrator.execute(begun.run_id)
        assert (sorted(calls), ended.status) == (again, RunStatus.COMPLETED)
        assert not await differences(database, begun.run_id)
        calls.clear()


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_who_read_an_optional_dependency_runs_again_with_it(database, strategy):
    calls: list[str] = []

    async def hint(_):
        calls.append("hint")
        return len(calls)

    async def slow(_):
        calls.append("slow")
        await asyncio.sleep(0.05)
        return "slow"

    async def reader(inputs):
        calls.append("reader")
        return {"saw": inputs.get("hint")}

    specs = [spec("hint"), spec("slow"), spec("reader", after={"hard": ["slow"], "optional": ["hint"]})]
    bodies = {"hint": hint, "slow": slow, "reader": reader}
    orchestrator, first = await run_of(database, specs, bodies, strategy, ("reader",))
    assert first.result["deliverables"]["reader"] == {"saw": 1}
    begun = await orchestrator.rerun(first.run_id, "hint")
    assert begun.keeping.again["reader"] == "it read what 'hint' gave, which runs again"
    assert begun.keeping.kept == ("slow",)


async def test_a_part_that_begins_at_several_agents(database):
    office = Office(database)
    first = await office.run()
    begun = await office.orchestrator.rerun(first.run_id, ["c", "d"])
    assert sorted(begun.keeping.kept) == ["a", "b"]
    [accepted, *_] = await Repository(database).events(begun.run_id)
    assert accepted.data["rerun_from"] == ["c", "d"]
    with pytest.raises(RerunRefusedError, match="configure one agent at a time"):
        await office.orchestrator.rerun(first.run_id, ["c", "d"], configuration={"words": 1})
