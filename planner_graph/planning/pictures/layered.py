"""A graph on levels, with its long edges led over the levels between, so that every segment spans one level.

Long edges are bundled: an agent that everybody reads, or that reads everybody, takes one place on a level and not a
hundred.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_STIFFNESS = (1.0, 2.0, 8.0)
"""How hard a segment pulls, by how many of its ends are places where a bundle passes: long edges should be straight."""

_SPINE_STIFFNESS = 8.0

_Points = tuple[tuple[int, ...], ...]
_Numbers = Counter[tuple[int, Hashable]]
"""Numbers of edges by node and look."""

_VISITS = 40_000
"""Points that one pass over a graph may look at in all its sweeps before it makes do with fewer sweeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a node takes across the levels: its ``size``, and at least the ``gap`` to the next node; in pixels."""

    size: int
    gap: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LayeredGraph:
    """The graph with a point for each level that a bundle of edges passes, so that every segment spans one level.

    Points below ``nodes`` are the nodes themselves. ``above`` and ``below`` are the neighbours of each point on the
    levels before and after its own. ``routes`` lists for each edge the points it passes. ``lines`` are the runs of
    points, from level to level, that should be straight: the spine first, then the bundles. ``spine`` holds the
    segments of the spine.
    """

    nodes: int
    room: Room
    levels: tuple[int, ...]
    above: tuple[tuple[int, ...], ...]
    below: tuple[tuple[int, ...], ...]
    routes: tuple[tuple[int, ...], ...]
    lines: tuple[tuple[int, ...], ...]
    spine: frozenset[tuple[int, int]]

    def near(self, point: int) -> tuple[int, ...]:
        """Give the neighbours on both sides."""
        return self.above[point] + self.below[point]

    def size(self, point: int) -> int:
        """Give what a point takes across its level; what passes takes nothing but distance."""
        return self.room.size if point < self.nodes else 0

    def distance(self, one: int, other: int) -> int:
        """Give the least distance between the centres of two neighbours on a level."""
        passing = (one >= self.nodes) + (other >= self.nodes)
        return (self.size(one) + self.size(other)) // 2 + self.room.gap * (5, 4, 3)[passing] // 5

    def stiffness(self, one: int, other: int) -> float:
        """Say how much it matters that the segment between two neighbours is straight."""
        if (one, other) in self.spine or (other, one) in self.spine:
            return _SPINE_STIFFNESS
        return _STIFFNESS[(one >= self.nodes) + (other >= self.nodes)]

    def components(self) -> Iterator[list[int]]:
        """Give the connected parts, by their first point; the points of each in ascending order."""
        seen = [False] * len(self.levels)
        for start in range(len(self.levels)):
            if seen[start]:
                continue
            seen[start] = True
            part = [start]
            for point in part:
                for other in self.near(point):
                    if not seen[other]:
                        seen[other] = True
                        part.append(other)
            yield sorted(part)


def lead_edges(
    levels: Sequence[int],
    edges: Sequence[tuple[int, int]],
    room: Room,
    spine: Sequence[int],
    looks: Sequence[Hashable] | None = None,
) -> LayeredGraph:
    """Lead each long edge over points on the levels between.

    Edges of one look that leave one node share their points, or those that reach one node, whichever are more. Edges of
    another look keep points of their own: drawn over each other, a solid line would hide a dotted one.
    """
    looks = [None] * len(edges) if looks is None else looks
    rising = [(a, b) if levels[a] <= levels[b] else (b, a) for a, b in edges]
    leaving, reaching = _long_edges(levels, rising, looks)
    all_levels = list(levels)
    bundles: dict[tuple[bool, int, Hashable], dict[int, int]] = {}
    segments: dict[tuple[int, int], None] = {}
    routes: list[tuple[int, ...]] = []
    for (low, high), (source, _), look in zip(rising, edges, looks, strict=True):
        by_source = leaving[low, look] >= reaching[high, look]
        bundle = bundles.setdefault((by_source, low if by_source else high, look), {})
        for level in range(levels[low] + 1, levels[high]):
            if level not in bundle:
                bundle[level] = len(all_levels)
                all_levels.append(level)
        passed = [bundle[level] for level in range(levels[low] + 1, levels[high])]
        if levels[low] < levels[high]:
            segments.update(dict.fromkeys(pairwise([low, *passed, high])))
        routes.append(tuple(passed if source == low else reversed(passed)))
    backbone = _backbone(spine, edges, routes)
    above, below = _neighbors(segments, len(all_levels))
    return LayeredGraph(
        nodes=len(levels),
        room=room,
        levels=tuple(all_levels),
        above=above,
        below=below,
        routes=tuple(routes),
        lines=(backbone, *(tuple(bundle[level] for level in sorted(bundle)) for bundle in bundles.values())),
        spine=frozenset(pairwise(backbone)),
    )


def _long_edges(
    levels: Sequence[int], rising: Sequence[tuple[int, int]], looks: Sequence[Hashable]
) -> tuple[_Numbers, _Numbers]:
    """Count the edges over more than one level: of each look, those that leave a node and those that reach one."""
    leaving, reaching = _Numbers(), _Numbers()
    for (low, high), look in zip(rising, looks, strict=True):
        if levels[high] - levels[low] > 1:
            leaving[low, look] += 1
            reaching[high, look] += 1
    return leaving, reaching


def _neighbors(segments: Iterable[tuple[int, int]], count: int) -> tuple[_Points, _Points]:
    """Give for each of ``count`` points those above it and those below it."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in segments:
        below[upper].append(lower)
        above[lower].append(upper)
    return tuple(map(tuple, above)), tuple(map(tuple, below))


def _backbone(
    spine: Sequence[int], edges: Sequence[tuple[int, int]], routes: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    """Give the nodes of the spine together with the points its edges pass."""
    passed = dict(zip(edges, routes, strict=True))
    points = list(spine[:1])
    for edge in pairwise(spine):
        points += [*passed.get(edge, ()), edge[1]]
    return tuple(points)


def affordable(sweeps: int, points: int) -> int:
    """Give how many of ``sweeps`` a graph of so many points gets: all up to some thousands, at least two beyond."""
    return min(sweeps, max(2, _VISITS // points))
