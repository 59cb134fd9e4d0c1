"""What differs between two plans, in words."""

from planner_graph.campaign import Campaign
from planner_graph.planning.comparison import PlanDifferences, changed_values, compare, compare_campaigns
from tests.catalogs import spec
from tests.fakes import planned


def texts(old, new, **campaign):
    return list(compare(planned(*old), planned(*new, **campaign)).weighty)


def test_equal_plans_differ_in_nothing():
    found = compare(planned(spec("a")), planned(spec("a")))
    assert (bool(found), found.matter, str(found)) == (False, False, "")
    assert found == PlanDifferences()


def test_added_and_removed_agents_are_named():
    found = compare(planned(spec("a"), spec("b", gives=["x"])), planned(spec("a"), spec("c", after=["a"])))
    assert (found.added, found.removed, found.renamed) == (("c",), ("b",), ())
    assert found.weighty == ("agent 'b' is removed", "agent 'c' is added, which depends on 'a'")


def test_an_agent_under_another_name_is_perhaps_renamed():
    found = compare(planned(spec("a"), spec("b", after=["a"])), planned(spec("a"), spec("bee", after=["a"])))
    assert found.renamed == (("b", "bee"),)
    assert found.weighty[0] == "agent 'b' is removed; perhaps renamed to 'bee'"


def test_renamed_agents_in_a_row_are_recognized():
    old = planned(spec("a"), spec("b", after=["a"]), spec("c", after=["b"]))
    new = planned(spec("x"), spec("y", after=["x"]), spec("z", after=["y"]))
    assert compare(old, new).renamed == (("a", "x"), ("b", "y"), ("c", "z"))


def test_nobody_is_taken_for_two():
    found = compare(planned(spec("a"), spec("b")), planned(spec("x"), spec("c", gives=["d"])))
    assert found.renamed == (("a", "x"),)


def test_dependencies_are_told_with_their_kind_and_what_is_read():
    a, b = spec("a", gives=["x"]), spec("b")
    assert texts([a, b, spec("c", after=["b"])], [a, b, spec("c", needs=["x"], after={"soft": ["b"]})]) == [
        "agent 'c': now depends on 'a' (hard, for 'x')",
        "agent 'c': depends on 'b' (soft), not on 'b' (hard)",
        "agent 'c': now reads 'x' from 'a'",
    ]


def test_configuration_is_told_key_by_key_and_long_values_are_cut():
    old = spec("a", configuration={"tone": "dry", "old": 1, "same": [1]})
    new = spec("a", configuration={"tone": "x" * 80, "new": True, "same": [1]})
    assert texts([old], [new]) == [
        "agent 'a': configuration: 'new' is added, true",
        "agent 'a': configuration: 'old' is removed, it was 1",
        f"agent 'a': configuration: 'tone': \"dry\" -> \"{'x' * 59}...",
    ]


def test_one_and_true_are_not_the_same():
    old, new = (spec("a", configuration={"on": value}) for value in (1, True))
    assert texts([old], [new]) == ["agent 'a': configuration: 'on': 1 -> true"]


def test_limits_of_the_run_and_of_attempts_are_told():
    old, new = spec("a"), spec("a", max_retries=5, timeout_seconds=60, backoff={"initial_seconds": 9})
    assert texts([old], [new], limits={"max_parallel": 2}) == [
        "max parallel: nothing -> 2",
        "agent 'a': max retries: 3 -> 5",
        "agent 'a': backoff: 'initial_seconds': 1.0 -> 9.0",
        "agent 'a': timeout seconds: 1800.0 -> 60.0",
    ]


def test_estimates_are_told_but_do_not_matter():
    found = compare(planned(spec("a"), spec("b", after=["a"])), planned(spec("a", seconds=90), spec("b", after=["a"])))
    assert found
    assert not found.matter
    assert found.lines[0].startswith("agent 'a': estimate: 1 min, ")
    assert "1 min 30 s" in found.lines[0]
    assert found.lines[-1] == "and in consequence: duration; timing of 'a', 'b'"


def test_what_matters_comes_first():
    found = compare(planned(spec("a", seconds=5)), planned(spec("a", seconds=6), spec("b")))
    assert found.lines[0] == "agent 'b' is added"
    assert str(found) == "\n".join(found.lines)


def test_campaigns_are_compared_even_where_their_plans_are_equal():
    old = Campaign(id="c", brief="x", provided={"topic": "cats", "same": 1})
    new = Campaign(id="c", brief="y", provided={"topic": "dogs", "same": 1, "more": None})
    assert compare_campaigns(old, new).weighty == (
        "campaign: provided: 'more' is added, nothing",
        'campaign: provided: \'topic\': "cats" -> "dogs"',
        'campaign: brief: "x" -> "y"',
    )
    assert not compare_campaigns(old, old)


def test_values_that_changed_are_named():
    old, new = Campaign(provided={"a": 1, "b": 1, "c": None}), Campaign(provided={"a": 1, "b": 2, "d": None})
    assert changed_values(old, new) == {"b", "c", "d"}
