"""What is where in the picture of a plan, in pixels: boxes, curves and bands, before anyone paints them.

Curves run level by level: bent between two levels, straight where they pass one. There the arrangement has kept a place
free, so that no curve runs through a box.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil

from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.explanation import duration_text
from planner_graph.planning.pictures.drawing import SCREEN_WIDTH, left_to_right, picture_edges, wraps
from planner_graph.planning.pictures.grid import Curve, Grid, Way, grid_of
from planner_graph.planning.pictures.layered import Room
from planner_graph.planning.pictures.layout import Arrangement, arrange
from planner_graph.planning.pictures.lettering import shorten, width
from planner_graph.types import AgentName

NAME_SIZE, NOTE_SIZE = 13, 11

_BOX_HEIGHT = 46
_NARROWEST, _WIDEST = 68, 208
_INSET = 14
CORNER = 9
"""Radius of a box's corners."""

_BAND, _BAND_HEAD, _BAND_LABEL = 10, 17, 58
_PORT_PITCH = 9
_GAP = {True: 24, False: 30}
_LEAST_LEVEL_GAP = {True: 56, False: 52}
_MOST_LEVEL_GAP = 220
_SLANT = {True: 0.15, False: 0.1}
"""How much wider a gap between levels gets for each pixel that a curve goes across, so that none gets too steep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """An agent's box: its upper left corner, its size, and the two lines of text that fit into it."""

    step: Step
    x: float
    y: float
    width: float
    height: float
    name: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """The ground of a parallel group that has a level for itself."""

    group: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    """Everything that is painted of a plan; ``x``, ``y``, ``width`` and ``height`` frame it."""

    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    bands: tuple[Band, ...]
    x: float
    y: float
    width: float
    height: float


def sketch(plan: PlanContents) -> Sketch:
    """Sketch ``plan``, with its levels as columns, in several lines if it is very deep, or as rows."""
    wrapped = wraps(plan)
    columns = wrapped or left_to_right(plan)
    ranks = _ranks(plan.steps)
    groups = _groups_on_levels(plan.steps)
    notes = [_note(step, named=step.parallel_group_id not in groups) for step in plan.steps]
    box_width = _box_width(plan.steps, notes)
    size, depth = (_BOX_HEIGHT, box_width) if columns else (box_width, _BOX_HEIGHT)
    index = {step.agent: position for position, step in enumerate(plan.steps)}
    edges = picture_edges(plan)
    ends = [(index[edge.source], index[edge.target]) for edge in edges]
    spine = [index[agent] for agent in plan.critical_path]
    looks = [(edge.look, edge.critical) for edge in edges]
    arrangement = arrange(ranks, ends, Room(size=size, gap=_GAP[columns]), spine=spine, looks=looks)
    ways = _ways(ranks, ends, arrangement, size)
    starts = _starts(ways, len(set(ranks)), depth, columns=columns)
    placed = list(zip(ranks, arrangement.centers, strict=True))
    occupied = [*ways, *(((rank, center),) for rank, center in placed)]
    grid = grid_of(occupied, starts, (depth, size), columns=columns, wrap_at=SCREEN_WIDTH if wrapped else None)
    corners = [grid.at(rank, grid.starts[rank], center - size / 2) for rank, center in placed]
    boxes = _boxes(plan.steps, notes, corners, box_width)
    curves = tuple(grid.curve(edge, way) for edge, way in zip(edges, ways, strict=True))
    levels_of = {step.agent: rank for step, rank in zip(plan.steps, ranks, strict=True)}
    return _framed(boxes, curves, groups, grid, levels_of)


def _ranks(steps: Iterable[Step]) -> list[int]:
    """Give the level of each step, counted without those that are empty."""
    levels = [step.level for step in steps]
    places = {level: place for place, level in enumerate(sorted(set(levels)))}
    return [places[level] for level in levels]


def _boxes(
    steps: Iterable[Step], notes: Iterable[str], corners: Iterable[tuple[float, float]], width: float
) -> tuple[Box, ...]:
    return tuple(
        Box(
            step=step,
            x=x,
            y=y,
            width=width,
            height=_BOX_HEIGHT,
            name=shorten(step.agent, NAME_SIZE, width - 2 * _INSET),
            note=note,
        )
        for step, note, (x, y) in zip(steps, notes, corners, strict=True)
    )


def _groups_on_levels(steps: Iterable[Step]) -> set[int]:
    """Give the parallel groups that have a level for themselves."""
    levels: dict[int | None, set[int]] = {}
    groups: dict[int, set[int | None]] = {}
    for step in steps:
        levels.setdefault(step.parallel_group_id, set()).add(step.level)
        groups.setdefault(step.level, set()).add(step.parallel_group_id)
    return {group for group, on in levels.items() if group is not None and len(on) == 1 and len(groups[min(on)]) == 1}


def _note(step: Step, *, named: bool) -> str:
    group = f" · group {step.parallel_group_id}" if named and step.parallel_group_id is not None else ""
    return duration_text(step.estimate.seconds) + group


def _box_width(steps: Sequence[Step], notes: Sequence[str]) -> int:
    """Give one width for all boxes, an even number: that of the longest text, within limits."""
    names = max((width(step.agent, NAME_SIZE) for step in steps), default=0)
    lines = max((width(note, NOTE_SIZE) for note in notes), default=0)
    return 2 * ceil(max(_NARROWEST, min(names, _WIDEST), lines) / 2) + 2 * _INSET


def _ways(ranks: Sequence[int], ends: Sequence[tuple[int, int]], arrangement: Arrangement, side: int) -> list[Way]:
    """Lead each edge from a port of its source to a port of its target."""
    centers = arrangement.centers
    ways: list[Way] = []
    leads: list[tuple[_Lead, _Lead]] = []
    for (source, target), route in zip(ends, arrangement.routes, strict=True):
        first, last = ranks[source], ranks[target]
        levels = range(first, last + 1) if first < last else range(first, last - 1, -1)
        places = [centers[source], *route, centers[target]]
        ways.append(tuple(zip(levels if first != last else (first, first), places, strict=True)))
        flow = (first >= last) + (first == last)
        leave = _Lead(node=source, behind=first <= last, place=places[1], flow=flow)
        reach = _Lead(node=target, behind=first >= last, place=places[-2], flow=flow + (first == last))
        leads.append((leave, reach))
    ports = _ports(centers, side, (lead for pair in leads for lead in pair))
    return [
        ((way[0][0], way[0][1] + ports[leave]), *way[1:-1], (way[-1][0], way[-1][1] + ports[reach]))
        for way, (leave, reach) in zip(ways, leads, strict=True)
    ]


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class _Lead:
    """Where edges of one bundle meet a node: on which side, towards which place across on the level there.

    ``flow`` keeps edges apart that run along each other: with the levels 0, against them 1, out of and into one level
    2 and 3.
    """

    node: int
    behind: bool
    place: float
    flow: int


def _ports(centers: Sequence[float], side: int, leads: Iterable[_Lead]) -> dict[_Lead, float]:
    """Spread the leads on each side of a node, in the order of their places, by their distance from its centre.

    A lead that can be straight is.
    """
    ports: dict[_Lead, float] = {}
    for (node, _), alike in groupby(sorted(set(leads)), key=lambda lead: (lead.node, lead.behind)):
        ordered = list(alike)
        zero = (len(ordered) - 1) / 2
        for index, lead in enumerate(ordered):
            if lead.place == centers[node] and lead.flow == 0:
                zero = index
        pitch = min(_PORT_PITCH, (side / 2 - CORNER) / max(1, zero, len(ordered) - 1 - zero))
        ports.update((lead, round((index - zero) * pitch, 1)) for index, lead in enumerate(ordered))
    return ports


def _starts(ways: Iterable[Way], count: int, depth: int, *, columns: bool) -> list[int]:
    """Give the place of each level along, with wider gaps where curves go far across."""
    reach = [0.0] * count
    for way in ways:
        for (level, start), (next_level, goal) in pairwise(way):
            if level != next_level:
                reach[min(level, next_level)] = max(reach[min(level, next_level)], abs(goal - start))
    starts = [0]
    for far in reach[:-1]:
        starts.append(
            starts[-1] + depth + round(min(_LEAST_LEVEL_GAP[columns] + _SLANT[columns] * far, _MOST_LEVEL_GAP))
        )
    return starts


def _framed(
    boxes: tuple[Box, ...], curves: tuple[Curve, ...], groups: set[int], grid: Grid, levels: Mapping[AgentName, int]
) -> Sketch:
    """Put a band behind each level that is a parallel group, and find the frame around everything."""
    areas = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]
    areas += [(x, y, x, y) for curve in curves for piece in curve.pieces for x, y in piece]
    if not areas:
        return Sketch(boxes=(), curves=(), bands=(), x=0, y=0, width=0, height=0)
    left, top = min(area[0] for area in areas), min(area[1] for area in areas)
    right, bottom = max(area[2] for area in areas), max(area[3] for area in areas)
    bands = []
    for group in sorted(groups):
        box = next(box for box in boxes if box.step.parallel_group_id == group)
        if grid.columns:
            upper, lower = grid.extent(levels[box.step.agent])
            bands.append(_band(group, box.x, upper - _BAND_HEAD, box.x + box.width, lower))
        else:
            bands.append(_band(group, left - _BAND_LABEL, box.y, right, box.y + box.height))
    corners = [(band.x, band.y, band.x + band.width, band.y + band.height) for band in bands]
    left, top = min([left, *(c[0] for c in corners)]), min([top, *(c[1] for c in corners)])
    right, bottom = max([right, *(c[2] for c in corners)]), max([bottom, *(c[3] for c in corners)])
    return Sketch(
        boxes=boxes,
        curves=curves,
        bands=tuple(bands),
        x=left,
        y=top,
        width=ceil(right - left),
        height=ceil(bottom - top),
    )


def _band(group: int, left: float, top: float, right: float, bottom: float) -> Band:
    return Band(
        group=group, x=left - _BAND, y=top - _BAND, width=right - left + 2 * _BAND, height=bottom - top + 2 * _BAND
    )
