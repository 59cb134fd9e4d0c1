"""An agent whose approval is required runs only after a person has said so; everything else goes on meanwhile."""

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from planner_graph.campaign import Campaign
from planner_graph.compiler.approval import LEAST_SHOWN, SHOWN, is_request, request
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.events import own_event
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName
from tests.catalogs import catalog, spec
from tests.fakes import INPUT, FakeClock, Notebook, run, thread

STRATEGIES = ("sequential", "parallel", "adaptive")
SPECS = (
    spec("writer", gives=["text"]),
    spec("publisher", after=["writer"], approval="required", fallback="intern"),
    spec("intern", gives=["publisher"]),
    spec("mailer", after=["publisher"]),
    spec("archive", after=["writer"]),
    spec("counter", after={"soft": ["publisher"]}),
)


def compiled(notes, strategy, *specs, **bodies):
    chosen = specs or SPECS
    needed = [agent.name for agent in chosen if agent.name != "intern"]
    planner = MasterPlanner(catalog(*chosen, select={"all": needed}))
    plan = planner.create_execution_plan(Campaign(id="campaign", type="all"), strategy)
    return compile_plan(plan, notes.bodies(plan.by_agent, **bodies), checkpointer=InMemorySaver(), clock=FakeClock())


def questions(graph):
    state = graph.get_state(thread())
    return {task.name: asked for task in state.tasks for asked in task.interrupts}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_agent_waits_for_approval_and_the_rest_of_the_plan_goes_on(strategy):
    notes = Notebook()
    graph = compiled(notes, strategy, writer=notes.body("writer", gives={"text": "a post"}))
    run(graph, config=thread())

    assert "publisher" not in notes.started
    if strategy == "adaptive":
        assert sorted(notes.ended) == ["archive", "writer"]
    asked = questions(graph)
    assert asked["publisher"].value == {"approve": "publisher", "inputs": {"text": "a post"}}

    final = run(graph, Command(resume={asked["publisher"].id: True}), thread())
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == ["archive", "counter", "mailer", "publisher", "writer"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (False, "rejected"),
        ("yes", "rejected"),
        (1, "rejected"),
        ({"approved": False, "by": "ann", "reason": "too\nlong"}, "rejected by ann: too long"),
        ({"approved": 1, "by": "ann", "reason": None}, "rejected by ann"),
        ({}, "rejected"),
    ],
)
def test_a_rejected_agent_is_skipped_with_those_who_need_it_and_no_other(strategy, answer, reason):
    notes = Notebook()
    graph = compiled(notes, strategy)
    run(graph, config=thread())
    final = run(graph, Command(resume={questions(graph)["publisher"].id: answer}), thread())

    assert sorted(notes.started) == ["archive", "counter", "writer"]
    assert (final["publisher"]["status"], final["publisher"]["reason"]) == ("skipped", reason)
    assert final["publisher"]["error"] == {"type": "Rejected", "message": reason}
    assert final["mailer"]["reason"] == f"hard dependency 'publisher' was skipped: {reason}"
    assert final["intern"]["reason"] == "not needed: 'publisher' was skipped"
    assert final["result"]["status"] == "completed"


def test_what_the_body_asks_itself_is_another_question_in_every_attempt():
    heard = []

    def publisher(_):
        heard.append(interrupt("which title?"))
        if len(heard) == 1:
            raise ConnectionError("once more")
        return heard[-1]

    notes = Notebook()
    graph = compiled(notes, "adaptive", spec("publisher", approval="required", max_retries=1), publisher=publisher)
    run(graph, config=thread())
    run(graph, Command(resume={questions(graph)["publisher"].id: True}), thread())
    assert questions(graph)["publisher"].value == "which title?"
    final = run(graph, Command(resume={questions(graph)["publisher"].id: "Cats"}), thread())

    assert heard == ["Cats", "Cats"]
    assert (final["publisher"]["status"], final["publisher"]["attempts"]) == ("completed", 2)


def test_to_ask_is_told_as_an_execution_that_waits_for_an_answer():
    graph = compiled(Notebook(), "adaptive", spec("publisher", approval="required"))

    def told(given):
        events = [own_event(item) for item in graph.stream(given, thread(), stream_mode="custom")]
        return [(event["event"], event.get("reason")) for event in events if event]

    assert told(INPUT) == [("agent_started", None), ("agent_interrupted", "it waits for an answer")]
    assert told(Command(resume=True)) == [("agent_started", None), ("agent_ended", None)]


def test_an_agent_that_is_skipped_anyway_is_not_asked_about():
    notes = Notebook()
    raising = notes.body("writer", raises=[TypeError("no")])
    graph = compiled(notes, "adaptive", *SPECS, writer=raising)
    final = run(graph, config=thread())
    assert questions(graph) == {}
    assert final["publisher"]["reason"].startswith("hard dependency 'writer' failed")


def test_a_request_shows_inputs_but_not_more_than_fits():
    inputs = {"long": "x" * 10_000, "short": {"a": [1]}, "campaign": {"id": "c"}, "configuration": {"k": "secret"}}
    shown = request(AgentName("a"), inputs)
    assert shown["inputs"]["short"] == {"a": [1]}
    assert shown["inputs"]["long"] == {"preview": '"' + "x" * (SHOWN // 2 - 1), "truncated": True}
    assert set(shown["inputs"]) == {"long", "short"}
    many = request(AgentName("a"), {str(number): "y" * 1_000 for number in range(1_000)})
    assert {len(value["preview"]) for value in many["inputs"].values()} == {LEAST_SHOWN}
    assert is_request(shown, AgentName("a"))
    assert not any(
        is_request(value, AgentName("a")) for value in (None, "approve", {"approve": "a"}, {**shown, "b": 1})
    )
    assert not is_request(shown, AgentName("b"))
