"""Inputs of which one is enough: what is selected for them, and what an agent then depends on."""

from typing import Any

import pytest

from planner_graph import AgentSpec, Campaign, Catalog, MasterPlanner, Rule
from planner_graph.errors import PlanError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, DependencyKind


def spec(name: str, *inputs: Any, outputs: tuple[str, ...] = (), **fields: Any) -> AgentSpec:
    return AgentSpec.model_validate({"name": name, "inputs": inputs, "outputs": outputs or (name,), **fields})


TRANSLATOR = spec("translation", {"one_of": ["article", "page", "mail"]})
CATALOG = Catalog.of(spec("article"), spec("page"), spec("mail"), TRANSLATOR)


def planned(catalog: Catalog = CATALOG, **campaign: Any) -> ExecutionPlan:
    return MasterPlanner(catalog).create_execution_plan(Campaign(**campaign))


def edges(plan: ExecutionPlan, agent: str) -> dict[str, DependencyKind]:
    return {edge.agent: edge.kind for edge in plan.by_agent[AgentName(agent)].dependencies}


def test_if_nothing_gives_any_of_them_the_first_is_made() -> None:
    plan = planned(deliverables=("translation",))
    assert set(plan.by_agent) == {"article", "translation"}
    assert edges(plan, "translation") == {"article": DependencyKind.HARD}


def test_one_that_is_made_anyway_is_enough_and_cannot_be_done_without() -> None:
    plan = planned(deliverables=("translation", "mail"))
    assert set(plan.by_agent) == {"mail", "translation"}
    assert edges(plan, "translation") == {"mail": DependencyKind.HARD}


def test_of_several_that_are_made_it_takes_what_there_is() -> None:
    plan = planned(deliverables=("translation", "mail", "page"))
    assert edges(plan, "translation") == {"page": DependencyKind.SOFT, "mail": DependencyKind.SOFT}


def test_one_that_the_campaign_brings_along_is_enough() -> None:
    plan = planned(deliverables=("translation",), provided={"page": "# Page"})
    assert set(plan.by_agent) == {"translation"}
    assert plan.by_agent[AgentName("translation")].inputs == {"page": "campaign"}


def test_what_all_others_are_made_from_cannot_be_done_without() -> None:
    catalog = Catalog.of(
        spec("article"), spec("edited", "article"), spec("translation", {"one_of": ["edited", "article"]})
    )
    plan = planned(catalog, deliverables=("translation", "edited"))
    assert edges(plan, "translation") == {"article": DependencyKind.HARD, "edited": DependencyKind.SOFT}


def test_a_soft_dependency_on_the_only_one_becomes_hard() -> None:
    translator = TRANSLATOR.model_copy(
        update={"dependencies": spec("x", dependencies={"soft": ["article"], "optional": ["page"]}).dependencies}
    )
    plan = planned(Catalog.of(spec("article"), spec("page"), spec("mail"), translator), deliverables=("translation",))
    assert edges(plan, "translation") == {"article": DependencyKind.HARD}


def test_if_no_agent_gives_the_first_the_finding_says_so() -> None:
    catalog = Catalog.of(spec("page"), spec("translation", {"one_of": ["article", "page"]}))
    with pytest.raises(
        PlanError, match="'translation' needs the input 'article', which neither an agent nor the campaign"
    ):
        planned(catalog, deliverables=("translation",))


def test_an_agent_that_only_serves_an_alternative_to_what_is_provided_does_not_run() -> None:
    rule = {
        "name": "all",
        "when": {"campaign_type": "any"},
        "select": ("article", "mail", "translation"),
        "deliverables": ["translation"],
    }
    catalog = Catalog.of(*CATALOG.agents.values(), rules=[Rule.model_validate(rule)])
    assert set(planned(catalog, type="any").by_agent) == {"article", "mail", "translation"}
    assert set(planned(catalog, type="any", provided={"page": "# Page"}).by_agent) == {"translation"}


def test_an_own_agent_may_read_what_it_likes_in_place_of_the_alternatives() -> None:
    own = Catalog.of(spec("translation", "page"))
    assert set(planned(CATALOG.extended(own), deliverables=("translation",)).by_agent) == {"page", "translation"}
