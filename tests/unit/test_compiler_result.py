"""How a run ended, as its result tells it."""

import asyncio

import pytest

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.state import build_result
from planner_graph.compiler.wiring import final_agents
from tests.catalogs import spec
from tests.fakes import Notebook, planned

THREE = (spec("writer", gives=["draft"]), spec("image", gives=["picture"]), spec("seo", gives=["title"]))


def record(status, output=None):
    return {
        "status": status,
        "output": output,
        "error": None,
        "reason": None if status == "completed" else "why",
        "attempts": 1,
        "started_at": "then",
        "ended_at": "now",
        "usage": None,
    }


def result(plan, provided=None, **ended):
    """Build the result of a plan; agents not named have completed with a value for each output."""
    records = {
        agent: ended.get(agent) or record("completed", {name: f"the {name}" for name in step.outputs})
        for agent, step in plan.by_agent.items()
    }
    return build_result(plan, {"provided": provided or {}}, records)


FAILED, SKIPPED = record("failed"), record("skipped")


def test_nothing_failed_means_completed():
    assert result(planned(*THREE))["status"] == "completed"


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ({}, "completed"),
        ({"seo": FAILED}, "partial_success"),
        ({"seo": FAILED, "image": FAILED}, "failed"),
        ({"seo": FAILED, "image": SKIPPED}, "failed"),
        ({"seo": FAILED, "image": FAILED, "writer": FAILED}, "failed"),
    ],
)
def test_without_deliverables_more_must_have_completed_than_failed(ended, status):
    assert result(planned(*THREE), **ended)["status"] == status


@pytest.mark.parametrize(
    ("ended", "status", "missing"),
    [
        ({}, "completed", []),
        ({"seo": FAILED}, "partial_success", []),
        ({"image": FAILED, "seo": FAILED}, "partial_success", ["picture"]),
        ({"writer": FAILED, "image": FAILED}, "failed", ["draft", "picture"]),
        ({"writer": SKIPPED, "image": FAILED}, "failed", ["draft", "picture"]),
    ],
)
def test_with_deliverables_at_least_one_must_exist(ended, status, missing):
    found = result(planned(*THREE, deliverables=["draft", "picture"]), **ended)
    assert (found["status"], found["missing"]) == (status, missing)


def test_deliverables_are_given_by_name_in_the_order_of_the_plan():
    plan = planned(*THREE, deliverables=["title", "draft"])
    found = result(plan)["deliverables"]
    assert found == {"title": "the title", "draft": "the draft"}
    assert list(found) == list(plan.deliverables)


def test_a_deliverable_that_the_campaign_provides_is_among_them():
    plan = planned(*THREE, deliverables=["brief", "draft"], provided={"brief": "mine"})
    assert result(plan, provided={"brief": "mine"})["deliverables"] == {"brief": "mine", "draft": "the draft"}


def test_without_deliverables_the_outputs_of_the_last_agents_are_given():
    plan = planned(spec("a"), spec("b", after=["a"], gives=["x", "y"]), spec("c", after={"optional": ["b"]}))
    assert set(final_agents(plan)) == {"b", "c"}
    assert result(plan)["deliverables"] == {"x": "the x", "y": "the y", "c": "the c"}


def test_an_empty_output_is_a_deliverable_all_the_same():
    plan = planned(*THREE, deliverables=["draft"])
    found = result(plan, writer=record("completed", {"draft": None}), seo=FAILED)
    assert (found["status"], found["deliverables"], found["missing"]) == ("partial_success", {"draft": None}, [])


def test_each_agent_is_summed_up_without_its_output_in_execution_order():
    plan = planned(spec("b", after=["a"]), spec("a"))
    found = result(plan, b=FAILED)
    assert list(found["agents"]) == ["a", "b"]
    assert found["agents"]["b"] == {
        "status": "failed",
        "reason": "why",
        "attempts": 1,
        "started_at": "then",
        "ended_at": "now",
    }


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_the_graph_gives_the_result_and_nothing_else(how):
    plan = planned(*THREE, deliverables=["draft", "title"])
    notes = Notebook()
    bodies = notes.bodies(plan.by_agent, writer=lambda _: "text", seo=notes.body("seo", raises=[KeyError("no title")]))
    graph = compile_plan(plan, bodies)
    given = graph.invoke({"campaign": {}}) if how == "invoke" else asyncio.run(graph.ainvoke({"campaign": {}}))
    assert list(given) == ["result"]
    assert given["result"]["status"] == "partial_success"
    assert given["result"]["deliverables"] == {"draft": "text"}
    assert given["result"]["missing"] == ["title"]
    assert given["result"]["agents"]["seo"]["reason"] == "KeyError after 1 attempt: 'no title'"
