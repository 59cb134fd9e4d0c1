"""Catalogs from documents and from Python, one laid over the other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog, agent, spec_of
from planner_graph.catalog.rule import Condition, Rule
from planner_graph.catalog.spec import AgentSpec, Backoff
from planner_graph.documents import key_text
from planner_graph.errors import CatalogError
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName

A = AgentName("a")

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "catalog.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def spec(name: str, **fields: Any) -> AgentSpec:
    return AgentSpec.model_validate({"name": name, **fields})


def told(read: tuple[Catalog, list[Any]]) -> list[tuple[int | None, str | None, str]]:
    return [(finding.line, finding.key, finding.problem) for finding in read[1]]


# From a document


def test_agents_and_rules_keep_the_order_of_the_document(write: Write) -> None:
    catalog = Catalog.load(write("agents: {z: {}, a: {}, m: {}}\nrules: {y: {select: [z]}, b: {select: [a]}}"))
    assert list(catalog.agents) == ["z", "a", "m"]
    assert list(catalog.rules) == ["y", "b"]
    assert catalog.rules["y"] == Rule(name="y", when=Condition(), select=(AgentName("z"),))


def test_an_entry_without_a_body_takes_the_defaults(write: Write) -> None:
    assert Catalog.load(write("agents: {a: null, b: {}}")).agents == {"a": spec("a"), "b": spec("b")}


@pytest.mark.parametrize("text", ["agents:\nrules:\n", "agents: {}", "rules: {}", "$schema: x.json"])
def test_empty_sections_are_an_empty_catalog(write: Write, text: str) -> None:
    assert Catalog.load(write(text)).agents == {}


def test_entries_are_validated_each_by_itself_and_told_together(write: Write) -> None:
    read = Catalog.read(
        write(
            """\
agnts: {}
agents:
  bad name: {max_retries: -1}
  plan: {}
  five: 5
  listed: []
  off: false
  "": {}
  writer: {name: x, estimate: 3, type: text}
  editor: null
rules:
  one: {select: []}
  two: null
  three: {when: {campain_type: x}, select: [a, "b c"]}
"""
        )
    )
    assert told(read) == [
        (1, "agnts", "unknown key 'agnts'"),
        (
            3,
            "agents.'bad name'",
            "agent name 'bad name' is not allowed",
        ),
        (3, "agents.'bad name'.max_retries", "-1 is out of range"),
        (4, "agents.plan", "agent name 'plan' is reserved by the compiled graph"),
        (5, "agents.five", "'five' is no mapping"),
        (6, "agents.listed", "'listed' is no mapping"),
        (7, "agents.off", "'off' is no mapping"),
        (8, "agents.''", "agent name '' is not allowed"),
        (9, "agents.writer.name", "unknown key 'name'"),
        (9, "agents.writer.estimate", "unknown key 'estimate'"),
        (12, "rules.one.select", "the list is empty"),
        (13, "rules.two.select", "key 'select' is missing"),
        (14, "rules.three.when.campain_type", "unknown key 'campain_type'"),
        (14, "rules.three.select[1]", "agent name 'b c' is not allowed"),
    ]
    catalog = read[0]
    assert catalog.agents[AgentName("writer")] == spec("writer", type="text")
    assert list(catalog.agents) == ["bad name", "plan", "five", "listed", "off", "", "writer", "editor"]
    assert list(catalog.rules) == ["three"]


@pytest.mark.parametrize("section", ["agents", "rules"])
@pytest.mark.parametrize("value", ["[a]", "3", "text"])
def test_a_section_that_is_no_mapping_is_told(write: Write, section: str, value: str) -> None:
    assert told(Catalog.read(write(f"{section}: {value}"))) == [(1, section, f"{section!r} is no mapping")]


def test_json_gets_the_same_findings(write: Write) -> None:
    yaml, json = "agents:\n  a:\n    typ: x\n", '{"agents":\n {"a":\n {"typ": "x"}}}'
    assert told(Catalog.read(write(yaml))) == told(Catalog.read(write(json, "catalog.json")))


def test_malformed_catalogs_raise_with_everything(write: Write) -> None:
    path = write("agents: {a: {max_retries: -1, typ: x}}")
    with pytest.raises(CatalogError) as caught:
        Catalog.load(path)
    assert str(caught.value) == (
        "catalog has 2 problems:\n"
        f"  {path}:1: agents.a.max_retries: -1 is out of range; use a number that is 0 or more\n"
        f"  {path}:1: agents.a.typ: unknown key 'typ'; remove it, did you mean 'type'?"
    )


def test_a_label_stands_for_the_path_in_every_finding(write: Write) -> None:
    catalog, findings = Catalog.read(write("agents: {a: !x y, b: {typ: x}}"), label="ours.yaml")
    assert [finding.file for finding in findings] == ["ours.yaml", "ours.yaml"]
    assert catalog.file_of("agents.b") == "ours.yaml"


def test_an_agent_name_with_a_dot_is_found_again(write: Write) -> None:
    path = write("agents: {a.b: {}}")
    assert Catalog.load(path).file_of("agents.a.b") == str(path)


# From Python


def test_a_decorated_function_declares_an_agent() -> None:
    @agent(type="writer", dependencies={"soft": ["researcher"]}, outputs=["draft"], estimate_seconds=5)
    def drafter(inputs: dict[str, Any]) -> dict[str, Any]:
        """Write a first draft,
        in two lines.

        Not this paragraph.
        """
        return inputs

    assert drafter({"a": 1}) == {"a": 1}
    assert spec_of(drafter) == spec(
        "drafter",
        type="writer",
        description="Write a first draft, in two lines.",
        dependencies=[{"agent": "researcher", "kind": "soft"}],
        outputs=["draft"],
        estimate_seconds=5,
    )


def test_name_and_description_of_a_declaration_win() -> None:
    @agent(name="other", description="So.")
    def drafter() -> None:
        """Do not take this."""

    assert (spec_of(drafter).name, spec_of(drafter).description) == ("other", "So.")


def test_a_malformed_declaration_is_told_with_module_and_key() -> None:
    def drafter() -> None: ...

    with pytest.raises(CatalogError) as caught:
        agent(max_retries=-1, output=["x"])(drafter)
    assert [str(finding) for finding in caught.value.findings] == [
        f"{__name__}: agents.drafter.max_retries: -1 is out of range; use a number that is 0 or more",
        f"{__name__}: agents.drafter.output: unknown key 'output'; remove it, did you mean 'outputs'?",
    ]


@pytest.mark.parametrize("name", [3, None, "two words", "plan", "<lambda>"])
def test_a_declaration_without_a_usable_name_is_told(name: Any) -> None:
    with pytest.raises(CatalogError) as caught:
        agent(name=name)(lambda: None)
    assert len(caught.value.findings) == 1


def test_functions_without_a_declaration_are_refused() -> None:
    def bare() -> None: ...

    with pytest.raises(CatalogError, match=r"bare' declares no agent; decorate it with @agent\(\.\.\.\)"):
        Catalog.of(bare)


def test_names_declared_twice_are_told_together() -> None:
    rule = Rule(name="r", select=(AgentName("a"),))
    with pytest.raises(CatalogError) as caught:
        Catalog.of(spec("a"), spec("b"), spec("a"), spec("b"), spec("c"), rules=[rule, rule])
    assert [(finding.key, finding.problem) for finding in caught.value.findings] == [
        ("agents.a", "agent 'a' is declared twice"),
        ("agents.b", "agent 'b' is declared twice"),
        ("rules.r", "rule 'r' is declared twice"),
    ]


# Layers


def test_a_layer_overrides_only_the_fields_it_sets(write: Write) -> None:
    base = Catalog.load(
        write("agents: {a: {type: x, outputs: [draft], max_retries: 5, backoff: {factor: 4, jitter: 0}}, b: {}}")
    )
    layer = Catalog.load(write("agents: {a: {estimate_seconds: 9, backoff: {factor: 7}}}", "layer.yaml"))
    extended = base.extended(layer)
    assert extended.agents[A] == spec(
        "a", type="x", outputs=["draft"], max_retries=5, estimate_seconds=9, backoff={"factor": 7, "jitter": 0}
    )
    assert list(extended.agents) == ["a", "b"]


def test_a_layer_may_set_a_field_back_to_its_default(write: Write) -> None:
    base = Catalog.of(spec("a", max_retries=5, fallback="b", dependencies=["c"], outputs=["x"]))
    layer = Catalog.load(write("agents: {a: {max_retries: 3, fallback: null, dependencies: [], outputs: []}}"))
    assert base.extended(layer).agents[A] == spec("a")


def test_layers_are_laid_in_order_and_leave_the_base_alone() -> None:
    @agent(max_retries=2)
    def a() -> None:
        """The function itself."""

    base = Catalog.of(spec("a", type="x", description="Base."))
    extended = base.extended(spec("a", max_retries=1, type="y"), a, spec("n"))
    assert extended.agents[A] == spec("a", type="y", max_retries=2, description="The function itself.")
    assert list(extended.agents) == ["a", "n"]
    assert base.agents == {"a": spec("a", type="x", description="Base.")}


def test_what_layers_set_counts_as_set_when_it_is_laid_over_something_else() -> None:
    layer = Catalog.of(spec("a", type="x")).extended(spec("a", max_retries=1))
    below = Catalog.of(spec("a", type="z", max_retries=9, timeout_seconds=5))
    assert below.extended(layer).agents[A] == spec("a", type="x", max_retries=1, timeout_seconds=5)


def test_a_function_without_a_docstring_keeps_the_description_below() -> None:
    @agent()
    def a() -> None: ...

    assert Catalog.of(spec("a", description="Base.")).extended(a).agents[A].description == "Base."


def test_backoff_is_overridden_key_by_key() -> None:
    base = Catalog.of(spec("a", backoff={"initial_seconds": 5, "factor": 3}))
    assert base.extended(spec("a", backoff={"factor": 1})).agents[A].backoff == Backoff(initial_seconds=5, factor=1)


def test_a_rule_replaces_the_rule_of_its_name() -> None:
    def rule(*names: str) -> Rule:
        return Rule(name="r", when=Condition(campaign_type=(names[0],)), select=tuple(map(AgentName, names)))

    extended = Catalog.of(rules=[rule("a")]).extended(Catalog.of(rules=[rule("b", "c")]))
    assert extended.rules == {"r": rule("b", "c")}


def test_findings_know_the_layer_that_each_field_comes_from(write: Write) -> None:
    base = write("agents:\n  a:\n    dependencies: [x]\n    fallback: y\n  b: {}\n", "base.yaml")
    layer = write("\n\nagents:\n  a:\n    fallback: z\n", "layer.yaml")
    catalog = Catalog.load(base).extended(Catalog.load(layer), spec("b", fallback="q"), spec("c"))

    def place(*path: str | int) -> str:
        return str(catalog.finding(path, "problem"))

    assert place("agents", "a", "dependencies", 0) == f"{base}:3: agents.a.dependencies[0]: problem"
    assert place("agents", "a", "fallback") == f"{layer}:5: agents.a.fallback: problem"
    assert place("agents", "a") == f"{layer}:4: agents.a: problem"
    assert place("agents", "b", "fallback") == "agents.b.fallback: problem"
    assert place("agents", "c", "fallback") == "agents.c.fallback: problem"
    assert catalog.file_of("agents.a") == str(layer)
    assert catalog.file_of("agents.c") is None
    from_python = catalog.extended(spec("a", fallback="p"))
    assert str(from_python.finding(("agents", "a", "fallback"), "problem")) == "agents.a.fallback: problem"
    assert from_python.finding(("agents", "a", "dependencies"), "problem").file == str(base)


def test_findings_about_a_replaced_rule_know_its_new_place(write: Write) -> None:
    base = Catalog.load(write("rules: {r: {select: [a]}, s: {select: [a]}}", "base.yaml"))
    layer = write("\nrules: {r: {select: [b]}}", "layer.yaml")
    from_file = base.extended(Catalog.load(layer))
    assert str(from_file.finding(("rules", "r", "select", 0), "x")) == f"{layer}:2: rules.r.select[0]: x"
    from_python = base.extended(Catalog.of(rules=[Rule(name="r", select=(AgentName("b"),))]))
    assert from_python.file_of("rules.r") is None
    assert from_python.file_of("rules.s") is not None


@pytest.mark.parametrize("name", ["bad name", "plan", "a|b", "3d"])
def test_one_bad_name_is_one_finding_wherever_else_it_stands(tmp_path, name):
    path = tmp_path / "k.json"
    agents = {
        name: {"outputs": ["x"]},
        "reader": {"dependencies": [name], "inputs": ["x"]},
        "later": {"dependencies": {"soft": [name]}},
        "first": {"fallback": "spare", "outputs": ["y"]},
        "spare": {"dependencies": {"optional": [name]}, "outputs": ["y"]},
    }
    path.write_text(json.dumps({"agents": agents, "rules": {"r": {"select": [name, "reader"]}}}))
    catalog, findings = Catalog.read(path)
    assert [finding.key for finding in findings] == [key_text(("agents", name))]
    assert [str(known) for known in catalog.agents] == [name, "reader", "later", "first", "spare"]
    campaign = Campaign(deliverables=("x",), configuration={name: {}})
    assert MasterPlanner(catalog).findings(campaign) == []
