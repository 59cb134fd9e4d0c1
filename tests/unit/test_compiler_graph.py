"""The compiled graph as LangGraph's tools see it: pictures, metadata, schemas, subgraphs."""

import asyncio
import copy
import json
import re
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt

from planner_graph.campaign import Campaign
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.wiring import ENTRY, EXIT
from planner_graph.errors import CampaignError
from tests.catalogs import spec
from tests.fakes import INPUT, WAYS, Notebook, planned, run, thread
from tests.plans import BLOG, make_plan
from tests.subgraphs import subgraph


def drawn(graph, **options):
    return {(edge.source, edge.target) for edge in graph.get_graph(**options).edges}


def test_it_is_a_compiled_state_graph():
    assert isinstance(compile_plan(make_plan(BLOG), Notebook().bodies(BLOG)), CompiledStateGraph)


def test_a_copy_of_it_runs_by_itself():
    graph = compile_plan(make_plan(BLOG), Notebook().bodies(BLOG), checkpointer=InMemorySaver())
    copied = copy.deepcopy({"graph": graph})["graph"]
    assert type(copied) is type(graph)
    assert copied is not graph
    first = copied.invoke({"campaign": {}}, thread("first"))["result"]
    del copied
    assert first["status"] == "completed"
    assert copy.copy(graph).invoke({"campaign": {}}, thread("second"))["result"]["status"] == "completed"
    assert graph.invoke({"campaign": {}}, thread("third"))["result"]["status"] == "completed"


STRATEGIES = ("sequential", "parallel", "adaptive")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_its_picture_has_the_plans_edges_whatever_the_strategy(strategy):
    graph = compile_plan(make_plan(BLOG, strategy=strategy), Notebook().bodies(BLOG))
    expected = {(before, agent) for agent, befores in BLOG.items() for before in befores}
    expected |= {("__start__", ENTRY), (ENTRY, "planner"), (EXIT, "__end__")}
    assert drawn(graph) == expected | {(agent, EXIT) for agent in ("seo", "image", "social_media")}


def every_kind(strategy):
    """Plan agents of which one waits hard, one soft, one not at all, and one has a fallback."""
    return planned(
        spec("a"),
        spec("b", fallback="spare"),
        spec("spare", gives=["b"]),
        spec("c", after={"hard": ["a"], "soft": ["b"]}),
        spec("d", after={"optional": ["a"], "hard": ["b"]}),
        strategy=strategy,
        select={"all": ["a", "b", "c", "d"]},
    )


@pytest.mark.parametrize("xray", [False, True, 1])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_its_picture_is_that_of_the_plan_edge_for_edge(strategy, xray):
    plan = every_kind(strategy)
    assert sum(len(step.dependencies) for step in plan.steps) == 7
    graph = compile_plan(plan, Notebook().bodies(plan.by_agent))
    edges = [edge for edge in graph.get_graph(xray=xray).edges if {edge.source, edge.target} <= set(plan.by_agent)]
    lines = [f"  a_{edge.source} {'-.->' if edge.conditional else '-->'} a_{edge.target}" for edge in edges]
    assert lines == re.findall(r"^  a_\w+ -\S+ a_\w+$", plan.to_mermaid(), re.MULTILINE)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_its_picture_is_the_same_for_async_callers(strategy):
    plan = every_kind(strategy)
    graph = compile_plan(plan, Notebook().bodies(plan.by_agent) | {"a": subgraph(lambda _: {"a": 1})})
    for xray in (False, True):
        assert (await graph.aget_graph(xray=xray)).to_json() == graph.get_graph(xray=xray).to_json()


def test_its_picture_marks_where_it_always_stops():
    graph = compile_plan(make_plan({"a": [], "b": ["a"]}), Notebook().bodies("ab"))
    stopping = graph.copy({"interrupt_before_nodes": ["a"], "interrupt_after_nodes": ["a", "b"]})
    nodes = stopping.get_graph().nodes
    assert [(nodes[name].metadata or {})["__interrupt"] for name in "ab"] == ["before,after", "after"]


def test_mermaid_can_draw_it():
    picture = compile_plan(make_plan(BLOG), Notebook().bodies(BLOG)).get_graph().draw_mermaid()
    assert "writer --> editor;" in picture


def test_xray_looks_into_agents_that_are_graphs():
    def think(_): ...

    def write(_):
        return {"a": "text"}

    graph = compile_plan(make_plan({"a": [], "b": ["a"]}), {"a": subgraph(think, write), "b": lambda _: 1})
    assert {(ENTRY, "a:think"), ("a:think", "a:write"), ("a:write", "b")} <= drawn(graph, xray=True)
    assert [name for name, _ in graph.get_subgraphs()] == ["a"]


def test_nodes_carry_metadata():
    plan = planned(spec("a", type="writer", seconds=7), spec("b", seconds=1))
    nodes = compile_plan(plan, Notebook().bodies("ab")).get_graph().nodes
    assert nodes["a"].metadata == {
        "planner_graph_agent": "a",
        "agent_type": "writer",
        "estimate_seconds": 7.0,
        "parallel_group_id": 0,
        "critical": True,
    }
    assert (nodes["b"].metadata or {})["critical"] is False


def test_callbacks_see_which_agent_a_node_belongs_to():
    class Listener(BaseCallbackHandler):
        def on_chain_start(self, *_, metadata=None, name=None, **__):
            if metadata and "planner_graph_agent" in metadata:
                seen.add((name, metadata["planner_graph_agent"], metadata["langgraph_node"]))

    seen: set[tuple[str, ...]] = set()
    run(compile_plan(make_plan({"a": [], "b": []}), Notebook().bodies("ab")), config={"callbacks": [Listener()]})
    assert {("a", "a", "a"), ("b", "b", "b")} <= seen


def test_input_and_output_are_narrow_and_have_json_schemas():
    graph = compile_plan(make_plan(BLOG), Notebook().bodies(BLOG))
    assert list(graph.get_input_jsonschema()["properties"]) == ["campaign"]
    assert list(graph.get_output_jsonschema()["properties"]) == ["result"]
    json.dumps(graph.get_input_jsonschema())


def test_a_node_reads_only_what_its_agent_depends_on():
    graph = compile_plan(make_plan(BLOG), Notebook().bodies(BLOG))
    assert set(graph.nodes["seo"].channels) == {"campaign", "writer", "editor"}


def test_name_and_store_are_passed_on():
    assert compile_plan(make_plan({"a": []}), Notebook().bodies("a"), name="autumn").name == "autumn"


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_copy_takes_over_another_checkpointer_and_store_and_keeps_the_plan(strategy, how):
    """As LangGraph's server does with every graph that it runs."""
    store = InMemoryStore()
    store.put(("team",), "word", {"is": "kept"})

    async def body(_):
        item = await get_store().aget(("team",), "word")
        return item and item.value["is"]

    plan = make_plan({"a": [], "b": ["a"]}, strategy=strategy)
    graph = compile_plan(plan, {"a": body, "b": lambda _: interrupt("b?")})
    copied = graph.copy(update={"checkpointer": InMemorySaver(), "store": store})
    driven(copied, INPUT, thread(), how)
    assert driven(copied, Command(resume="yes"), thread(), how)["result"]["status"] == "completed"
    assert copied.get_state(thread()).values["a"]["output"] == {"a": "kept"}
    assert copied.plan is plan
    assert copied.get_graph().to_json() == graph.get_graph().to_json()


def test_what_an_input_leaves_out_is_taken_from_the_defaults():
    plan, notes = make_plan({"a": []}), Notebook()
    graph = compile_plan(plan, notes.bodies("a"), defaults=Campaign(id="c", brief="the usual", name="Autumn"))
    run(graph, {"campaign": {"brief": "something else"}})
    campaign = notes.inputs["a"][0]["campaign"]
    assert (campaign["id"], campaign["name"], campaign["brief"]) == ("c", "Autumn", "something else")
    with pytest.raises(CampaignError, match="'campaign' is a str"):
        run(graph, {"campaign": "text"})


class Outer(TypedDict, total=False):
    campaign: dict[str, Any]
    result: dict[str, Any]
    summary: str


def outer(inner, **options):
    """Put a compiled plan into a bigger graph, as a node of it."""
    builder = StateGraph(Outer)
    builder.add_node("campaign_run", inner)
    builder.add_node("report", lambda state: {"summary": state["result"]["status"]})
    builder.add_edge(START, "campaign_run")
    builder.add_edge("campaign_run", "report")
    builder.add_edge("report", END)
    return builder.compile(**options)


def driven(graph, given, config, how):
    call = {"config": config}
    return graph.invoke(given, **call) if how == "invoke" else asyncio.run(graph.ainvoke(given, **call))


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_it_runs_as_a_node_of_a_bigger_graph(strategy, how):
    chain = {f"agent{n}": [f"agent{n - 1}"] if n else [] for n in range(40)}
    inner = compile_plan(make_plan(chain, strategy=strategy), Notebook().bodies(chain))
    given = driven(outer(inner), INPUT, {}, how)
    assert given["summary"] == "completed"


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_inside_a_bigger_graph_an_agent_may_ask_a_human(how):
    notes = Notebook()
    plan = make_plan({"a": [], "b": ["a"], "c": ["b"]})
    inner = compile_plan(plan, notes.bodies("abc", b=lambda _: interrupt("may I?")))
    graph = outer(inner, checkpointer=InMemorySaver())
    driven(graph, INPUT, thread(), how)
    given = driven(graph, Command(resume="yes"), thread(), how)
    assert given["summary"] == "completed"
    assert notes.started == ["a", "c"]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_two_runs_of_it_in_one_bigger_run_keep_apart(how):
    inner = compile_plan(make_plan({"a": []}), {"a": lambda inputs: inputs["campaign"]["id"]})
    builder = StateGraph(Outer)
    builder.add_node("first", inner)
    builder.add_node("change", lambda state: {"campaign": {"id": state["result"]["deliverables"]["a"] + "+"}})
    builder.add_node("second", inner)
    for before, after in ((START, "first"), ("first", "change"), ("change", "second"), ("second", END)):
        builder.add_edge(before, after)
    given = driven(builder.compile(checkpointer=InMemorySaver()), INPUT, thread(), how)
    assert given["result"]["deliverables"] == {"a": "campaign+"}


@pytest.mark.parametrize("how", WAYS)
def test_a_body_may_run_another_compiled_plan(how):
    inner = compile_plan(make_plan({"x": []}), {"x": lambda _: "from inside"})

    def body(inputs):
        return inner.invoke({"campaign": inputs["campaign"]})["result"]["deliverables"]["x"]

    assert run(compile_plan(make_plan({"a": []}), {"a": body}), how=how)["a"]["output"] == {"a": "from inside"}


def test_streams_of_subgraphs_reach_the_caller():
    def write(_):
        return {"a": "text"}

    graph = compile_plan(make_plan({"a": []}), {"a": subgraph(write)})
    chunks = list(graph.stream(INPUT, stream_mode="updates", subgraphs=True))
    assert any("write" in update for namespace, update in chunks if namespace)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_streams_of_checkpoints_hold_nothing_of_how_it_works(strategy):
    """LangGraph's server sends them to clients as JSON."""
    plan = make_plan({"a": [], "b": ["a"]}, strategy=strategy)
    graph = compile_plan(plan, Notebook().bodies("ab"), checkpointer=InMemorySaver())
    parts = list(graph.stream(INPUT, thread(), stream_mode="checkpoints"))
    assert {key for part in parts for key in part["config"]["configurable"]} == {
        "thread_id",
        "checkpoint_ns",
        "checkpoint_id",
    }
    json.dumps(parts)
