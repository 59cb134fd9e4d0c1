"""A run may begin in the middle, with the records of agents that ended before it."""

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from planner_graph.compiler.beginning import begin_with
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.state import KEPT
from planner_graph.errors import CampaignError
from tests.catalogs import spec
from tests.fakes import INPUT, Notebook, planned

THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}
STRATEGIES = ("sequential", "parallel", "adaptive")


def diamond(strategy, **campaign):
    agents = [spec("a"), spec("b", after=["a"]), spec("c", after=["a"]), spec("d", after=["b", "c"])]
    return planned(*agents, strategy=strategy, **campaign)


def compiled(plan, notes):
    return compile_plan(plan, notes.bodies(plan.by_agent), checkpointer=InMemorySaver())


def kept(*agents):
    return {agent: completed(agent) for agent in agents}


def completed(agent, output="kept"):
    return {
        "status": "completed",
        "output": {agent: output},
        "error": None,
        "reason": None,
        "replaces": None,
        "attempts": 1,
        "started_at": "2030-01-01T00:00:00+00:00",
        "ended_at": "2030-01-01T00:00:01+00:00",
        "usage": None,
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_only_agents_without_a_record_run_and_read_the_kept_outputs(strategy):
    plan, notes = diamond(strategy), Notebook()
    graph = compiled(plan, notes)

    await begin_with(graph, THREAD, INPUT["campaign"], kept("a", "b"))
    result = (await graph.ainvoke(None, THREAD))["result"]

    assert notes.ended == ["c", "d"]
    assert notes.inputs["c"][0]["a"] == "kept"
    assert notes.inputs["d"][0]["b"] == "kept"
    assert result["status"] == "completed"
    assert result["agents"]["a"]["ended_at"] == completed("a")["ended_at"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_goes_on_under_invoke_too(strategy):
    plan, notes = diamond(strategy), Notebook()
    graph = compiled(plan, notes)

    graph.loop.run(begin_with(graph, THREAD, INPUT["campaign"], kept("a")))
    graph.invoke(None, THREAD)

    assert sorted(notes.ended) == ["b", "c", "d"]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_run_whose_agents_all_have_records_only_sums_up(strategy):
    plan, notes = diamond(strategy), Notebook()
    graph = compiled(plan, notes)

    await begin_with(graph, THREAD, INPUT["campaign"], kept(*plan.by_agent))
    result = (await graph.ainvoke(None, THREAD))["result"]

    assert (notes.ended, result["deliverables"]) == ([], dict.fromkeys("abcd", "kept"))


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_new_input_on_its_thread_keeps_nothing(strategy):
    plan, notes = diamond(strategy), Notebook()
    graph = compiled(plan, notes)
    await begin_with(graph, THREAD, INPUT["campaign"], kept("a"))
    await graph.ainvoke(None, THREAD)

    await graph.ainvoke(INPUT, THREAD)

    assert sorted(notes.ended) == ["a", "b", "b", "c", "c", "d", "d"]
    assert (await graph.aget_state(THREAD)).values.get(KEPT) is None


async def test_records_of_strangers_are_refused():
    plan = diamond("adaptive")
    graph = compiled(plan, Notebook())
    with pytest.raises(ValueError, match=r"^not in the plan of this graph: 'x'; leave their records out$"):
        await begin_with(graph, THREAD, INPUT["campaign"], kept("x"))


async def test_a_campaign_that_the_plan_cannot_run_on_is_refused():
    plan = planned(spec("a", needs=["topic"]), strategy="adaptive", provided={"topic": "cats"})
    graph = compiled(plan, Notebook())
    with pytest.raises(CampaignError, match="provides 'topic'"):
        await begin_with(graph, THREAD, INPUT["campaign"], {})
