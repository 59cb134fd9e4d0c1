"""Which edges are in force, what flows along them, what was dropped."""

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.planning.linking import circular_dependencies, dag_of, link
from planner_graph.planning.selection import select
from tests.catalogs import catalog, spec


def linked(known, **campaign):
    selection, findings = select(Campaign.model_validate({"type": "all", **campaign}), known)
    assert findings == []
    return link(selection, known)


def edges(known, agent, **campaign):
    links, findings = linked(known, **campaign)
    assert findings == []
    return {edge.agent: (str(edge.kind), *edge.via) for edge in links.dependencies[agent]}


def circles(known):
    links, _ = linked(known)
    return [str(finding) for finding in dag_of(links, known)[1]]


A, B = spec("a", gives=["x", "y"]), spec("b", gives=["z"])


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        pytest.param({"after": ["a"]}, {"a": ("hard",)}, id="declared: hard"),
        pytest.param({"after": {"soft": ["a"]}}, {"a": ("soft",)}, id="declared soft"),
        pytest.param({"after": {"optional": ["a"]}}, {"a": ("optional",)}, id="declared optional"),
        pytest.param({"needs": ["x"]}, {"a": ("hard", "x")}, id="a required input makes a hard dependency"),
        pytest.param({"uses": ["x"]}, {"a": ("soft", "x")}, id="another input makes a soft dependency"),
        pytest.param({"needs": ["y"], "uses": ["x"]}, {"a": ("hard", "y", "x")}, id="a required one decides"),
        pytest.param({"uses": ["x"], "after": ["a"]}, {"a": ("hard", "x")}, id="declared hard, input not required"),
        pytest.param({"uses": ["x"], "after": {"optional": ["a"]}}, {"a": ("optional", "x")}, id="declared wins"),
        pytest.param({"needs": ["z"], "after": ["a"]}, {"a": ("hard",), "b": ("hard", "z")}, id="both ways combine"),
    ],
)
def test_an_edge_is_as_declared_or_as_the_inputs_call_for(declared, found):
    assert edges(catalog(A, B, spec("c", **declared)), "c") == found


def test_edges_stand_in_catalog_order():
    assert list(edges(catalog(B, A, spec("c", after=["a"], needs=["z"])), "c")) == ["b", "a"]


def test_what_the_campaign_provides_comes_from_no_agent():
    known = catalog(A, spec("c", needs=["x"], uses=["y"]))
    links, _ = linked(known, provided={"x": 1})
    assert links.inputs["c"] == {"x": "campaign", "y": "a"}
    assert edges(known, "c", provided={"x": 1}) == {"a": ("soft", "y")}


def test_an_optional_input_that_nobody_gives_is_absent():
    links, _ = linked(catalog(A, spec("c", uses=["x", "unknown"])))
    assert links.inputs["c"] == {"x": "a"}


def test_a_dependency_on_an_agent_that_is_left_out_is_dropped_with_the_reason():
    known = catalog(A, B, spec("d"), spec("c", after={"hard": ["a"], "soft": ["b", "d"]}), select={"t": ["b", "c"]})
    links, findings = linked(known, type="t", provided={"z": 1})
    assert findings == []
    assert [edge.agent for edge in links.dependencies["c"]] == ["a"]
    assert [(item.agent, item.depends_on, str(item.kind), item.reason) for item in links.dropped] == [
        ("c", "b", "soft", "the campaign already provides 'z'"),
        ("c", "d", "soft", "no rule and no deliverable calls for it"),
    ]


def test_nothing_is_dropped_for_agents_that_are_left_out_themselves():
    known = catalog(A, B, spec("c", after=["a"]), select={"t": ["b"]})
    assert linked(known, type="t")[0].dropped == ()


@pytest.mark.parametrize("kind", ["soft", "optional"])
def test_a_required_input_along_an_edge_that_may_bring_nothing_is_a_contradiction(kind):
    _, findings = linked(catalog(A, spec("c", after={kind: ["a"]}, uses=["y"], needs=["x"])))
    text = (
        f"agents.c.inputs[0]: agent 'c' needs the input 'x', but its dependency on the producer 'a' is only {kind}; "
        "make the dependency hard or the input not required"
    )
    assert [str(finding) for finding in findings] == [text]


def test_circles_are_named_in_full_with_the_place_of_their_first_agent():
    known = catalog(spec("a", after=["c"]), spec("b", after=["a"]), spec("c", after=["b"]))
    remedy = "remove one of these dependencies or make it optional"
    assert circles(known) == [f"agents.a.dependencies: circular dependency: a needs c needs b needs a; {remedy}"]


def test_every_knot_is_named_at_once_also_those_tied_by_inputs():
    known = catalog(
        spec("y", uses=["x"]),
        spec("x", uses=["y"]),
        spec("self", needs=["self"]),
        spec("b", after=["a"]),
        spec("a", after={"soft": ["b"]}),
    )
    links, _ = linked(known)
    dag, findings = dag_of(links, known)
    assert dag.order == ()
    assert [(finding.key, finding.agents) for finding in findings] == [
        ("agents.y.inputs", ("y", "x", "y")),
        ("agents.self.inputs", ("self", "self")),
        ("agents.b.dependencies", ("b", "a", "b")),
    ]


def test_an_optional_dependency_closes_no_circle():
    known = catalog(spec("a", after={"optional": ["b"]}), spec("b", after=["a"]))
    links, _ = linked(known)
    assert dag_of(links, known)[0].order == ("a", "b")


def test_the_catalog_check_alone_speaks_of_an_agent_that_declares_itself():
    assert circles(catalog(spec("a", after=["a"]))) == []


def test_circles_of_a_whole_catalog_are_found_without_a_campaign():
    known = Catalog.of(spec("a", after=["b"]), spec("b", after=["a"]), spec("c"))
    assert [finding.agents for finding in circular_dependencies(known)] == [("a", "b", "a")]


def test_the_built_in_catalog_goes_in_no_circles():
    assert circular_dependencies(Catalog.builtin()) == []
