"""The DAG kernel: order, levels, cycles and the critical path over plain dicts.

Nodes are names. The order in which they are given is their rank, and rank breaks every tie; neither hashing nor the
spelling of names ever decides. Everything here is pure and near linear in nodes plus edges.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from planner_graph.errors import CycleError

NodeT = TypeVar("NodeT", bound=str)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """When a node may run, in the unit of its durations, counted from the start."""

    earliest_start: float
    earliest_end: float
    latest_start: float
    latest_end: float

    @property
    def slack(self) -> float:
        """How much the node may slip without delaying the end."""
        return self.latest_start - self.earliest_start


@dataclass(frozen=True, kw_only=True)
class CriticalPath(Generic[NodeT]):
    """The longest chain by duration, its length, and the window of every node."""

    path: tuple[NodeT, ...]
    length: float
    windows: Mapping[NodeT, Window]


def components(edges: Mapping[NodeT, Collection[NodeT]]) -> list[list[NodeT]]:
    """Give the strongly connected components of any directed graph, each after all that its edges lead to.

    Tarjan's algorithm (1972), with a stack of its own instead of recursion.

    >>> components({"edit": ["write"], "write": ["edit", "think"], "think": []})
    [['think'], ['write', 'edit']]

    Raises:
        KeyError: an edge leads to a node that is not in the mapping.
    """
    found: list[list[NodeT]] = []
    number: dict[NodeT, int] = {}
    lowest: dict[NodeT, int] = {}
    open_nodes: list[NodeT] = []  # of components that are not complete yet
    done: set[NodeT] = set()
    for root in edges:
        if root in number:
            continue
        trail = [(root, iter(edges[root]))]
        while trail:
            node, following = trail[-1]
            if node not in number:
                number[node] = lowest[node] = len(number)
                open_nodes.append(node)
            fresh = next((other for other in following if other not in number), None)
            if fresh is not None:
                trail.append((fresh, iter(edges[fresh])))
                continue
            trail.pop()
            lowest[node] = min([number[node], *(lowest[other] for other in edges[node] if other not in done)])
            if lowest[node] == number[node]:
                component: list[NodeT] = []
                while not component or component[-1] != node:
                    component.append(open_nodes.pop())
                done.update(component)
                found.append(component)
    return found


class Dag(Generic[NodeT]):
    """A directed acyclic graph of nodes and their predecessors.

    >>> dag = Dag({"edit": ["write"], "write": [], "draw": []})
    >>> dag.order
    ('write', 'edit', 'draw')
    >>> dag.levels
    {'write': 0, 'edit': 1, 'draw': 0}

    Raises:
        CycleError: the edges form cycles; one is named for each knot of nodes that all reach each other.
        KeyError: an edge leads to a node that is not in the mapping.
    """

    def __init__(self, predecessors: Mapping[NodeT, Iterable[NodeT]]) -> None:
        self.predecessors: dict[NodeT, tuple[NodeT, ...]] = {
            node: tuple(dict.fromkeys(before)) for node, before in predecessors.items()
        }
        self.rank = {node: position for position, node in enumerate(self.predecessors)}
        self.successors: dict[NodeT, list[NodeT]] = {node: [] for node in self.predecessors}
        for node, before in self.predecessors.items():
            for other in before:
                self.successors[other].append(node)
        self.order = self._topological_order()
        if len(self.order) < len(self.predecessors):
            raise CycleError(self._cycles())

    def _topological_order(self) -> tuple[NodeT, ...]:
        """Order by Kahn's algorithm (1962); among nodes that are ready, the lowest rank goes first."""
        names = list(self.predecessors)
        missing = {node: len(before) for node, before in self.predecessors.items()}
        ready = [self.rank[node] for node in names if not missing[node]]
        heapify(ready)
        order = []
        while ready:
            node = names[heappop(ready)]
            order.append(node)
            for after in self.successors[node]:
                missing[after] -= 1
                if not missing[after]:
                    heappush(ready, self.rank[after])
        return tuple(order)

    @cached_property
    def levels(self) -> dict[NodeT, int]:
        """Longest-path depth of each node; nodes without predecessors are on level 0."""
        levels: dict[NodeT, int] = {}
        for node in self.order:
            levels[node] = max((levels[before] + 1 for before in self.predecessors[node]), default=0)
        return levels

    def critical_path(self, durations: Mapping[NodeT, float]) -> CriticalPath[NodeT]:
        """Find the longest chain and every node's slack by the critical path method (Kelley and Walker, 1959).

        Nothing is rounded: with whole numbers as durations, slack is exactly zero on the critical path.
        """
        earliest: dict[NodeT, float] = {}
        for node in self.order:
            earliest[node] = max((earliest[b] + durations[b] for b in self.predecessors[node]), default=0)
        length = max((earliest[node] + durations[node] for node in self.order), default=0)
        latest: dict[NodeT, float] = {}
        for node in reversed(self.order):
            latest[node] = min((latest[after] - durations[after] for after in self.successors[node]), default=length)
        windows = {
            node: Window(
                earliest_start=earliest[node],
                earliest_end=earliest[node] + durations[node],
                latest_start=latest[node] - durations[node],
                latest_end=latest[node],
            )
            for node in self.predecessors
        }
        return CriticalPath(path=self._longest_chain(earliest, durations), length=length, windows=windows)

    def upward_rank(self, durations: Mapping[NodeT, float]) -> dict[NodeT, float]:
        """Give each node the length of the longest chain that begins with it, its own duration included.

        The upward rank of HEFT, without communication costs (Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002).
        """
        rank: dict[NodeT, float] = {}
        for node in reversed(self.order):
            rank[node] = durations[node] + max((rank[after] for after in self.successors[node]), default=0)
        return rank

    def _longest_chain(self, earliest: Mapping[NodeT, float], durations: Mapping[NodeT, float]) -> tuple[NodeT, ...]:
        """Walk back from the node that ends last, always through the predecessor that ended last."""
        chain: list[NodeT] = []
        candidates = self.order
        while candidates:
            last = min(candidates, key=lambda node: (-(earliest[node] + durations[node]), self.rank[node]))
            chain.append(last)
            candidates = self.predecessors[last]
        return tuple(reversed(chain))

    def _cycles(self) -> list[tuple[NodeT, ...]]:
        """Name for each knot a shortest cycle through its first node."""
        found = []
        for knot in self._knots():
            start = min(knot, key=self.rank.__getitem__)
            found.append(self._shortest_cycle(start, knot))
        return sorted(found, key=lambda cycle: self.rank[cycle[0]])

    def _knots(self) -> list[set[NodeT]]:
        """Give the strongly connected components that hold a cycle."""
        found = (set(component) for component in components(self.predecessors))
        return [knot for knot in found if len(knot) > 1 or not knot.isdisjoint(self.predecessors[next(iter(knot))])]

    def _shortest_cycle(self, start: NodeT, knot: set[NodeT]) -> tuple[NodeT, ...]:
        """Search breadth first from ``start`` along the edges until it comes back."""
        came_from: dict[NodeT, NodeT] = {}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for after in self.successors[node]:
                if after == start:
                    cycle = [node]
                    while cycle[-1] != start:
                        cycle.append(came_from[cycle[-1]])
                    return (*reversed(cycle), start)
                if after in knot and after not in came_from:
                    came_from[after] = node
                    queue.append(after)
        raise AssertionError(f"{start!r} was said to lie on a cycle")
