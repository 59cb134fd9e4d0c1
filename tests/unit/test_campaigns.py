"""A graph that plans the campaigns it is given: it holds every agent, and starts those of the plan."""

import asyncio
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt

from planner_graph.campaign import Campaign
from planner_graph.compiler.beginning import begin_with
from planner_graph.compiler.campaigns import compile_planner
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.state import StoredPlan
from planner_graph.errors import (
    CampaignError,
    PlanError,
    PlanMismatchError,
    StoredPlanError,
    StrangeAgentError,
    UnboundAgentsError,
)
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName
from tests.catalogs import catalog, spec
from tests.fakes import Notebook, thread

STRATEGIES = ("sequential", "parallel", "adaptive")
BOTH = ("invoke", "ainvoke")
TEAM = (
    spec("brief"),
    spec("facts", after=["brief"]),
    spec("text", after=["facts"]),
    spec("picture", after=["brief"]),
    spec("page", after={"hard": ["text"], "soft": ["picture"]}),
    spec("film", after=["brief"], fallback="slides"),
    spec("slides", gives=["film"]),
)
PAGE = ["brief", "facts", "picture", "text", "page"]
SELECT = {"post": ["brief", "facts", "text"], "page": PAGE, "film": ["brief", "film"]}
POST: Any = {"campaign": {"id": "c", "type": "post"}}
GIVEN: Any = {
    "status": "completed",
    "output": {"facts": "by hand"},
    "error": None,
    "reason": None,
    "replaces": None,
    "attempts": 1,
    "started_at": None,
    "ended_at": "2026-01-01T00:00:00+00:00",
    "usage": None,
}
WEB: Any = {"campaign": {"id": "c", "type": "page"}}


def planner_of(*specs):
    return MasterPlanner(catalog(*(specs or TEAM), select=SELECT))


def compiled(notes, saver=None, **others):
    return compile_planner(planner_of(), notes.bodies((each.name for each in TEAM), **others), checkpointer=saver)


def go(graph, given, *, how="ainvoke", config=None, **options):
    if how == "ainvoke":
        return asyncio.run(graph.ainvoke(given, config or thread(), **options))
    return graph.invoke(given, config or thread(), **options)


def by(strategy) -> Any:
    return {"context": {"strategy": strategy}}


def edges(drawn):
    return [(edge.source, edge.target, edge.conditional) for edge in drawn.edges]


def text_graph():
    """Give an agent that is itself a graph of two nodes."""

    class State(TypedDict, total=False):
        facts: Any
        text: str

    builder = StateGraph(State)
    builder.add_node("think", lambda _: {})
    builder.add_node("write", lambda state: {"text": f"text of {state['facts']}"})
    builder.add_edge(START, "think")
    builder.add_edge("think", "write")
    return builder.compile()


def asks(_):
    return interrupt("well?")


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_runs_the_agents_of_the_plan_and_no_other_in_an_order_that_the_plan_allows(strategy, how):
    notes = Notebook()
    graph = compiled(notes)
    result = go(graph, WEB, how=how, **by(strategy))["result"]
    assert (result["status"], list(result["deliverables"])) == ("completed", PAGE)
    assert sorted(notes.ended) == sorted(PAGE)
    assert notes.inputs["page"][0].keys() >= {"text", "picture"}
    assert [agent for agent in notes.started if agent != "picture"] == ["brief", "facts", "text", "page"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_its_state_holds_the_plan_and_each_thread_has_one_of_its_own(strategy):
    graph = compiled(Notebook(), InMemorySaver())
    for kind in ("post", "page"):
        go(graph, {"campaign": {"id": "c", "type": kind}}, config=thread(kind), **by(strategy))
    for kind in ("post", "page"):
        state = graph.get_state(thread(kind)).values
        assert [step["agent"] for step in state["plan"]["steps"]] == list(state["result"]["agents"])
        assert sorted(state["result"]["agents"]) == sorted(SELECT[kind])
        assert state["plan"]["strategy"] == strategy


def test_agents_receive_the_whole_campaign():
    notes = Notebook()
    go(compiled(notes), POST)
    assert notes.inputs["brief"][0]["campaign"].keys() >= {"sources", "content_types", "limits", "provided"}


def test_without_a_context_the_campaign_chooses_the_strategy():
    graph = compiled(Notebook(), InMemorySaver())
    go(graph, {"campaign": {"type": "post", "strategy": "sequential"}})
    assert graph.get_state(thread()).values["plan"]["strategy"] == "sequential"


def test_a_context_may_hold_what_all_campaigns_have_in_common():
    graph = compiled(Notebook(), InMemorySaver())
    context: Any = {"campaign": {"type": "page", "brief": "common"}}
    go(graph, {"campaign": {"brief": "own"}}, context=context)
    campaign = graph.get_state(thread()).values["campaign"]
    assert (campaign["type"], campaign["brief"]) == ("page", "own")


@pytest.mark.parametrize(
    ("given", "context", "error", "words"),
    [
        ({"type": "poem"}, {}, PlanError, "unknown campaign type 'poem'"),
        ({"typ": "post"}, {}, CampaignError, "campaign.typ: unknown key 'typ'; remove it, did you mean 'type'"),
        ("post", {}, CampaignError, "'campaign' is a str"),
        ({"type": "post"}, {"strategy": "fast"}, PlanError, "unknown strategy 'fast'"),
        ({}, {"campaign": ["post"]}, CampaignError, "'context.campaign' is a list"),
        ({}, {}, PlanError, "the campaign asks for nothing"),
        (None, {}, CampaignError, "the input has no campaign; give one under 'campaign'"),
    ],
)
@pytest.mark.parametrize("how", BOTH)
def test_what_cannot_be_planned_is_refused_in_words(given, context, error, words, how):
    notes = Notebook()
    with pytest.raises(error, match=words):
        go(compiled(notes), {"campaign": given}, how=how, context=context)
    assert notes.started == []


def test_agents_without_a_body_are_no_nodes_and_a_plan_that_needs_them_is_refused():
    notes = Notebook()
    graph = compile_planner(planner_of(), notes.bodies(["brief", "facts", "text"]))
    assert set(graph.get_graph().nodes) == {"__start__", "plan", "brief", "facts", "text", "finish", "__end__"}
    assert go(graph, POST)["result"]["status"] == "completed"
    with pytest.raises(UnboundAgentsError, match="'page'"):
        go(graph, WEB)


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_question_is_answered_by_a_graph_compiled_anew(strategy, how):
    """As after a restart: the plan is that of the thread, whatever the context says by then."""
    notes, saver = Notebook(), InMemorySaver()
    asked = go(compiled(notes, saver, text=asks), WEB, how=how, **by(strategy))
    assert [question.value for question in asked["__interrupt__"]] == ["well?"]
    final = go(compiled(notes, saver, text=asks), Command(resume="yes"), how=how, **by("sequential"))
    assert final["result"]["status"] == "completed"
    assert sorted(notes.ended) == sorted(set(PAGE) - {"text"}), "nobody ran twice"
    assert notes.inputs["page"][0]["text"] == "yes"


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_new_input_on_a_thread_is_planned_anew_and_finds_nothing_of_the_run_before(strategy, how):
    notes = Notebook()
    graph = compiled(notes, InMemorySaver())
    go(graph, WEB, how=how, **by(strategy))
    notes.events.clear()
    result = go(graph, POST, how=how, **by(strategy))["result"]
    assert sorted(result["agents"]) == sorted(SELECT["post"])
    assert sorted(notes.ended) == sorted(SELECT["post"])
    assert graph.get_state(thread()).values.get("page") is None


@pytest.mark.parametrize("stopped", ["interrupt_before", "interrupt_after"])
@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_a_breakpoint_stops_at_an_agent(strategy, stopped):
    notes = Notebook()
    graph = compiled(notes, InMemorySaver())
    go(graph, WEB, **by(strategy), **{stopped: ["text"]})
    assert ("text" in notes.ended) is (stopped == "interrupt_after")
    assert "page" not in notes.started
    state = graph.get_state(thread())
    assert "text" in state.next if stopped == "interrupt_before" else state.values["text"]["status"] == "completed"
    assert go(graph, None)["result"]["status"] == "completed"
    assert sorted(notes.ended) == sorted(PAGE)


@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_history_tells_each_step_and_a_fork_runs_from_there(strategy):
    notes = Notebook()
    graph = compiled(notes, InMemorySaver())
    go(graph, WEB, **by(strategy))
    history = list(graph.get_state_history(thread()))
    before = next(state for state in history if "text" in state.next)
    assert before.values["facts"]["status"] == "completed"
    assert before.values.get("page") is None
    notes.events.clear()
    forked = graph.update_state(
        before.config, {"facts": {**before.values["facts"], "output": {"facts": "other"}}}, as_node="facts"
    )
    assert "text" in graph.get_state(forked).next
    final = go(graph, None, config=forked)
    assert final["result"]["status"] == "completed"
    assert notes.inputs["text"][-1]["facts"] == "other"
    assert {"text", "page"} <= set(notes.ended) <= {"text", "page", "picture"}


@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_a_record_may_be_given_in_an_agents_place(strategy):
    notes = Notebook()
    graph = compiled(notes, InMemorySaver())
    go(graph, WEB, **by(strategy), interrupt_before=["text"])
    stand_in = {**graph.get_state(thread()).values["facts"], "output": {"text": "by hand"}}
    graph.update_state(thread(), {"text": stand_in}, as_node="text")
    assert set(graph.get_state(thread()).next) == {"picture" if strategy == "sequential" else "page"}
    assert go(graph, None)["result"]["status"] == "completed"
    assert "text" not in notes.started
    assert notes.inputs["page"][0]["text"] == "by hand"


@pytest.mark.parametrize("strategy", ["parallel", "adaptive"])
def test_who_starts_beside_an_agent_whose_record_is_given_still_runs(strategy):
    notes = Notebook()
    graph = compiled(notes, InMemorySaver())
    go(graph, WEB, **by(strategy), interrupt_before=["picture"])
    beside = set(graph.get_state(thread()).next)
    assert {"facts", "picture"} <= beside
    graph.update_state(thread(), {"facts": GIVEN}, as_node="facts")
    assert set(graph.get_state(thread()).next) == beside - {"facts"}
    assert go(graph, None)["result"]["status"] == "completed"
    assert "facts" not in notes.started
    assert "picture" in notes.ended
    assert notes.inputs["text"][0]["facts"] == "by hand"


@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_an_agent_whose_record_is_taken_away_runs_again(strategy):
    notes = Notebook()
    graph = compiled(notes, InMemorySaver())
    go(graph, WEB, **by(strategy), interrupt_before=["page"])
    graph.update_state(thread(), {"text": None}, as_node="text")
    assert graph.get_state(thread()).next == ("text",)
    assert go(graph, None)["result"]["status"] == "completed"
    assert notes.started.count("text") == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_record_of_an_agent_that_is_not_in_the_plan_is_refused_in_words(strategy):
    graph = compiled(Notebook(), InMemorySaver())
    with pytest.raises(StrangeAgentError, match="agent 'film' has no part in this thread: it has no plan; start a run"):
        graph.update_state(thread(), {"film": GIVEN}, as_node="film")
    go(graph, POST, **by(strategy))
    with pytest.raises(StrangeAgentError, match="it is not in the plan; name one of: brief, facts, text"):
        graph.update_state(thread(), {"film": GIVEN}, as_node="film")
    assert graph.get_state(thread()).values["result"]["status"] == "completed"
    with pytest.raises(StrangeAgentError, match="'film' has no part in this thread: it is not in the plan"):
        go(graph, Command(goto="film"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_thread_whose_plan_has_an_agent_that_is_gone_is_refused(strategy):
    """LangGraph would find nothing to do, and return as if all were done."""
    saver = InMemorySaver()
    go(compiled(Notebook(), saver, text=asks), WEB, **by(strategy))
    smaller = compile_planner(
        planner_of(*(each for each in TEAM if each.name != "picture")),
        Notebook().bodies(each.name for each in TEAM),
        checkpointer=saver,
    )
    for use in (
        lambda: go(smaller, Command(resume="yes")),
        lambda: go(smaller, None, how="invoke"),
        lambda: smaller.get_state(thread()),
    ):
        with pytest.raises(UnboundAgentsError, match="no body is bound to 1 agent of the plan:\n  'picture'"):
            use()


@pytest.mark.parametrize(
    ("change", "error"), [({"campaign_id": "other"}, PlanMismatchError), ({"schema_version": 99}, StoredPlanError)]
)
def test_a_plan_that_was_changed_in_the_thread_is_refused(change, error):
    graph = compiled(Notebook(), InMemorySaver())
    go(graph, WEB, **by("parallel"), interrupt_before=["text"])
    changed = {**graph.get_state(thread()).values["plan"], **change}
    with pytest.raises(error):
        graph.update_state(thread(), {"plan": changed}, as_node="facts")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_it_draws_all_agents_until_there_is_a_plan_and_then_that(strategy):
    graph = compiled(Notebook(), InMemorySaver())
    before = graph.get_graph(thread())
    assert edges(before) == edges(graph.get_graph())
    assert ("text", "page", False) in edges(before)
    assert ("picture", "page", True) in edges(before)
    assert ("film", "slides", True) in edges(before)
    assert before.nodes["text"].metadata == {
        "planner_graph_agent": "text",
        "agent_type": "generic",
        "estimate_seconds": 60.0,
    }
    await graph.ainvoke(WEB, thread(), **by(strategy))
    plan = planner_of().create_execution_plan(Campaign.model_validate(WEB["campaign"]), strategy)
    alone = compile_plan(plan, Notebook().bodies(PAGE))
    for drawn in (graph.get_graph(thread()), await graph.aget_graph(thread())):
        assert edges(drawn) == edges(alone.get_graph())
        assert {name: node.metadata for name, node in drawn.nodes.items()} == {
            name: node.metadata for name, node in alone.get_graph().nodes.items()
        }


def test_xray_looks_into_agents_that_are_graphs():
    graph = compiled(Notebook(), text=text_graph())
    assert {("facts", "text:think", False), ("text:think", "text:write", False), ("text:write", "page", False)} <= set(
        edges(graph.get_graph(xray=True))
    )
    assert ("facts", "text", False) in edges(graph.get_graph())


def test_its_form_offers_what_its_agents_can_do():
    form = compile_planner(planner_of(), Notebook().bodies(["brief", "facts", "text"])).get_input_jsonschema()
    fields = form["properties"]["campaign"]["properties"]
    assert fields["type"]["anyOf"][0]["enum"] == ["post"]
    assert fields["deliverables"]["items"]["enum"] == ["brief", "facts", "text"]
    assert "$ref" not in str(form)
    assert "content_types" in fields


def test_its_context_has_a_schema():
    schema = compiled(Notebook()).get_context_jsonschema()
    assert schema is not None
    assert schema["properties"]["strategy"]["enum"] == list(STRATEGIES)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("how", BOTH)
def test_as_a_node_of_a_bigger_graph(strategy, how):
    class Outer(TypedDict, total=False):
        campaign: dict[str, Any]
        result: dict[str, Any]

    builder = StateGraph(Outer)
    builder.add_node("campaigns", compiled(Notebook(), text=asks))
    builder.add_edge(START, "campaigns")
    builder.add_edge("campaigns", END)
    outer = builder.compile(checkpointer=InMemorySaver())
    given: Any = {"campaign": {"type": "page", "strategy": strategy}}
    go(outer, given, how=how)
    assert go(outer, Command(resume="yes"), how=how)["result"]["status"] == "completed"


def test_a_long_chain_stays_below_the_recursion_limit():
    chain = [spec(f"a{n}", after=[f"a{n - 1}"] if n else []) for n in range(60)]
    graph = compile_planner(MasterPlanner(catalog(*chain)), Notebook().bodies(each.name for each in chain))
    assert go(graph, {"campaign": {"type": "all"}}, **by("sequential"))["result"]["status"] == "completed"


@pytest.mark.parametrize("mode", ["updates", "custom", "values", "tasks"])
def test_streams_tell_of_each_agent(mode):
    graph = compiled(Notebook(), text=text_graph())
    parts = list(graph.stream(WEB, stream_mode=mode, subgraphs=True))
    told = [part for _, part in parts]
    if mode == "custom":
        assert [part["agent"] for part in told if part["event"] == "agent_ended"][-1] == "page"
        assert all(part["at"] for part in told)
    elif mode == "updates":
        assert {name for part in told for name in part} >= set(PAGE)
        assert any(namespace and namespace[0].startswith("text:") for namespace, _ in parts)
    elif mode == "tasks":
        assert {part["name"] for part in told} >= set(PAGE)
    else:
        assert told[-1]["result"]["status"] == "completed"


@pytest.mark.parametrize("how", BOTH)
def test_a_copy_takes_over_the_platforms_checkpointer_and_store(how):
    async def body(_):
        item = await get_store().aget(("team",), "word")
        return item and item.value["is"]

    store = InMemoryStore()
    store.put(("team",), "word", {"is": "kept"})
    graph = compiled(Notebook(), text=body).copy(update={"checkpointer": InMemorySaver(), "store": store})
    go(graph, WEB, how=how)
    assert graph.get_state(thread()).values["text"]["output"] == {"text": "kept"}


async def test_it_cannot_begin_in_the_middle():
    with pytest.raises(TypeError, match="no graph of a plan"):
        await begin_with(compiled(Notebook(), InMemorySaver()), thread(), WEB["campaign"], {})


def test_a_plan_that_is_none_is_refused_in_words():
    graph = compiled(Notebook(), InMemorySaver())
    go(graph, WEB, **by("parallel"), interrupt_before=["text"])
    with pytest.raises(StoredPlanError, match="the plan is of version None"):
        graph.update_state(thread(), {"plan": {}}, as_node="facts")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_state_is_copied_for_no_agent_that_ends(strategy, monkeypatch):
    """LangGraph copies all channels for each conditional edge: of 1,000 agents, each took 6 ms more."""
    copies, copy = [], StoredPlan.copy

    def counted(channel):
        copies.append(channel)
        return copy(channel)

    monkeypatch.setattr(StoredPlan, "copy", counted)
    go(compiled(Notebook()), WEB, **by(strategy))
    assert len(copies) == 1  # for the entry


def test_a_copy_of_the_stored_plan_looks_at_none_of_its_agents():
    channel = StoredPlan([AgentName("a")])
    plan: Any = Unread()
    channel.value = plan
    assert channel.copy().get() is plan


class Unread(dict[str, Any]):
    """A plan that nobody may look into."""

    def get(self, *_: Any) -> Any:
        pytest.fail("the plan is looked at")
