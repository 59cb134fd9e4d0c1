"""Which agents run when the campaign provides something, when rules leave agents out, and what products call for."""

from typing import Any

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.planning.selection import Selection, select
from planner_graph.types import AgentName
from tests.catalogs import spec

TEAM = (
    spec("planner", gives=["strategy"]),
    spec("researcher", after=["planner"], gives=["trends", "figures"]),
    spec("writer", after=["researcher"], needs=["strategy"], uses=["trends"], gives=["draft", "teasers"]),
    spec("editor", needs=["draft"], uses=["teasers"], gives=["edited", "questions"]),
    spec("seo", needs=["edited"], gives=["optimized"]),
    spec("social", after=["seo"], needs=["edited"], uses=["teasers"], gives=["posts"]),
    spec("lawyer", uses=["edited"], gives=["findings"]),
)
ALL = [item.name for item in TEAM]


def chosen(rule: dict[str, Any], *more: dict[str, Any], **campaign: Any) -> Selection:
    rules = [Rule.model_validate({"name": f"r{number}", **one}) for number, one in enumerate((rule, *more))]
    selection, findings = select(
        Campaign.model_validate({"include_images": True, **campaign}), Catalog.of(*TEAM, rules=rules)
    )
    assert findings == []
    return selection


def test_hard_dependencies_come_with_their_own_ones_and_say_for_whom():
    reasons = chosen({"select": ["writer"]}).reasons
    assert reasons[AgentName("researcher")] == ("'writer' depends on it",)
    assert reasons[AgentName("planner")] == ("produces 'strategy', which 'writer' needs", "'researcher' depends on it")


def test_a_rule_leaves_an_agent_out_and_what_only_that_one_needed():
    selection = chosen({"select": ["social"], "without": ["seo", "researcher"]})
    assert list(selection.reasons) == ["planner", "writer", "editor", "social"]
    assert selection.left_out[AgentName("seo")] == "rule 'r0' leaves it out"


def test_what_one_rule_leaves_out_another_one_may_select():
    assert "seo" in chosen({"select": ["social"], "without": ["seo"]}, {"select": ["seo"]}).reasons


def test_an_agent_that_a_required_input_needs_cannot_be_left_out():
    assert "editor" in chosen({"select": ["seo"], "without": ["editor"]}).reasons


def test_what_is_provided_leaves_out_its_agent_and_the_chain_that_only_served_it():
    selection = chosen(
        {"select": ["planner", "writer", "editor", "social"], "without": ["seo"], "deliverables": {"posts": ["posts"]}},
        provided={"edited": "# Post", "teasers": []},
    )
    assert list(selection.reasons) == ["social"]
    assert dict(selection.left_out) == {
        "planner": "it would only serve 'researcher' and 'writer', which do not run",
        "researcher": "it would only serve 'writer', which does not run",
        "writer": "it would only serve 'editor', which does not run",
        "editor": "the campaign provides 'edited', and nothing else of it is needed",
        "seo": "rule 'r0' leaves it out",
        "lawyer": "no rule and no deliverable calls for it",
    }


def test_an_agent_does_not_run_for_what_it_need_not_give_once_what_is_needed_is_provided():
    """`teasers` are only used where there are any, here by one that needs nothing else of the writer."""
    rule = {"select": ["writer", "editor", "social"], "without": ["seo"], "deliverables": {"post": ["edited"]}}
    assert list(chosen(rule, provided={"draft": "text"}).reasons) == ["editor", "social"]


def test_an_agent_that_a_rule_selects_runs_for_what_is_only_used():
    """The lawyer reads the text and is read by nobody; the researcher is used by a writer who runs."""
    rule = {"select": ["lawyer", "editor"], "deliverables": {"post": ["edited"]}}
    assert {"lawyer", "editor"} <= set(chosen(rule).reasons)
    assert list(chosen(rule, provided={"edited": "text"}).reasons) == ["lawyer"]


def test_all_outputs_of_an_agent_asked_for_are_wanted_where_no_product_is_named():
    assert list(chosen({"select": ["editor"]}, provided={"edited": "text", "draft": "x"}).reasons) == ["editor"]
    assert [product.name for product in chosen({"select": ["editor"]}).products] == ["edited", "questions"]


@pytest.mark.parametrize(
    ("provided", "agents"),
    [
        ({}, ALL[:5]),
        ({"edited": "text"}, ["seo"]),
        ({"draft": "text"}, ["editor", "seo"]),
    ],
)
def test_a_product_is_made_of_what_is_better_than_what_is_provided(provided, agents):
    rule = {"select": ["writer", "editor", "seo"], "deliverables": {"post": ["optimized", "edited", "draft"]}}
    assert list(chosen(rule, provided=provided).reasons) == agents


def test_a_product_that_is_provided_at_its_best_needs_no_agent():
    rules = {"select": ["seo"], "deliverables": {"post": ["optimized", "edited"]}}, {"select": ["planner"]}
    selection = chosen(*rules, provided={"optimized": "text"})
    assert list(selection.reasons) == ["planner"]
    assert selection.products[0].outputs == ("optimized",)
    assert selection.products[0].sources == {"optimized": "campaign"}


def test_a_required_product_calls_for_the_agent_of_its_best_output_and_an_optional_one_for_none():
    products = {"post": ["optimized", "edited"], "findings": {"outputs": ["findings"], "required": False}}
    selection = chosen({"select": ["planner"], "deliverables": products})
    assert selection.reasons[AgentName("seo")] == ("produces 'optimized' for the deliverable 'post'",)
    assert "lawyer" not in selection.reasons
    assert [(product.name, product.sources) for product in selection.products] == [
        ("post", {"edited": "editor", "optimized": "seo"}),
        ("findings", {}),
    ]


def test_a_campaign_names_products_or_outputs_instead_of_those_of_the_rules():
    post = {"outputs": ["optimized", "edited"], "required": False, "main": False}
    rules = (
        {"select": ["planner"], "deliverables": ["strategy"]},
        {"when": {"campaign_type": "other"}, "select": ["writer"], "deliverables": {"post": post}},
    )
    selection = chosen(*rules, deliverables=["post", "findings"])
    assert [(product.name, product.required) for product in selection.products] == [("post", True), ("findings", True)]
    assert {"seo", "lawyer"} <= set(selection.reasons)


def test_rules_that_name_the_same_product_are_joined():
    [post, teasers] = chosen(
        {"select": ["writer"], "deliverables": {"post": {"outputs": ["edited"], "required": False}}},
        {"select": ["editor"], "deliverables": {"post": {"outputs": ["draft", "edited"], "main": True}}},
        {"select": ["writer"]},
    ).products
    assert (post.outputs, post.required, post.main) == (("edited", "draft"), True, True)
    assert teasers.name == "teasers", "the third rule names no product, so all that its agents give is wanted"


def test_agents_that_use_each_other_run_both_if_a_rule_selects_them():
    specs = spec("a", after={"optional": ["b"]}), spec("b", after=["a"])
    rule = Rule.model_validate({"name": "r", "select": ["a", "b"], "deliverables": {"p": ["c"]}})
    known = Catalog.of(*specs, spec("c"), rules=[rule])
    assert list(select(Campaign(include_images=True), known)[0].reasons) == ["a", "b", "c"]
