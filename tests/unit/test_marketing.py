"""The marketing catalog that ships with the package."""

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from planner_graph.campaign import Campaign, Task
from planner_graph.catalog import check
from planner_graph.catalog.catalog import Catalog
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import DependencyKind

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
    "image": (["image_generation", "visual_content"], ["planner"], ["generated_images", "image_prompts"], 240, True),
    "social_media": (
        ["social_adaptation", "platform_optimization"],
        ["editor", "seo"],
        ["social_posts", "platform_content"],
        90,
        True,
    ),
}
STAND_INS = {"machine_translation"}
BLOG = ["planner", "researcher", "writer", "editor", "seo"]


def selected(campaign: Campaign) -> list[str]:
    return sorted(MasterPlanner(CATALOG).create_execution_plan(campaign).by_agent)


@pytest.mark.parametrize("name", GUIDE)
def test_the_seven_core_agents_are_as_the_guide_declares_them(name: str) -> None:
    capabilities, dependencies, outputs, seconds, parallel_safe = GUIDE[name]
    spec = CATALOG.agents[name]  # type: ignore[index]  # a plain str is an agent's name
    assert spec.type == name
    assert list(spec.capabilities) == capabilities
    assert [(d.agent, d.kind) for d in spec.dependencies] == [(other, DependencyKind.HARD) for other in dependencies]
    assert list(spec.outputs) == outputs
    assert spec.estimate_seconds == seconds
    assert spec.parallel_safe is parallel_safe
    assert (spec.max_retries, spec.timeout_seconds) == (3, 30 * 60)


def test_the_catalog_is_sound() -> None:
    assert check.findings(CATALOG) == []
    assert len(CATALOG.agents) >= 24


def test_each_required_input_has_a_producer() -> None:
    outputs = {output for spec in CATALOG.agents.values() for output in spec.outputs}
    assert {item.name for spec in CATALOG.agents.values() for item in spec.inputs} <= outputs


def test_each_description_can_serve_as_a_prompt_and_names_every_output() -> None:
    for spec in CATALOG.agents.values():
        assert spec.description.startswith("You "), spec.name
        assert len(spec.description) > 200, spec.name
        assert [output for output in spec.outputs if f"`{output}`" not in spec.description] == [], spec.name


def test_all_kinds_of_dependency_and_a_fallback_are_in_use() -> None:
    kinds = Counter(dependency.kind for spec in CATALOG.agents.values() for dependency in spec.dependencies)
    assert set(kinds) == set(DependencyKind)
    assert CATALOG.agents["localization"].fallback == "machine_translation"  # type: ignore[index]


@pytest.mark.parametrize(
    ("campaign", "agents"),
    [
        (Campaign(type="blog_creation"), BLOG),
        (Campaign(type="blog_creation", content_types=("blog_post",)), BLOG),
        (Campaign(type="blog_creation", content_types=("blog_post", "image")), [*BLOG, "image"]),
        (Campaign(type="blog_creation", include_images=True), [*BLOG, "image"]),
        (Campaign(type="blog_creation", content_types=("social_media",)), [*BLOG, "social_media"]),
        (Campaign(type="content_repurposing"), ["planner", "writer", "editor", "social_media"]),
        (Campaign(type="blog_creation", tasks=(Task(type="image_generation"),)), [*BLOG, "image"]),
        (Campaign(type="blog_creation", tasks=(Task(type="social_media_adaptation"),)), [*BLOG, "social_media"]),
        (Campaign(deliverables=("social_posts",)), [*BLOG, "social_media"]),
        (Campaign(deliverables=("generated_images",), provided={"key_themes": ["rain"]}), ["image"]),
    ],
)
def test_campaigns_of_the_guide_select_exactly_its_agents(campaign: Campaign, agents: list[str]) -> None:
    assert selected(campaign) == sorted(agents)


def conditions(rule: str) -> Campaign:
    when: Condition = CATALOG.rules[rule].when
    return Campaign(
        type=when.campaign_type or ("blog_creation" if when.include_images else None),
        content_types=(when.content_type,) if when.content_type else (),
        tasks=(Task(type=when.task_type),) if when.task_type else (),
        include_images=bool(when.include_images),
    )


@pytest.mark.parametrize("rule", CATALOG.rules)
def test_each_rule_gives_a_plan_with_all_it_selects(rule: str) -> None:
    assert set(CATALOG.rules[rule].select) <= set(selected(conditions(rule)))


@pytest.mark.parametrize("rule", [name for name, rule in CATALOG.rules.items() if rule.when.campaign_type])
def test_a_campaign_type_selects_everything_that_runs_for_it_and_starts_with_the_planner(rule: str) -> None:
    assert set(selected(conditions(rule))) - set(CATALOG.rules[rule].select) <= STAND_INS | {"researcher"}
    assert CATALOG.rules[rule].select[0] == "planner"


def test_an_integrated_campaign_plans_every_agent_and_the_stand_in_as_a_stand_in() -> None:
    plan = MasterPlanner(CATALOG).create_execution_plan(Campaign(type="integrated_campaign"))
    assert set(plan.by_agent) == set(CATALOG.agents)
    assert plan.stand_ins == {"localization": "machine_translation"}


def test_every_output_can_be_asked_for() -> None:
    outputs = tuple(output for spec in CATALOG.agents.values() for output in spec.outputs)
    plan = MasterPlanner(CATALOG).create_execution_plan(Campaign(deliverables=tuple(dict.fromkeys(outputs))))
    assert plan.deliverables["localized_content"] == "localization"
