"""What must hold for every graph, compared with slower ways to find the same."""

import graphlib
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from planner_graph.errors import CycleError
from planner_graph.planning.dag import Dag
from tests.property.dags import Edges, bounded, dags, graphs, mirrored, timed_dags


def chains(edges: Edges) -> Iterator[tuple[str, ...]]:
    """Give every path from a node without predecessors to a node that nobody waits for, one after the other."""
    inner = {other for before in edges.values() for other in before}
    pending: list[tuple[str, ...]] = [(node,) for node in edges if node not in inner]
    while pending:
        path = pending.pop()
        if not edges[path[0]]:
            yield path
        pending += [(other, *path) for other in edges[path[0]]]


def reachable(edges: Edges) -> dict[str, set[str]]:
    """Give for each node what it comes after, directly or not, by letting the sets grow until they stand still."""
    found = {node: set(before) for node, before in edges.items()}
    while True:
        grown = {node: before.union(*(found[other] for other in before)) for node, before in found.items()}
        if grown == found:
            return found
        found = grown


def named_cycles(edges: Edges) -> list[tuple[str, ...]]:
    try:
        Dag(edges)
    except CycleError as error:
        return list(error.cycles)
    return []


def spelled_anew(edges: Edges) -> Edges:
    return {mirrored(node): [mirrored(other) for other in before] for node, before in edges.items()}


@bounded
@given(dags())
def test_the_order_holds_every_node_once(edges):
    order = Dag(edges).order
    assert sorted(order) == sorted(edges)


@bounded
@given(dags())
def test_the_order_respects_every_edge(edges):
    position = {node: index for index, node in enumerate(Dag(edges).order)}
    assert all(position[other] < position[node] for node, before in edges.items() for other in before)


@bounded
@given(dags())
def test_of_the_nodes_that_are_ready_the_first_given_goes_next(edges):
    left, expected = dict(edges), []
    while left:
        ready = next(node for node, before in left.items() if not any(other in left for other in before))
        expected.append(ready)
        del left[ready]
    assert list(Dag(edges).order) == expected


@bounded
@given(dags())
def test_a_level_is_the_length_of_the_longest_path_that_leads_there(edges):
    levels = Dag(edges).levels
    depths: dict[str, int] = {}
    for chain in chains(edges):
        for depth, node in enumerate(chain):
            depths[node] = max(depth, depths.get(node, 0))
    assert levels == depths


@bounded
@given(dags())
def test_no_path_joins_two_nodes_of_one_level(edges):
    levels, before = Dag(edges).levels, reachable(edges)
    assert not [(a, b) for a, b in itertools.permutations(edges, 2) if levels[a] == levels[b] and a in before[b]]


@bounded
@given(timed_dags())
def test_the_critical_path_is_the_longest_of_all_chains(case):
    edges, durations = case
    critical = Dag(edges).critical_path(durations)
    assert critical.length == max((sum(durations[node] for node in chain) for chain in chains(edges)), default=0)
    assert critical.length == sum(durations[node] for node in critical.path)
    assert all(before in edges[node] for before, node in itertools.pairwise(critical.path))


@bounded
@given(timed_dags())
def test_slack_is_never_negative_and_zero_on_the_critical_path(case):
    edges, durations = case
    critical = Dag(edges).critical_path(durations)
    assert all(window.slack >= 0 for window in critical.windows.values())
    assert all(critical.windows[node].slack == 0 for node in critical.path)


@bounded
@given(timed_dags(max_size=6))
def test_a_node_may_slip_by_its_slack_and_not_a_bit_more(case):
    edges, durations = case
    critical = Dag(edges).critical_path(durations)
    for node in edges:
        slack = critical.windows[node].slack
        slower = {**durations, node: durations[node] + slack}
        assert Dag(edges).critical_path(slower).length == critical.length
        slower[node] += 1
        assert Dag(edges).critical_path(slower).length == critical.length + 1


@bounded
@given(timed_dags())
def test_windows_fit_between_those_of_the_neighbours(case):
    edges, durations = case
    windows = Dag(edges).critical_path(durations).windows
    for node, before in edges.items():
        assert windows[node].earliest_end - windows[node].earliest_start == durations[node]
        assert windows[node].latest_end - windows[node].latest_start == durations[node]
        for other in before:
            assert windows[other].earliest_end <= windows[node].earliest_start
            assert windows[other].latest_end <= windows[node].latest_start


@bounded
@given(timed_dags())
def test_the_spelling_of_names_decides_nothing(case):
    edges, durations = case
    dag, other = Dag(edges), Dag(spelled_anew(edges))
    critical = dag.critical_path(durations)
    anew = other.critical_path({mirrored(node): duration for node, duration in durations.items()})
    assert other.order == tuple(mirrored(node) for node in dag.order)
    assert other.levels == {mirrored(node): level for node, level in dag.levels.items()}
    assert anew.path == tuple(mirrored(node) for node in critical.path)
    assert anew.windows == {mirrored(node): window for node, window in critical.windows.items()}


@bounded
@given(dags(), st.randoms(use_true_random=False))
def test_the_order_in_which_edges_are_listed_decides_nothing(edges, chance):
    shuffled = {node: chance.sample(before, len(before)) for node, before in edges.items()}
    assert Dag(shuffled).order == Dag(edges).order
    assert Dag(shuffled).levels == Dag(edges).levels


@bounded
@given(graphs())
def test_graphs_are_refused_exactly_when_the_standard_library_finds_a_cycle(edges):
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError:
        event("cyclic")
        with pytest.raises(CycleError):
            Dag(edges)
    else:
        event("acyclic")
        assert sorted(Dag(edges).order) == sorted(edges)


@bounded
@given(graphs())
def test_each_knot_has_one_shortest_cycle_through_its_first_node(edges):
    before, rank = reachable(edges), {node: position for position, node in enumerate(edges)}
    knots = {
        frozenset(other for other in before[node] if node in before[other]) for node in edges if node in before[node]
    }
    event(f"{len(knots)} knots")
    cycles = named_cycles(edges)
    firsts = [min(knot, key=rank.__getitem__) for knot in knots]
    assert [cycle[0] for cycle in cycles] == sorted(firsts, key=rank.__getitem__)
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(other in edges[node] for other, node in itertools.pairwise(cycle))
        assert len(cycle) - 1 == steps_back(edges, cycle[0])


def steps_back(edges: Edges, start: str) -> int:
    """Count the steps of the shortest way from a node back to itself."""
    reached, count = set(edges[start]), 1
    while start not in reached:
        reached, count = {other for node in reached for other in edges[node]}, count + 1
    return count


@bounded
@given(graphs())
def test_the_spelling_of_names_does_not_decide_which_cycle_is_named(edges):
    anew = [tuple(mirrored(node) for node in cycle) for cycle in named_cycles(edges)]
    assert named_cycles(spelled_anew(edges)) == anew
