"""The words that campaigns and rules have in common."""

from typing import Any

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName

BUILTIN = MasterPlanner()


def told(**campaign: Any) -> list[str]:
    return [f"{finding.problem}; {finding.remedy}" for finding in BUILTIN.findings(Campaign.model_validate(campaign))]


@pytest.mark.parametrize(
    ("campaign", "remedy"),
    [
        ({"content_types": ["legal_review"]}, "'legal_review' is a task type: write tasks: [{type: legal_review}]"),
        (
            {"content_types": ["webinar_campaign"]},
            "'webinar_campaign' is a campaign type: write type: webinar_campaign",
        ),
        ({"content_types": ["blog_creation"]}, "'blog_creation' is a campaign type: write type: blog_creation"),
        ({"type": "newsletter"}, "'newsletter' is a content type: write content_types: [newsletter]"),
        ({"type": "market_research"}, "'market_research' is a task type: write tasks: [{type: market_research}]"),
        ({"tasks": [{"type": "infographic"}]}, "'infographic' is a content type: write content_types: [infographic]"),
        ({"tasks": [{"type": "product_launch"}]}, "'product_launch' is a campaign type: write type: product_launch"),
        # however it is spelled
        ({"content_types": ["Legal Review"]}, "'legal_review' is a task type: write tasks: [{type: legal_review}]"),
        ({"type": "Newsletter Campaign"}, "'newsletter' is a content type: write content_types: [newsletter]"),
        ({"type": "social_media_campaigns"}, "'social_media' is a content type: write content_types: [social_media]"),
        ({"type": "case-study"}, "'case_study' is a content type: write content_types: [case_study]"),
        ({"type": "press_releases"}, "'press_release' is a content type: write content_types: [press_release]"),
        # the same key, spelled in another way
        ({"content_types": ["White Paper"]}, "did you mean 'white_paper'?"),
        ({"content_types": ["newsletters"]}, "did you mean 'newsletter'?"),
        ({"content_types": ["blogpost"]}, "did you mean 'blog_post'?"),
        ({"type": "Podcast"}, "did you mean 'podcast'?"),
        ({"type": "blog_creaton"}, "did you mean 'blog_creation'?"),
    ],
)
def test_a_word_that_no_rule_looks_for_under_its_key_gets_a_hint_where_it_belongs(
    campaign: dict[str, Any], remedy: str
) -> None:
    [finding] = told(**campaign)
    assert finding.startswith("unknown ")
    assert finding.endswith(f"; {remedy}")


def test_a_word_that_resembles_none_gets_the_list() -> None:
    [finding] = told(type="xyzzy")
    assert finding.startswith("unknown campaign type 'xyzzy'; the catalog knows: blog_creation, content_repurposing, ")


@pytest.mark.parametrize("kind", ["type", "content_types"])
@pytest.mark.parametrize("word", ["localization", "localisation", "translation"])
def test_words_that_mean_the_same_call_for_the_same_agents(kind: str, word: str) -> None:
    campaign: dict[str, Any] = {kind: word if kind == "type" else [word]}
    plan = BUILTIN.create_execution_plan(Campaign(**campaign, provided={"case_study": "# Case"}))
    assert set(plan.by_agent) == {"localization", "machine_translation"}


@pytest.mark.parametrize(
    ("campaign", "other"),
    [
        ({"type": "white_paper"}, {"type": "whitepaper"}),
        ({"type": "pr"}, {"type": "public_relations"}),
        ({"type": "pr"}, {"type": "pr_campaign"}),
        ({"content_types": ["social_media"]}, {"content_types": ["posts"]}),
        ({"content_types": ["mails"]}, {"content_types": ["email_sequence"]}),
        ({"tasks": [{"type": "translation"}]}, {"tasks": [{"type": "localisation"}]}),
        ({"tasks": [{"type": "seo_optimization"}]}, {"tasks": [{"type": "seo_optimisation"}]}),
    ],
)
def test_synonyms_give_the_same_plan(campaign: dict[str, Any], other: dict[str, Any]) -> None:
    made = [BUILTIN.create_execution_plan(Campaign.model_validate({"id": "c", **words})) for words in (campaign, other)]
    assert made[0].products == made[1].products
    assert list(made[0].by_agent) == list(made[1].by_agent)


def test_a_rule_may_wait_for_agents_that_other_rules_put_into_the_plan() -> None:
    names = ("draft", "review", "rewrite", "archive")
    rules = [
        {"name": "archived", "when": {"agents": ["rewrite"]}, "select": ["archive"]},
        {"name": "rewritten", "when": {"agents": ["draft", "review"]}, "select": ["rewrite"]},
        {"name": "drafted", "when": {"content_type": "draft"}, "select": ["draft"]},
        {"name": "reviewed", "when": {"task_type": "review"}, "select": ["review"]},
    ]
    agents = [AgentSpec(name=AgentName(name)) for name in names]
    planner = MasterPlanner(Catalog.of(*agents, rules=[Rule.model_validate(rule) for rule in rules]))

    def planned(**campaign: Any) -> list[str]:
        return sorted(planner.create_execution_plan(Campaign.model_validate(campaign)).by_agent)

    assert planned(content_types=["draft"]) == ["draft"]
    assert planned(tasks=[{"type": "review"}]) == ["review"]
    both = {"content_types": ["draft"], "tasks": [{"type": "review"}]}
    assert planned(**both) == sorted(names)
    reasons = planner.create_execution_plan(Campaign.model_validate(both)).by_agent[AgentName("rewrite")].reasons
    assert reasons[0] == "'draft' and 'review' in one plan (rule 'rewritten')"
