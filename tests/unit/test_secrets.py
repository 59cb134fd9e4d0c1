"""Names of secrets in a catalog: which there may be, what plans know of them, what is shown of them."""

from typing import Any

import pytest

from planner_graph import AgentSpec, Campaign, Catalog, MasterPlanner, Rule
from planner_graph.catalog import check
from planner_graph.compiler.approval import request
from planner_graph.compiler.node import describe
from planner_graph.errors import CatalogError
from planner_graph.planning.comparison import compare, compare_campaigns
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.redaction import without_secrets
from planner_graph.types import AgentName


def spec(**fields: Any) -> AgentSpec:
    return AgentSpec.model_validate(fields)


def rule(**fields: Any) -> Rule:
    return Rule.model_validate(fields)


LOGIN = spec(name="login", inputs=["account"], outputs=["session"], configuration={"pin": "1"})
OTHER = spec(name="other")
RULE = rule(name="all", select=("login",))


def catalog(*secrets, by=RULE):
    return Catalog.of(LOGIN, OTHER, rules=[by], secrets=secrets)


def plan_of(made, **campaign):
    given = Campaign(include_images=True, provided={"account": "a", "unread": 1}, **campaign)
    return MasterPlanner(made).create_execution_plan(given)


def test_a_plan_names_the_secrets_that_concern_it():
    assert plan_of(catalog("session", "pin", "account", "other")).secrets == ("account", "pin", "session")


def test_a_plan_that_none_concerns_keeps_its_hash():
    assert plan_of(catalog("other")).hash == plan_of(catalog()).hash
    assert b"secrets" not in plan_of(catalog()).canonical_json()


def test_a_plan_is_read_back_with_its_secrets():
    plan = plan_of(catalog("pin"))
    assert ExecutionPlan.from_json(plan.canonical_json()) == plan


def test_a_name_that_nothing_declares_is_a_finding_with_the_nearest_one():
    [finding] = check.findings(catalog("sesion"))
    assert finding.problem == "the secret 'sesion' is no input, output or configuration key of an agent"
    assert "session" in finding.remedy


def test_a_file_names_secrets_and_what_is_wrong_with_them(tmp_path):
    (tmp_path / "good.yaml").write_text("agents: {a: {}}\nsecrets: [a]\n")
    assert Catalog.load(tmp_path / "good.yaml").secrets == ("a",)
    (tmp_path / "bad.yaml").write_text("agents: {a: {}}\nsecrets: [a, a, campaign, 3]\n")
    with pytest.raises(CatalogError) as raised:
        Catalog.load(tmp_path / "bad.yaml")
    assert {finding.line for finding in raised.value.findings} == {2}
    (tmp_path / "none.yaml").write_text("secrets: a\n")
    with pytest.raises(CatalogError):
        Catalog.load(tmp_path / "none.yaml")


def test_a_finding_about_a_name_says_where_it_stands(tmp_path):
    (tmp_path / "c.yaml").write_text("agents: {a: {}}\nsecrets:\n  - a\n  - b\n")
    [finding] = check.findings(Catalog.load(tmp_path / "c.yaml"))
    assert (finding.key, finding.line) == ("secrets[1]", 4)


def test_layers_add_their_names_up():
    assert catalog("pin").extended(Catalog.of(secrets=["session", "pin"])).secrets == ("pin", "session")


def test_a_plan_for_people_shows_no_secret_of_its_configuration():
    plan = plan_of(catalog("pin"))
    assert plan.by_agent[AgentName("login")].configuration == {"pin": "1"}
    assert plan.for_people().by_agent[AgentName("login")].configuration == {"pin": "(secret)"}
    assert plan_of(catalog("session")).for_people().hash == plan_of(catalog("session")).hash


def test_a_product_that_may_be_a_secret_output_is_hidden_too():
    by = rule(name="all", select=("login",), deliverables={"ticket": ["session"]})
    assert plan_of(catalog("session", by=by)).hidden_deliverables == {"session", "ticket"}


def test_what_differs_is_told_without_the_values():
    old = plan_of(catalog("pin"))
    new = plan_of(catalog("pin"), configuration={"login": {"pin": "swordfish"}})
    assert "agent 'login': configuration: 'pin': (secret) -> (secret)" in str(compare(old, new))
    campaigns = [
        Campaign(id="c", provided={"account": value}, configuration={"login": {"pin": value}}) for value in "ab"
    ]
    text = str(compare_campaigns(campaigns[0], campaigns[1], {"account", "pin"}))
    assert text.count("(secret)") == 4


def test_a_person_is_asked_without_the_values():
    inputs = {"account": "swordfish", "post": "see https://ann:geheim@host/", "campaign": {}}
    asked = request(AgentName("login"), without_secrets(inputs, ("account",)))
    assert asked["inputs"] == {"account": "(secret)", "post": "see https://ann:***@host/"}


def test_an_error_quotes_no_secret_even_where_it_is_cut():
    error = ValueError(f"{'x' * 1_995}swordfish and more")
    assert "sword" not in describe(error, ["swordfish"])["message"]
    assert "geh" not in describe(ValueError(f"{'x ' * 995}password=geheim"))["message"]
