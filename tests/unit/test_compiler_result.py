"""How a run ended, as its result tells it."""

import asyncio
import json

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.outcome import build_result
from planner_graph.compiler.wiring import final_agents
from planner_graph.planning.planner import MasterPlanner
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
REJECTED = {**SKIPPED, "error": {"type": "Rejected", "message": "rejected by ann"}}
LOST = {**SKIPPED, "error": {"type": "DependencyFailed", "message": "agent 'writer' failed"}}


def test_nothing_failed_means_completed():
    assert result(planned(*THREE))["status"] == "completed"


@pytest.mark.parametrize(
    ("ended", "status", "missing"),
    [
        ({}, "completed", []),
        ({"seo": FAILED}, "partial_success", ["title"]),
        ({"seo": FAILED, "image": FAILED}, "partial_success", ["picture", "title"]),
        ({"seo": FAILED, "image": FAILED, "writer": FAILED}, "failed", ["draft", "picture", "title"]),
    ],
)
def test_without_products_all_outputs_of_the_agents_asked_for_are_wanted(ended, status, missing):
    found = result(planned(*THREE), **ended)
    assert (found["status"], found["missing"]) == (status, missing)


@pytest.mark.parametrize(
    ("ended", "status", "missing"),
    [
        ({}, "completed", []),
        ({"seo": FAILED}, "completed", []),
        ({"image": FAILED, "seo": FAILED}, "partial_success", ["picture"]),
        ({"writer": FAILED, "image": FAILED}, "failed", ["draft", "picture"]),
        ({"writer": SKIPPED, "image": FAILED}, "failed", ["draft", "picture"]),
    ],
)
def test_with_deliverables_only_those_count(ended, status, missing):
    found = result(planned(*THREE, deliverables=["draft", "picture"]), **ended)
    assert (found["status"], found["missing"]) == (status, missing)


def test_deliverables_are_given_by_name_in_the_order_in_which_they_are_asked_for():
    found = result(planned(*THREE, deliverables=["title", "draft"]))["deliverables"]
    assert list(found.items()) == [("title", "the title"), ("draft", "the draft")]


BLOG = (
    spec("research", gives=["facts"]),
    spec("writer", uses=["facts"], gives=["draft"]),
    spec("editor", needs=["draft"], gives=["edited"]),
    spec("seo", needs=["edited"], gives=["optimized"]),
    spec("image", gives=["pictures"]),
    spec("tracking", gives=["tracking"]),
)
PRODUCTS = {
    "post": {"outputs": ["optimized", "edited", "draft"], "main": True},
    "pictures": {"outputs": ["pictures"], "required": False},
    "tracking": ["tracking"],
}
LOST_AFTER_EDITOR = {"editor": FAILED, "seo": LOST}


def blog(*, products=None, more=(), **ended):
    rule = {"name": "blog", "select": [item.name for item in BLOG], "deliverables": products or PRODUCTS}
    known = Catalog.of(*BLOG, *more, rules=[Rule.model_validate(rule)])
    return result(MasterPlanner(known).create_execution_plan(Campaign(include_images=True)), **ended)


def test_a_product_is_its_best_output_under_its_own_name():
    found = blog()
    assert found["deliverables"] == {"post": "the optimized", "pictures": "the pictures", "tracking": "the tracking"}
    assert (found["status"], found["missing"], found["excused"]) == ("completed", [], [])


@pytest.mark.parametrize(
    ("ended", "post"),
    [({"seo": FAILED}, "the edited"), (LOST_AFTER_EDITOR, "the draft")],
)
def test_a_product_is_the_best_output_that_there_is_and_the_run_a_partial_success(ended, post):
    found = blog(**ended)
    assert (found["status"], found["deliverables"]["post"], found["missing"]) == ("partial_success", post, [])


@pytest.mark.parametrize(
    ("ended", "status", "missing", "excused"),
    [
        pytest.param({"tracking": FAILED}, "partial_success", ["tracking"], [], id="a required one is missing"),
        pytest.param({"image": FAILED}, "partial_success", [], [], id="an optional one failed"),
        pytest.param({"research": FAILED}, "partial_success", [], [], id="what the post was made from failed"),
        pytest.param(
            {"writer": FAILED, "editor": LOST, "seo": LOST}, "failed", ["post"], [], id="the main one is missing"
        ),
        pytest.param({"tracking": REJECTED}, "completed", [], ["tracking"], id="rejected"),
        pytest.param({"image": REJECTED}, "completed", [], ["pictures"], id="an optional one rejected"),
        pytest.param({"seo": REJECTED}, "completed", [], [], id="a better output rejected"),
        pytest.param(
            {"writer": REJECTED, "editor": REJECTED, "seo": REJECTED}, "completed", [], ["post"], id="main rejected"
        ),
        pytest.param(
            {"writer": REJECTED, "editor": REJECTED, "seo": REJECTED, "tracking": FAILED},
            "failed",
            ["tracking"],
            ["post"],
            id="nothing left that is required",
        ),
        pytest.param({"research": REJECTED}, "completed", [], [], id="what the post could do without was rejected"),
    ],
)
def test_what_a_failure_touches_and_a_rejection_excuses(ended, status, missing, excused):
    found = blog(**ended)
    assert (found["status"], found["missing"], found["excused"]) == (status, missing, excused)


def test_a_failure_that_touches_no_product_leaves_the_run_completed():
    products = {"post": ["optimized", "edited"]}
    assert blog(products=products, tracking=FAILED, image=FAILED)["status"] == "completed"


def test_the_output_of_a_fallback_counts_as_that_of_its_agent():
    known = Catalog.of(
        spec("human", gives=["text"], fallback="machine"),
        spec("machine", gives=["text"]),
        rules=[Rule.model_validate({"name": "r", "select": ["human"], "deliverables": {"post": ["text"]}})],
    )
    plan = MasterPlanner(known).create_execution_plan(Campaign(include_images=True))
    found = result(plan, human=FAILED)
    assert (found["status"], found["deliverables"], found["missing"]) == ("completed", {"post": "the text"}, [])


def test_a_deliverable_that_the_campaign_provides_is_among_them():
    plan = planned(*THREE, deliverables=["brief", "draft"], provided={"brief": "mine"})
    assert result(plan, provided={"brief": "mine"})["deliverables"] == {"brief": "mine", "draft": "the draft"}


def of_an_earlier_version(plan):
    """Give the plan as it would have been stored before plans had products."""
    return plan.model_copy(update={"products": (), "deliverables": {}})


def test_a_plan_of_an_earlier_version_gives_the_outputs_of_the_last_agents():
    plan = planned(spec("a"), spec("b", after=["a"], gives=["x", "y"]), spec("c", after={"optional": ["b"]}))
    assert set(final_agents(plan)) == {"b", "c"}
    assert "products" not in json.loads(of_an_earlier_version(plan).canonical_json())
    assert result(of_an_earlier_version(plan))["deliverables"] == {"x": "the x", "y": "the y", "c": "the c"}


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
def test_in_a_plan_of_an_earlier_version_more_must_have_completed_than_failed(ended, status):
    assert result(of_an_earlier_version(planned(*THREE)), **ended)["status"] == status


def test_an_empty_output_is_a_deliverable_all_the_same():
    plan = planned(*THREE, deliverables=["draft"])
    found = result(plan, writer=record("completed", {"draft": None}), seo=FAILED)
    assert (found["status"], found["deliverables"], found["missing"]) == ("completed", {"draft": None}, [])


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
