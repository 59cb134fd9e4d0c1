"""The grid of a picture: where each level is on the page, and the curves between the levels.

Levels are columns, read like lines of text, or rows. Columns that are too many for one line are wrapped into several,
one below the other; an edge to the next line leaves at the right and comes in again at the left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from planner_graph.planning.pictures.drawing import PictureEdge

HEAD = 9
"""Length of an arrow head."""

_BULGE = 36
_LANE = 7
"""Distance between edges that pass side by side to the next line."""

_MARGIN = 22
"""Distance of the first of them from the boxes."""

Point = tuple[float, float]

Way = tuple[tuple[int, float], ...]
"""The levels an edge touches, with the position across each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """An edge: ``pieces`` are lines (one point each) and cubic curves (three), each from where the last one ended.

    The arrow head has its base there, and its tip at ``tip``.
    """

    edge: PictureEdge
    start: Point
    pieces: tuple[tuple[Point, ...], ...]
    tip: Point


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of levels: the first one and the one after its last, and what it takes across: ``top`` to ``bottom``."""

    first: int
    end: int
    top: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The levels on the page: where each starts along its line, how deep their boxes are, and the lines.

    Across, all lines are counted from the same origin; ``shifts`` says for each line how far down the page it is moved.
    """

    columns: bool
    depth: int
    starts: Sequence[float]
    lines: Sequence[Line]
    lanes: Sequence[Sequence[tuple[bool, float, float]]]

    @cached_property
    def line_of(self) -> list[int]:
        """The line of each level."""
        return [number for number, line in enumerate(self.lines) for _ in range(line.first, line.end)]

    @cached_property
    def shifts(self) -> list[float]:
        """How far each line is moved across."""
        shifts, place = [0.0], self.lines[0].bottom
        for line, lanes in zip(self.lines[1:], self.lanes, strict=True):
            place += 2 * _MARGIN + _LANE * len(lanes)
            shifts.append(place - line.top)
            place += line.bottom - line.top
        return shifts

    @cached_property
    def sides(self) -> tuple[float, float]:
        """Where the boxes of the widest line begin and end."""
        ends = [self.starts[line.end - 1] + self.depth for line in self.lines]
        return 0.0, max(ends)

    def extent(self, level: int) -> tuple[float, float]:
        """Give what the line of a level takes across, on the page."""
        number = self.line_of[level]
        return self.lines[number].top + self.shifts[number], self.lines[number].bottom + self.shifts[number]

    def at(self, level: int, along: float, across: float) -> Point:
        """Give the point of the page at ``along`` and ``across`` in the line of a level."""
        across += self.shifts[self.line_of[level]]
        return (along, across) if self.columns else (across, along)

    def curve(self, edge: PictureEdge, way: Way) -> Curve:
        """Lead an edge on its way."""
        first, last = way[0][0], way[-1][0]
        if first == last:
            return self._bulge(edge, way)
        forward = 1 if first < last else -1
        entry, leave = (0, self.depth) if forward == 1 else (self.depth, 0)
        here, along, across = first, self.starts[first] + leave, way[0][1]
        start = self.at(first, along, across)
        pieces: list[tuple[Point, ...]] = []
        for level, goal in way[1:]:
            near = self.starts[level] + entry - (forward * HEAD if level == last else 0)
            far = near if level == last else self.starts[level] + leave
            turned = self.line_of[level] != self.line_of[here]
            if turned:
                pieces += self._turn(here, level, across, goal, near)
            elif goal != across:
                middle = (along + near) / 2
                bend = ((middle, across), (middle, goal), (near, goal))
                pieces.append(tuple(self.at(level, *point) for point in bend))
            elif pieces and len(pieces[-1]) == 1:
                pieces.pop()
            if (goal == across and not turned) or far != near:
                pieces.append((self.at(level, far, goal),))
            here, along, across = level, far, goal
        return Curve(edge=edge, start=start, pieces=tuple(pieces), tip=self.at(last, along + forward * HEAD, across))

    def _turn(self, here: int, level: int, across: float, goal: float, near: float) -> list[tuple[Point, ...]]:
        """Lead an edge from one line to the next: out at its end, along between the two, and in again."""
        forward = here < level
        upper = self.line_of[min(here, level)]
        lane = self.lanes[upper].index((forward, across, goal))
        out = _MARGIN / 2 + _LANE * lane
        left, right = self.sides[0] - out, self.sides[1] + out
        gutter = self.lines[upper].bottom + self.shifts[upper] + _MARGIN + _LANE * lane
        leave, enter = (right, left) if forward else (left, right)
        points = (self.at(here, leave, across), (leave, gutter), (enter, gutter), self.at(level, enter, goal))
        return [*((point,) for point in points), (self.at(level, near, goal),)]

    def _bulge(self, edge: PictureEdge, way: Way) -> Curve:
        """Lead an edge within a level out of its source and back into its target, through the gap behind the level."""
        (level, start), (_, goal) = way
        side = self.starts[level] + self.depth
        bend = ((side + _BULGE, start), (side + _BULGE, goal), (side + HEAD, goal))
        piece = tuple(self.at(level, *point) for point in bend)
        return Curve(edge=edge, start=self.at(level, side, start), pieces=(piece,), tip=self.at(level, side, goal))


def grid_of(
    ways: Sequence[Way], starts: Sequence[float], box: tuple[int, int], *, columns: bool, wrap_at: float | None
) -> Grid:
    """Put levels that start at ``starts`` on a page, in lines of at most ``wrap_at`` pixels if that is given.

    ``box`` is what a box takes along its line and across; ``ways`` are those of the edges, and one of a single level
    for each box.
    """
    depth, size = box
    breaks = _breaks(starts, depth, wrap_at)
    reach: list[list[float]] = [[] for _ in breaks]
    line_of = [number for number, (first, end) in enumerate(breaks) for _ in range(first, end)]
    for way in ways:
        half = size / 2 if len(way) == 1 else 0
        for level, across in way:
            reach[line_of[level]] += (across - half, across + half)
    lines = tuple(
        Line(first=first, end=end, top=min(places, default=0), bottom=max(places, default=0))
        for (first, end), places in zip(breaks, reach, strict=True)
    )
    return Grid(
        columns=columns,
        depth=depth,
        starts=[start - starts[breaks[line][0]] for start, line in zip(starts, line_of, strict=True)],
        lines=lines,
        lanes=_lanes(ways, line_of, len(lines)),
    )


def _breaks(starts: Sequence[float], depth: int, wrap_at: float | None) -> list[tuple[int, int]]:
    """Give the first level of each line and the one after its last."""
    firsts = [0]
    for level, start in enumerate(starts):
        if wrap_at is not None and level > firsts[-1] and start + depth - starts[firsts[-1]] > wrap_at:
            firsts.append(level)
    return list(pairwise([*firsts, len(starts)]))


def _lanes(ways: Iterable[Way], line_of: Sequence[int], count: int) -> list[list[tuple[bool, float, float]]]:
    """Give for each line but the last the edges that pass to the next one: their direction, and from where to where."""
    lanes: list[set[tuple[bool, float, float]]] = [set() for _ in range(count - 1)]
    for way in ways:
        for (here, across), (level, goal) in pairwise(way):
            if line_of[here] != line_of[level]:
                lanes[line_of[min(here, level)]].add((here < level, across, goal))
    return [sorted(found) for found in lanes]
