"""What in a catalog contradicts itself."""

from pathlib import Path
from typing import Any

import pytest

from planner_graph.catalog import check
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import AgentSpec
from planner_graph.types import AgentName


def spec(name: str, **fields: Any) -> AgentSpec:
    return AgentSpec.model_validate({"name": name, **fields})


def told(*specs: AgentSpec, rules: tuple[Rule, ...] = ()) -> list[str]:
    return [str(finding) for finding in check.findings(Catalog.of(*specs, rules=rules))]


def test_a_sound_catalog_has_no_findings() -> None:
    rule = Rule(name="r", select=(AgentName("b"),))
    assert told(spec("a", fallback="b", outputs=["x"]), spec("b", outputs=["x"]), rules=(rule,)) == []
    assert told() == []


@pytest.mark.parametrize("kind", ["hard", "soft", "optional"])
def test_a_dependency_on_an_unknown_agent_names_the_nearest(kind: str) -> None:
    assert told(spec("writer"), spec("writ", dependencies={kind: ["writr"]})) == [
        (
            "agents.writ.dependencies[0]: agent 'writ' depends on an unknown agent 'writr'; "
            "declare it or remove it, did you mean 'writer'?"
        )
    ]


def test_a_dependency_on_an_agent_near_no_other_is_told_without_a_guess() -> None:
    assert told(spec("a", dependencies=["qqq"])) == [
        "agents.a.dependencies[0]: agent 'a' depends on an unknown agent 'qqq'; declare it or remove it"
    ]


def test_an_agent_cannot_depend_on_itself() -> None:
    assert told(spec("a", dependencies=["a"])) == [
        "agents.a.dependencies[0]: agent 'a' depends on itself; remove the dependency"
    ]


def test_an_unknown_fallback_names_the_nearest_other_agent() -> None:
    assert told(spec("writers2", fallback="writers1"), spec("writers345")) == [
        (
            "agents.writers2.fallback: agent 'writers2' has an unknown fallback 'writers1'; "
            "declare it or remove it, did you mean 'writers345'?"
        )
    ]


def test_an_agent_cannot_be_its_own_fallback() -> None:
    assert told(spec("a", fallback="a")) == ["agents.a.fallback: agent 'a' is its own fallback; name another agent"]


def test_a_circle_of_fallbacks_is_told_once_and_in_full() -> None:
    into = spec("into", fallback="c", outputs=["x"])
    ring = [spec(name, fallback=other, outputs=["x"]) for name, other in ("ab", "bc", "ca")]
    circle = "circular fallback: a falls back on b falls back on c falls back on a"
    wanted = [f"agents.a.fallback: {circle}; leave one of them without a fallback"]
    assert told(*ring, into) == wanted
    assert told(into, *ring)[0].startswith("agents.c.fallback: circular fallback: c falls back on a falls back on b ")
    assert len(told(into, *ring)) == 1
    (finding,) = check.findings(Catalog.of(*ring))
    assert finding.agents == ("a", "b", "c", "a")


def test_two_circles_are_two_findings() -> None:
    pairs = [("a", "b", "x"), ("b", "a", "x"), ("c", "d", "y"), ("d", "c", "y"), ("e", "a", "x")]
    assert len(told(*(spec(name, fallback=other, outputs=[output]) for name, other, output in pairs))) == 2


def test_a_long_chain_of_fallbacks_is_no_circle() -> None:
    chain = [spec(f"a{n}", fallback=f"a{n + 1}", outputs=["x"]) for n in range(50)]
    assert told(*chain, spec("a50", outputs=["x"])) == []


def test_an_output_has_one_producer() -> None:
    assert told(spec("a", outputs=["x"]), spec("b", outputs=["y", "x"]), spec("c", outputs=["x"])) == [
        (
            "agents.b.outputs[1]: output 'x' is already produced by agent 'a'; "
            "rename one of them, or make one agent the fallback of the other"
        ),
        (
            "agents.c.outputs[0]: output 'x' is already produced by agent 'a'; "
            "rename one of them, or make one agent the fallback of the other"
        ),
    ]


def test_a_fallback_may_give_the_outputs_of_every_agent_it_stands_in_for() -> None:
    specs = [
        spec("spare", outputs=["x", "y"], fallback="last"),
        spec("a", outputs=["x"], fallback="spare"),
        spec("b", outputs=["y"], fallback="spare"),
        spec("last", outputs=["x", "y"]),
    ]
    assert told(*specs) == []
    assert told(*reversed(specs)) == []


def test_a_fallback_gives_all_outputs_of_the_agent_it_stands_in_for() -> None:
    specs = [spec("a", outputs=["x", "y", "z"], fallback="b"), spec("b", outputs=["y"])]
    (finding,) = check.findings(Catalog.of(*specs))
    assert str(finding) == (
        "agents.a.fallback: the fallback 'b' of agent 'a' does not give 'x', 'z'; "
        "declare the output in 'b' or name another fallback"
    )
    assert finding.agents == ("a", "b")


def test_a_fallback_does_not_excuse_a_stranger() -> None:
    found = told(spec("a", outputs=["x"], fallback="b"), spec("b", outputs=["x"]), spec("c", outputs=["x"]))
    assert [line.partition(";")[0] for line in found] == [
        "agents.c.outputs[0]: output 'x' is already produced by agent 'a'"
    ]


def test_two_agents_that_are_each_others_fallback_do_not_share_an_output_twice() -> None:
    found = told(spec("a", outputs=["x"], fallback="b"), spec("b", outputs=["x"], fallback="a"))
    assert [line.partition(":")[0] for line in found] == ["agents.a.fallback"]


def test_a_rule_cannot_select_an_unknown_agent() -> None:
    rule = Rule(name="r", select=(AgentName("writer"), AgentName("writr")))
    assert told(spec("writer"), rules=(rule,)) == [
        "rules.r.select[1]: rule 'r' selects an unknown agent 'writr'; declare it or remove it, did you mean 'writer'?"
    ]


def test_a_rule_cannot_wait_for_an_unknown_agent() -> None:
    rule = Rule.model_validate({"name": "r", "when": {"agents": ["writer", "writr"]}, "select": ["writer"]})
    [finding] = told(spec("writer"), rules=(rule,))
    assert finding.startswith("rules.r.when.agents[1]: rule 'r' waits for an unknown agent 'writr'; ")
    assert finding.endswith("did you mean 'writer'?")


def test_findings_come_in_catalog_order_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "rules:\n  r: {select: [nobody]}\nagents:\n  b:\n    dependencies:\n      - q\n  a: {outputs: [b]}\n"
    )
    catalog, _ = Catalog.read(path)
    assert [(finding.file, finding.line, finding.key) for finding in check.findings(catalog)] == [
        (str(path), 6, "agents.b.dependencies[0]"),
        (str(path), 7, "agents.a.outputs[0]"),
        (str(path), 2, "rules.r.select[0]"),
    ]


def test_only_so_many_guesses_are_made() -> None:
    found = told(spec("writer"), *(spec(f"a{n}", dependencies=[f"writer{n}"]) for n in range(check.MAX_HINTS + 5)))
    assert sum("did you mean" in line for line in found) == check.MAX_HINTS
    assert len(found) == check.MAX_HINTS + 5
