"""The DAG kernel, on cases worked out by hand."""

import pytest

from planner_graph.errors import CycleError
from planner_graph.planning.dag import Dag

DIAMOND = {"start": [], "short": ["start"], "long": ["start"], "end": ["short", "long"]}
DIAMOND_DURATIONS = {"start": 2, "short": 1, "long": 5, "end": 3}

DEEP = 10_000


def chain(length: int) -> dict[str, list[str]]:
    return {f"n{number}": [f"n{number - 1}"] if number else [] for number in range(length)}


def test_a_node_comes_after_everything_it_depends_on():
    assert Dag({"c": ["b"], "b": ["a"], "a": []}).order == ("a", "b", "c")


def test_among_ready_nodes_the_first_given_goes_first_whatever_its_name():
    assert Dag({"z": [], "a": [], "m": ["z"], "b": ["z"]}).order == ("z", "a", "m", "b")


def test_a_node_that_becomes_ready_goes_before_later_given_ones():
    assert Dag({"z": [], "m": ["z"], "a": []}).order == ("z", "m", "a")


def test_an_edge_given_twice_counts_once():
    dag = Dag({"a": [], "b": ["a", "a"]})
    assert (dag.order, dag.predecessors, dag.successors) == (
        ("a", "b"),
        {"a": (), "b": ("a",)},
        {"a": ["b"], "b": []},
    )


def test_nothing_is_a_dag_too():
    dag = Dag[str]({})
    assert (dag.order, dag.levels, dag.critical_path({}).path, dag.critical_path({}).length) == ((), {}, (), 0)


def test_an_edge_to_nowhere_is_refused():
    with pytest.raises(KeyError, match="ghost"):
        Dag({"a": ["ghost"]})


def test_levels_are_longest_paths_not_shortest():
    assert Dag({"a": [], "b": ["a"], "c": ["a", "b"]}).levels == {"a": 0, "b": 1, "c": 2}


def test_the_critical_path_is_the_longest_chain_by_duration():
    critical = Dag(DIAMOND).critical_path(DIAMOND_DURATIONS)
    assert (critical.path, critical.length) == (("start", "long", "end"), 10)


def test_windows_say_when_a_node_may_run():
    windows = Dag(DIAMOND).critical_path(DIAMOND_DURATIONS).windows
    found = {
        node: (window.earliest_start, window.earliest_end, window.latest_start, window.latest_end, window.slack)
        for node, window in windows.items()
    }
    assert found == {
        "start": (0, 2, 0, 2, 0),
        "short": (2, 3, 6, 7, 4),
        "long": (2, 7, 2, 7, 0),
        "end": (7, 10, 7, 10, 0),
    }


def test_a_node_nobody_waits_for_may_slip_to_the_end():
    critical = Dag({"long": [], "aside": []}).critical_path({"long": 10, "aside": 1})
    assert (critical.path, critical.windows["aside"].slack) == (("long",), 9)


def test_of_equally_long_chains_the_first_given_is_critical():
    assert Dag({"z": [], "a": [], "end": ["a", "z"]}).critical_path({"z": 1, "a": 1, "end": 1}).path == ("z", "end")


def test_whole_durations_give_whole_times():
    windows = Dag(DIAMOND).critical_path(DIAMOND_DURATIONS).windows.values()
    assert {type(time) for window in windows for time in (window.earliest_start, window.latest_end)} == {int}


@pytest.mark.parametrize(
    ("edges", "cycles"),
    [
        pytest.param({"a": ["a"]}, [("a", "a")], id="a node before itself"),
        pytest.param({"a": ["b"], "b": ["a"]}, [("a", "b", "a")], id="two nodes"),
        pytest.param({"a": ["c"], "b": ["a"], "c": ["b"]}, [("a", "b", "c", "a")], id="three, in running order"),
        pytest.param({"c": ["b"], "b": ["a"], "a": ["c"]}, [("c", "a", "b", "c")], id="it starts with the first given"),
        pytest.param({"in": ["a"], "a": ["b"], "b": ["a"], "out": []}, [("a", "b", "a")], id="only what is on it"),
        pytest.param(
            {"a": ["b", "c"], "b": ["a"], "c": ["b"]}, [("a", "b", "a")], id="the shortest through the first node"
        ),
        pytest.param(
            {"a": ["near", "back"], "near": ["a"], "far": ["a"], "back": ["far"]},
            [("a", "near", "a")],
            id="the shortest, also if the longer one is seen last",
        ),
        pytest.param(
            {"y": ["x"], "x": ["y"], "lone": ["x"], "a": ["b", "lone"], "b": ["a"], "c": ["c"]},
            [("y", "x", "y"), ("a", "b", "a"), ("c", "c")],
            id="one for each knot, by first given",
        ),
    ],
)
def test_cycles_are_named_in_full_first_equals_last(edges, cycles):
    with pytest.raises(CycleError) as caught:
        Dag(edges)
    assert list(caught.value.cycles) == cycles


def test_a_long_cycle_is_shortened_in_the_middle():
    names = [f"a{number}" for number in range(30)]
    with pytest.raises(CycleError) as caught:
        Dag({name: [names[number - 1]] for number, name in enumerate(names)})
    text = str(caught.value)
    assert text.startswith("circular dependency: a0 needs a29 needs a28 needs ")
    assert text.count(" needs ") == 21
    assert " needs (10 more) needs a10 needs " in text
    assert text.endswith(" needs a1 needs a0")
    assert [len(cycle) for cycle in caught.value.cycles] == [31]


def test_the_error_reads_as_a_sentence():
    with pytest.raises(CycleError) as caught:
        Dag({"a": ["b"], "b": ["a"], "c": ["c"]})
    assert str(caught.value) == "circular dependency: a needs b needs a; c needs c"


def test_a_chain_of_ten_thousand_needs_no_deep_stack():
    dag = Dag(dict(reversed(chain(DEEP).items())))
    critical = dag.critical_path(dict.fromkeys(dag.order, 1))
    assert (len(dag.order), dag.levels[f"n{DEEP - 1}"], critical.length, len(critical.path)) == (
        DEEP,
        DEEP - 1,
        DEEP,
        DEEP,
    )


def test_a_circle_of_ten_thousand_is_named_in_full():
    with pytest.raises(CycleError) as caught:
        Dag({**chain(DEEP), "n0": [f"n{DEEP - 1}"]})
    assert caught.value.cycles == ((*(f"n{number}" for number in range(DEEP)), "n0"),)
