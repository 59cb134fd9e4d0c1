"""The marketing catalog that ships with the package: its agents, and what they are as the guide declares them."""

import re
from collections import Counter
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from planner_graph.campaign import Campaign, Task
from planner_graph.catalog import check
from planner_graph.catalog.catalog import Catalog
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName, DependencyKind

if TYPE_CHECKING:
    from planner_graph.catalog.rule import Condition

CATALOG = Catalog.builtin()

GUIDE = {
    "planner": (
        ["strategy_planning", "content_planning"],
        [],
        ["content_strategy", "key_themes", "content_calendar"],
        120,
        False,
    ),
    "researcher": (
        ["market_research", "competitive_analysis"],
        ["planner"],
        ["market_trends", "competitor_analysis", "industry_insights"],
        180,
        True,
    ),
    "writer": (
        ["content_creation", "copywriting"],
        ["planner", "researcher"],
        ["blog_content", "content_pieces"],
        300,
        True,
    ),
    "editor": (
        ["content_editing", "quality_assurance"],
        ["writer"],
        ["edited_content", "quality_improvements"],
        180,
        False,
    ),
    "seo": (
        ["seo_optimization", "keyword_optimization"],
        ["writer", "editor"],
        ["optimized_content", "seo_metadata"],
        120,
        True,
    ),
    # its prompts are written by an agent of their own, which depends on the planner
    "image": (["image_generation", "visual_content"], ["art_direction"], ["generated_images"], 240, True),
    # revision is read where it exists, and never waited for
    "social_media": (
        ["social_adaptation", "platform_optimization"],
        ["editor", "seo", "revision"],
        ["social_posts", "platform_content"],
        90,
        True,
    ),
}
STAND_INS = {"machine_translation"}
BLOG = ["planner", "researcher", "writer", "editor", "seo"]
PICTURES = ["art_direction", "image"]
FROM_CAMPAIGNS = {"brand_voice_guide", "customer_interview", "transcript"}
"""Inputs that no agent gives: a campaign may bring them along."""


def selected(campaign: Campaign) -> list[str]:
    return sorted(MasterPlanner(CATALOG).create_execution_plan(campaign).by_agent)


@pytest.mark.parametrize("name", GUIDE)
def test_the_seven_core_agents_are_as_the_guide_declares_them(name: str) -> None:
    capabilities, dependencies, outputs, seconds, parallel_safe = GUIDE[name]
    spec = CATALOG.agents[AgentName(name)]
    assert spec.type == name
    assert list(spec.capabilities) == capabilities
    assert [dependency.agent for dependency in spec.dependencies] == dependencies
    assert list(spec.outputs) == outputs
    assert spec.estimate_seconds == seconds
    assert spec.parallel_safe is parallel_safe
    assert (spec.max_retries, spec.timeout_seconds) == (3, 30 * 60)


def test_the_catalog_is_sound() -> None:
    assert check.findings(CATALOG) == []
    assert len(CATALOG.agents) >= 24


def test_each_input_has_a_producer_or_is_something_that_campaigns_bring_along() -> None:
    outputs = {output for spec in CATALOG.agents.values() for output in spec.outputs}
    inputs = {item.name for spec in CATALOG.agents.values() for item in spec.inputs}
    required = {item.name for spec in CATALOG.agents.values() for item in spec.inputs if item.required}
    assert inputs - outputs == FROM_CAMPAIGNS
    assert required <= outputs


def test_each_description_can_serve_as_a_prompt_and_names_every_output() -> None:
    for spec in CATALOG.agents.values():
        assert spec.description.startswith("You "), spec.name
        assert len(spec.description) > 200, spec.name
        assert [output for output in spec.outputs if f"`{output}`" not in spec.description] == [], spec.name


def test_agents_that_edit_say_what_they_could_not_carry_out() -> None:
    editors = [spec for spec in CATALOG.agents.values() if spec.name.endswith("_editor") or spec.name == "revision"]
    assert len(editors) > 10
    for spec in editors:
        assert (spec.type, spec.capabilities[0]) == ("editor", "content_editing"), spec.name
        assert "could not carry out" in spec.description, spec.name
        assert {"legal_findings", "required_disclosures"} <= {item.name for item in spec.inputs}, spec.name


def test_estimates_lie_well_within_the_limits_of_time() -> None:
    for spec in CATALOG.agents.values():
        assert spec.estimate_seconds * 2 < spec.timeout_seconds, spec.name
        assert 0 < spec.cost_estimate_usd <= 0.25, spec.name
        assert spec.resources, spec.name


def test_all_kinds_of_dependency_and_a_fallback_are_in_use() -> None:
    kinds = Counter(dependency.kind for spec in CATALOG.agents.values() for dependency in spec.dependencies)
    assert set(kinds) == set(DependencyKind)
    assert CATALOG.agents[AgentName("localization")].fallback == "machine_translation"


def test_writing_prompts_and_rendering_pictures_are_done_by_two_agents() -> None:
    givers = {output: spec for spec in CATALOG.agents.values() for output in spec.outputs}
    for words, picture in (("image_prompts", "generated_images"), ("infographic_layout", "infographic_image")):
        assert givers[words].name != givers[picture].name
        assert words in {item.name for item in givers[picture].inputs if item.required}
        assert "image_generation" in givers[picture].resources
        assert "image_generation" not in givers[words].resources


@pytest.mark.parametrize(
    ("campaign", "agents"),
    [
        (Campaign(type="blog_creation"), BLOG),
        (Campaign(type="blog_creation", content_types=("blog_post",)), BLOG),
        (Campaign(type="blog_creation", content_types=("blog_post", "image")), [*BLOG, *PICTURES]),
        (Campaign(type="blog_creation", include_images=True), [*BLOG, *PICTURES]),
        (Campaign(type="blog_creation", content_types=("social_media",)), [*BLOG, "social_media"]),
        (Campaign(type="content_repurposing"), ["planner", "writer", "editor", "social_media"]),
        (Campaign(type="blog_creation", tasks=(Task(type="image_generation"),)), [*BLOG, *PICTURES]),
        (Campaign(type="blog_creation", tasks=(Task(type="social_media_adaptation"),)), [*BLOG, "social_media"]),
        (Campaign(deliverables=("social_posts",)), [*BLOG, "social_media"]),
        (Campaign(deliverables=("generated_images",), provided={"key_themes": ["rain"]}), PICTURES),
        (Campaign(deliverables=("generated_images",), provided={"image_prompts": ["rain"]}), ["image"]),
    ],
)
def test_campaigns_of_the_guide_select_exactly_its_agents(campaign: Campaign, agents: list[str]) -> None:
    assert selected(campaign) == sorted(agents)


def test_posts_of_a_blog_campaign_depend_on_the_text_as_the_guide_has_it() -> None:
    plan = MasterPlanner(CATALOG).create_execution_plan(Campaign(type="blog_creation", content_types=("social_media",)))
    edges = {edge.agent: edge.kind for edge in plan.by_agent[AgentName("social_media")].dependencies}
    assert edges[AgentName("editor")] is DependencyKind.HARD
    assert AgentName("seo") in edges


def conditions(rule: str) -> list[Campaign]:
    """Give a campaign for each word, or each pair of words, to which a rule answers."""
    when: Condition = CATALOG.rules[rule].when
    keys = product(when.campaign_type or [None], when.content_type or [None], when.task_type or [None])
    return [
        Campaign(
            type=kind or ("blog_creation" if when.include_images else None),
            content_types=(content,) if content else (),
            tasks=(Task(type=task),) if task else (),
            include_images=bool(when.include_images),
        )
        for kind, content, task in keys
    ]


@pytest.mark.parametrize("rule", [name for name, rule in CATALOG.rules.items() if not rule.when.agents])
def test_each_rule_gives_a_plan_with_all_it_selects(rule: str) -> None:
    for campaign in conditions(rule):
        assert set(CATALOG.rules[rule].select) <= set(selected(campaign))


def test_an_integrated_campaign_plans_every_agent_but_those_of_other_kinds_and_the_stand_in_as_a_stand_in() -> None:
    plan = MasterPlanner(CATALOG).create_execution_plan(Campaign(type="integrated_campaign"))
    others = {
        "seo_audit",
        "white_paper",
        "white_paper_editor",
        "webinar",
        "webinar_editor",
        "podcast",
        "podcast_editor",
    }
    assert set(CATALOG.agents) - set(plan.by_agent) == others
    assert plan.stand_ins == {"localization": "machine_translation"}


def test_every_output_can_be_asked_for() -> None:
    outputs = tuple(dict.fromkeys(output for spec in CATALOG.agents.values() for output in spec.outputs))
    plan = MasterPlanner(CATALOG).create_execution_plan(Campaign(deliverables=outputs))
    assert plan.deliverables["localized_content"] == "localization"
    for output in outputs:
        assert output in MasterPlanner(CATALOG).create_execution_plan(Campaign(deliverables=(output,))).deliverables


SIMPLE = [rule for rule in CATALOG.rules.values() if len(rule.when.model_dump(exclude_none=True)) == 1]
"""Rules that answer to one key only."""


def test_the_documentation_names_every_word_and_every_agent() -> None:
    text = (Path(__file__).parents[2] / "docs" / "marketing.md").read_text(encoding="utf-8")
    tables = {row.partition("|")[0]: row for row in re.split(r"\n\n\| `?", text)}
    for key, header in (
        ("campaign_type", "type` "),
        ("content_type", "content_types` "),
        ("task_type", "tasks: [{type: ...}]` "),
    ):
        rows = [row for row in tables[header].splitlines() if row.startswith("| `")]
        documented = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in rows]
        known = [list(words) for rule in SIMPLE if (words := getattr(rule.when, key))]
        assert sorted(documented) == sorted(known)
    agents = re.findall(r"`(\w+)`", text.partition("\n## Agents\n")[2])
    assert sorted(agents) == sorted(CATALOG.agents)
