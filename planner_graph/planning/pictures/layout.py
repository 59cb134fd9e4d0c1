"""Places for the nodes of a layered graph: which one beside which, and how the edges pass between them.

The level of every node is given; what is found is the position *across* the levels: the vertical one where levels are
columns, the horizontal one where they are rows. The passes are those of Sugiyama, Tagawa and Toda (1981): lead long
edges over the levels between, order each level to cross few edges, place to keep edges straight.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from planner_graph.planning.pictures.layered import LayeredGraph, Room, affordable, lead_edges
from planner_graph.planning.pictures.placing import place_points

_ROUNDS = 24
_PATIENCE = 6
"""Rounds of ordering, and how many of them may pass without fewer crossings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrangement:
    """Positions across the levels, in whole pixels from 0 on.

    ``centers`` holds one for each node. ``routes`` holds for each edge the positions at which it passes the levels
    between its ends, in the direction of the edge; empty where there is no level between.
    """

    centers: tuple[int, ...]
    routes: tuple[tuple[int, ...], ...]


def arrange(
    levels: Sequence[int],
    edges: Sequence[tuple[int, int]],
    room: Room,
    *,
    spine: Sequence[int] = (),
    looks: Sequence[Hashable] | None = None,
) -> Arrangement:
    """Arrange nodes ``0..n-1`` of which ``levels[i]`` is the level, counted from 0 without holes.

    Nodes on one level never overlap, nor does a node an edge that passes. ``edges`` may point against the levels or
    stay within one; the latter have no say in the arrangement. The nodes of ``spine`` lie in one line if they can.
    ``looks`` says of each edge how it is drawn; only edges that look alike are bundled.
    """
    graph = lead_edges(levels, edges, room, spine, looks)
    places = [0] * len(graph.levels)
    start = 0
    for component in graph.components():
        layers = _untangle(_layers(component, graph), graph)
        found = place_points(layers, graph)
        first = min(place - graph.size(point) // 2 for point, place in found.items())
        last = max(place + graph.size(point) // 2 for point, place in found.items())
        for point, place in found.items():
            places[point] = place - first + start
        start += last - first + room.gap
    return Arrangement(
        centers=tuple(places[: graph.nodes]),
        routes=tuple(tuple(places[point] for point in route) for route in graph.routes),
    )


def _layers(component: Iterable[int], graph: LayeredGraph) -> list[list[int]]:
    """Give the points of a component by level, those found together from one root side by side."""
    layers: dict[int, list[int]] = {}
    seen: set[int] = set()
    for root in component:
        stack = [] if graph.above[root] else [root]
        while stack:
            point = stack.pop()
            if point not in seen:
                seen.add(point)
                layers.setdefault(graph.levels[point], []).append(point)
                stack.extend(reversed(graph.below[point]))
    return [layers[level] for level in sorted(layers)]


def _untangle(layers: list[list[int]], graph: LayeredGraph) -> list[list[int]]:
    """Order the points of each level by the mean place of their neighbours; keep the order with fewest crossings."""
    best = [list(layer) for layer in layers]
    fewest, idle = _crossings(layers, graph), 0
    for turn in range(affordable(_ROUNDS, sum(map(len, layers)))):
        if not fewest or idle == _PATIENCE:
            break
        downward = turn % 2 == 0
        neighbors = graph.above if downward else graph.below
        ordered = layers if downward else layers[::-1]
        for fixed, layer in pairwise(ordered):
            place = {point: position for position, point in enumerate(fixed)}
            _sort_by_neighbors(layer, neighbors, place)
        _swap_neighbors(layers, graph)
        crossings = _crossings(layers, graph)
        idle += 1
        if crossings < fewest:
            best, fewest, idle = [list(layer) for layer in layers], crossings, 0
    return best


def _sort_by_neighbors(layer: list[int], neighbors: Sequence[Sequence[int]], place: dict[int, int]) -> None:
    """Sort by the mean place of the neighbours; points without any stay between the ones they are between."""
    means: dict[int, float] = {}
    last = -1.0
    for point in layer:
        if neighbors[point]:
            last = sum(place[other] for other in neighbors[point]) / len(neighbors[point])
        means[point] = last
    layer.sort(key=means.__getitem__)


def _swap_neighbors(layers: Sequence[list[int]], graph: LayeredGraph) -> None:
    """Swap two that stand side by side wherever that leaves fewer crossings, once along every level."""
    for index, layer in enumerate(layers):
        sides = []
        for neighbors, other in ((graph.above, index - 1), (graph.below, index + 1)):
            fixed = layers[other] if 0 <= other < len(layers) else []
            place = {point: position for position, point in enumerate(fixed)}
            sides.append({point: sorted(place[near] for near in neighbors[point]) for point in layer})
        for left in range(len(layer) - 1):
            one, two = layer[left], layer[left + 1]
            now = sum(_inversions(side[one], side[two]) for side in sides)
            if now and sum(_inversions(side[two], side[one]) for side in sides) < now:
                layer[left], layer[left + 1] = two, one


def _inversions(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the pairs of which the one from ``first`` is larger; both are sorted."""
    return sum(bisect_left(second, place) for place in first)


def _crossings(layers: Sequence[Sequence[int]], graph: LayeredGraph) -> int:
    """Count the pairs of segments that cross, by insertion (Barth, Juenger and Mutzel 2002)."""
    total = 0
    for upper, lower in pairwise(layers):
        place = {point: position for position, point in enumerate(lower)}
        passed: list[int] = []
        for point in upper:
            reached = sorted(place[other] for other in graph.below[point])
            total += sum(len(passed) - bisect_right(passed, position) for position in reached)
            for position in reached:
                insort(passed, position)
    return total
