"""Names of secrets in a catalog: which there may be, what plans know of them, what is shown of them."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from planner_graph import AgentSpec, Campaign, Catalog, MasterPlanner, Rule
from planner_graph.catalog import check
from planner_graph.compiler.approval import request
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.failure import Failure, ReportedError
from planner_graph.compiler.node import describe
from planner_graph.errors import CatalogError
from planner_graph.planning.comparison import compare, compare_campaigns
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.redaction import texts_of, without_secrets
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


@pytest.mark.parametrize(
    "secret", ["it's a\nsword\"fish", "p@ss sw/rdfish", "grün swordfish", "a\0swordfish", " swordfish\n", "12swordfish"]
)
@pytest.mark.parametrize("quoted", [str, repr, json.dumps, KeyError, quote, quote_plus, lambda text: text.strip()])
def test_an_error_quotes_no_secret_however_it_writes_it(secret, quoted):
    for value in (secret, {"key": [secret]}):
        message = describe(ValueError(f"refused: {quoted(secret)}!"), texts_of([value]))["message"]
        assert "refused: " in message
        assert not any(part in message for part in ("fish", "sw", "grün"))


def test_numbers_and_lines_of_secrets_are_hidden_and_short_ones_are_not():
    secrets = texts_of([{"pin": 12345678, "rate": 0.12345, "on": True, "short": 12}, "first line\nsecond line\n}"])
    error = ValueError("12345678, 0.12345, True, 12, second line, }")
    assert describe(error, secrets)["message"] == "(secret), (secret), True, 12, (secret), }"


@pytest.mark.parametrize("error", [ValueError, type("Own", (BaseException,), {})])
def test_what_another_process_or_a_base_exception_says_hides_one_where_it_is_cut(error):
    failure = Failure.of(error(f"{'x' * 1_995}swordfish and more"), datetime.now(UTC))
    message = describe(ReportedError(failure), ["swordfish"])["message"]
    assert message.startswith(f"{'x' * 1_995}(secret)... (")
    assert "sword" not in message


def test_an_error_quotes_no_secret_that_its_agent_finds_in_the_campaign():
    snoop = spec(name="snoop", max_retries=0)
    made = Catalog.of(LOGIN, snoop, rules=[rule(name="all", select=("login", "snoop"))], secrets=["account", "pin"])
    campaign = Campaign(
        include_images=True, provided={"account": "swordfish"}, configuration={"login": {"pin": "halibut"}}
    )

    def tell(inputs):
        given = inputs["campaign"]
        raise ValueError(f"{given['provided']['account']}, {given['configuration']['login']}")

    graph = compile_plan(MasterPlanner(made).create_execution_plan(campaign), {"login": lambda _: 1, "snoop": tell})
    events = graph.stream({"campaign": campaign.model_dump(mode="json")}, stream_mode="custom")
    (error,) = (event["error"] for event in events if event["event"] == "attempt_failed" and event["agent"] == "snoop")
    assert error["message"] == "(secret), {'pin': '(secret)'}"
