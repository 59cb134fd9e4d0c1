"""Where the points of ordered levels lie: near their neighbours, edges straight, nothing too close to anything.

Balancing is least squares with one pass of pooling for each level (isotonic regression, Barlow 1972); what comes after
takes medians instead of means, as straight edges look better than evenly bent ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from math import fsum, inf

from planner_graph.planning.pictures.layered import LayeredGraph, affordable

_EVEN_SWEEPS = 12
_STRAIGHT_SWEEPS = 6
_BLOCK_SWEEPS = 8
"""Sweeps that balance each point among its neighbours, that line points up, and that line up what is lined up."""

_FEW_POINTS = 2_500
"""Up to here every bundle is brought into line, beyond only the spine: the bundles of a large graph are too many."""

Wishes = list[tuple[float, float]]
"""Where something would like to be, each place with its weight."""

Middle = Callable[[Wishes], tuple[float, Wishes]]
"""Finds the place between wishes, and gives what is needed to find it again among more of them."""


def place_points(layers: Sequence[Sequence[int]], graph: LayeredGraph) -> dict[int, int]:
    """Place the ordered points of one connected part: in balance among their neighbours, then lined up with some.

    Places may be negative; those on one level keep the order and the distances.
    """
    if len(layers) == 1:
        return {layers[0][0]: 0}
    place: dict[int, float] = {}
    for layer in layers:
        offsets = _offsets(layer, graph)
        place.update((point, offset - offsets[-1] / 2) for point, offset in zip(layer, offsets, strict=True))
    for middle, sweeps in ((_mean, _EVEN_SWEEPS), (_median, _STRAIGHT_SWEEPS)):
        for turn in range(affordable(sweeps, len(place))):
            for layer in layers if turn % 2 == 0 else reversed(layers):
                _settle(layer, place, graph, middle)
    whole = _rounded(layers, place, graph)
    lines = [line for line in graph.lines[: None if len(whole) <= _FEW_POINTS else 1] if line and line[0] in whole]
    for _ in range(affordable(_BLOCK_SWEEPS, len(place))):
        aligned = _align(lines, layers, whole, graph)
        if not _straighten(layers, whole, graph) and not aligned:
            break
    return whole


def _rounded(layers: Sequence[Sequence[int]], place: Mapping[int, float], graph: LayeredGraph) -> dict[int, int]:
    """Give whole places that still keep the distances."""
    whole = {point: round(place[point]) for layer in layers for point in layer}
    for layer in layers:
        for before, point in pairwise(layer):
            whole[point] = max(whole[point], whole[before] + graph.distance(before, point))
    return whole


def _settle(layer: Sequence[int], place: dict[int, float], graph: LayeredGraph, middle: Middle) -> None:
    """Move one level as near to its neighbours as order and distances allow, by pooling adjacent violators."""
    offsets = _offsets(layer, graph)
    pools: list[tuple[float, Wishes, int]] = []
    for point, offset in zip(layer, offsets, strict=True):
        count = 1
        best, wishes = middle([(place[other] - offset, graph.stiffness(point, other)) for other in graph.near(point)])
        while pools and pools[-1][0] > best:
            _, earlier, joined = pools.pop()
            best, wishes = middle(earlier + wishes)
            count += joined
        pools.append((best, wishes, count))
    settled = [best for best, _, count in pools for _ in range(count)]
    place.update((point, best + offset) for point, best, offset in zip(layer, settled, offsets, strict=True))


def _straighten(layers: Sequence[Sequence[int]], place: dict[int, int], graph: LayeredGraph) -> bool:
    """Move all that lies in one straight line to where most of its other neighbours are; say whether anything moved."""
    beside = {
        point: (left, right)
        for layer in layers
        for left, point, right in zip([None, *layer], layer, [*layer[1:], None], strict=False)
    }
    moved = False
    seen: set[int] = set()
    for start in (point for layer in layers for point in layer if point not in seen):
        block = _straight_block(start, place, graph)
        seen.update(block)
        wishes: Wishes = [
            (place[other] - place[start], graph.stiffness(point, other))
            for point in block
            for other in graph.near(point)
            if place[other] != place[start]
        ]
        if not wishes:
            continue
        low, high = _leeway(block, beside, place, graph)
        shift = round(max(low, min(high, _median(wishes)[0])))
        if _pull(wishes, shift) < _pull(wishes, 0):
            moved = True
            place.update((point, place[point] + shift) for point in block)
    return moved


def _align(
    lines: Iterable[Sequence[int]], layers: Sequence[Sequence[int]], place: dict[int, int], graph: LayeredGraph
) -> bool:
    """Bring pieces of a line into line, pushing aside what is in the way; say whether that was worth it anywhere."""
    seats = {point: (layer, seat) for layer in layers for seat, point in enumerate(layer)}
    moved = False
    for line in lines:
        pieces = [list(piece) for _, piece in groupby(line, key=place.__getitem__)]
        for index in range(len(pieces) - 1):
            upper, lower = pieces[index], pieces[index + 1]
            for piece, goal in ((lower, place[upper[0]]), (upper, place[lower[0]])):
                change = _pushed(piece, goal, seats, place, graph)
                if _gain(change, place, graph) > 0:
                    place.update(change)
                    moved = True
                    break
            if place[upper[0]] == place[lower[0]]:
                pieces[index + 1] = upper + lower
    return moved


def _pushed(
    piece: Iterable[int],
    goal: int,
    seats: Mapping[int, tuple[Sequence[int], int]],
    place: Mapping[int, int],
    graph: LayeredGraph,
) -> dict[int, int]:
    """Give the new places when a piece moves to ``goal`` and pushes its neighbours on."""
    change = {}
    for point in piece:
        change[point] = goal
        layer, seat = seats[point]
        for way, others in ((1, range(seat + 1, len(layer))), (-1, range(seat - 1, -1, -1))):
            last = point
            for other in map(layer.__getitem__, others):
                least = change[last] + way * graph.distance(last, other)
                if (place[other] - least) * way >= 0:
                    break
                change[other] = least
                last = other
    return change


def _gain(change: Mapping[int, int], place: Mapping[int, int], graph: LayeredGraph) -> float:
    """Say how much less all segments pull after a change; those between two changed points count half each time."""
    gain = 0.0
    for point, goal in change.items():
        for other in graph.near(point):
            both = 0.5 if other in change else 1.0
            less = abs(place[point] - place[other]) - abs(goal - change.get(other, place[other]))
            gain += both * less * graph.stiffness(point, other)
    return gain


def _straight_block(start: int, place: dict[int, int], graph: LayeredGraph) -> list[int]:
    """Give ``start`` and everything that straight segments join to it."""
    block, seen = [start], {start}
    for point in block:
        for other in graph.near(point):
            if other not in seen and place[other] == place[start]:
                seen.add(other)
                block.append(other)
    return block


def _leeway(
    block: Iterable[int],
    beside: Mapping[int, tuple[int | None, int | None]],
    place: dict[int, int],
    graph: LayeredGraph,
) -> tuple[float, float]:
    """Say how far a block may move to either side before it meets something."""
    low, high = -inf, inf
    for point in block:
        left, right = beside[point]
        if left is not None:
            low = max(low, place[left] + graph.distance(left, point) - place[point])
        if right is not None:
            high = min(high, place[right] - graph.distance(point, right) - place[point])
    return low, high


def _pull(wishes: Wishes, shift: float) -> float:
    """Say how far all wishes together stay unfulfilled after a shift."""
    return sum(abs(place - shift) * weight for place, weight in wishes)


def _offsets(layer: Sequence[int], graph: LayeredGraph) -> list[int]:
    """Give the places of the points of a level when they are packed, counted from the first one."""
    offsets = [0]
    for before, point in pairwise(layer):
        offsets.append(offsets[-1] + graph.distance(before, point))
    return offsets


def _mean(wishes: Wishes) -> tuple[float, Wishes]:
    """Give the weighted mean, and one wish that stands for all in any further mean.

    ``sum`` rounds otherwise from Python 3.12 on, and the picture would depend on the version.
    """
    weight = sum(weight for _, weight in wishes)
    mean = fsum(place * weight for place, weight in wishes) / weight
    return mean, [(mean, weight)]


def _median(wishes: Wishes) -> tuple[float, Wishes]:
    """Give the weighted median, the middle of the two where the weights are in balance, and the wishes in order."""
    wishes.sort()
    half = sum(weight for _, weight in wishes) / 2
    total = 0.0
    for (place, weight), (following, _) in pairwise(wishes):
        total += weight
        if total >= half:
            return (place if total > half else (place + following) / 2), wishes
    return wishes[-1][0], wishes
