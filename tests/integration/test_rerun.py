"""A new run begins with what an earlier one has finished."""

from typing import Any

import psycopg
import pytest

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner, RunStatus
from planner_graph.errors import CampaignError, RerunRefusedError, RunNotFoundError, UnboundAgentsError
from planner_graph.store.repository import Repository
from planner_graph.store.retention import remove_checkpoints
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
    assert (second.status, second.result["deliverables"].keys()) == (RunStatus.COMPLETED, {"c", "d"})
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
