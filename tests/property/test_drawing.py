"""Pictures of arbitrary plans."""

import re
from collections import Counter
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from planner_graph.planning.pictures.drawing import mermaid_id, plain_text, to_dot, to_mermaid
from planner_graph.planning.pictures.layered import Room
from planner_graph.planning.pictures.layout import arrange
from planner_graph.planning.pictures.lettering import shorten, width
from planner_graph.planning.pictures.sketch import sketch
from planner_graph.planning.pictures.svg import to_svg
from tests.plans import make_plan

UNTIMED = settings(deadline=None)
"""The time of one example says more about the machine than about the code."""

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,12}", fullmatch=True)


@st.composite
def plans(draw):
    """Plans of up to 14 agents, with optional edges in any direction."""
    names = draw(st.lists(NAMES, min_size=1, max_size=14, unique=True))
    size = len(names)
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    dependencies: dict[str, list[str]] = {name: [] for name in names}
    kinds = {}
    for one, other in draw(st.lists(pairs, max_size=3 * size, unique=True)):
        if one < other:
            dependencies[names[other]].append(names[one])
            kinds[names[other], names[one]] = draw(st.sampled_from(["hard", "soft", "optional"]))
        elif one > other and names[one] not in dependencies[names[other]]:
            dependencies[names[other]].append(names[one])
            kinds[names[other], names[one]] = "optional"
    seconds = {name: draw(st.sampled_from([0.5, 45.0, 180.0, 7500.0])) for name in names}
    return make_plan(
        dependencies, kinds=kinds, seconds=seconds, strategy=draw(st.sampled_from(["parallel", "sequential"]))
    )


def dependencies_of(plan):
    return Counter((edge.agent, step.agent) for step in plan.steps for edge in step.dependencies)


@UNTIMED
@given(plans())
def test_mermaid_has_one_edge_for_each_dependency(plan):
    names = {mermaid_id(step.agent): step.agent for step in plan.steps}
    assert len(names) == len(plan.steps)
    found = re.findall(r"^  (\w+) -\.?-> (\w+)$", to_mermaid(plan), re.MULTILINE)
    assert Counter((names[source], names[target]) for source, target in found) == dependencies_of(plan)


@UNTIMED
@given(plans())
def test_dot_has_one_edge_for_each_dependency(plan):
    found = re.findall(r'^  "([^"]+)" -> "([^"]+)" \[', to_dot(plan), re.MULTILINE)
    assert Counter(found) == dependencies_of(plan)


@UNTIMED
@given(plans())
def test_svg_has_one_edge_for_each_dependency_and_one_group_for_each_agent(plan):
    root = ET.fromstring(to_svg(plan))  # noqa: S314 - our own output
    groups = list(root.iter("{http://www.w3.org/2000/svg}g"))
    edges = [(group.get("data-source"), group.get("data-target")) for group in groups if group.get("data-source")]
    assert Counter(edges) == dependencies_of(plan)
    assert Counter(group.get("data-agent") for group in groups if group.get("data-agent")) == Counter(
        step.agent for step in plan.steps
    )


def points_on(curve):
    """The curve in steps of a few pixels."""
    x, y = curve.start
    for piece in curve.pieces:
        (x1, y1), (x2, y2), (x3, y3) = piece if len(piece) == 3 else ((x, y), piece[0], piece[0])
        for step in range(1, 41):
            t = step / 40
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            yield a * x + b * x1 + c * x2 + d * x3, a * y + b * y1 + c * y2 + d * y3
        x, y = x3, y3
    yield curve.tip


@UNTIMED
@given(plans())
def test_no_curve_runs_through_a_box_and_no_box_over_another(plan):
    drawn = sketch(plan)
    for one, other in combinations(drawn.boxes, 2):
        assert (
            one.x + one.width < other.x
            or other.x + other.width < one.x
            or one.y + one.height < other.y
            or other.y + other.height < one.y
        )
    for curve in drawn.curves:
        for x, y in points_on(curve):
            for box in drawn.boxes:
                assert not (box.x + 0.5 < x < box.x + box.width - 0.5 and box.y + 0.5 < y < box.y + box.height - 0.5), (
                    curve.edge,
                    box.step.agent,
                )


@UNTIMED
@given(plans())
def test_every_curve_goes_from_the_side_of_its_source_to_the_side_of_its_target(plan):
    drawn = sketch(plan)
    boxes = {box.step.agent: box for box in drawn.boxes}
    for curve in drawn.curves:
        for (x, y), agent in ((curve.start, curve.edge.source), (curve.tip, curve.edge.target)):
            box = boxes[agent]
            assert box.x <= x <= box.x + box.width
            assert box.y <= y <= box.y + box.height
            assert x in {box.x, box.x + box.width} or y in {box.y, box.y + box.height}


@UNTIMED
@given(plans())
def test_the_frame_encloses_everything(plan):
    drawn = sketch(plan)
    points = [(x, y) for curve in drawn.curves for x, y in points_on(curve)]
    for areas in (drawn.boxes, drawn.bands):
        points += [(area.x, area.y) for area in areas]
        points += [(area.x + area.width, area.y + area.height) for area in areas]
    for x, y in points:
        assert drawn.x - 1e-6 <= x <= drawn.x + drawn.width + 1e-6
        assert drawn.y - 1e-6 <= y <= drawn.y + drawn.height + 1e-6


@UNTIMED
@given(plans())
def test_steps_of_one_level_lie_in_line_and_levels_follow_each_other(plan):
    drawn = sketch(plan)
    places: dict[int, list[tuple[float, float]]] = {}
    for box in drawn.boxes:
        places.setdefault(box.step.level, []).append((box.x, box.y))
    for axis in (0, 1):
        lines = [{place[axis] for place in places[level]} for level in sorted(places)]
        if all(len(line) == 1 for line in lines):
            along = [line.pop() for line in lines]
            assert all(before < after for before, after in pairwise(along)) or len(set(along)) == 1
            break
    else:
        raise AssertionError("levels are neither columns nor rows")


@UNTIMED
@given(st.text(max_size=60))
def test_any_campaign_id_gives_readable_pictures(campaign_id):
    plan = make_plan({"a": [], "b": ["a"]}, campaign_id=campaign_id)
    root = ET.fromstring(to_svg(plan))  # noqa: S314 - our own output
    assert root[0].text == f"Plan for campaign {plain_text(campaign_id)}"
    plain = make_plan({"a": [], "b": ["a"]})
    assert to_mermaid(plan).count("\n") == to_mermaid(plain).count("\n") == len(to_mermaid(plan).splitlines())
    assert to_dot(plan).count("\n") == to_dot(plain).count("\n") == len(to_dot(plan).splitlines())


@UNTIMED
@given(st.text(max_size=60), st.floats(20, 300))
def test_what_is_shortened_fits(text, room):
    short = shorten(text, 13, room)
    assert width(short, 13) <= room
    assert short == text or text.startswith(short[:-1])


@UNTIMED
@given(st.lists(NAMES, unique=True, max_size=40))
def test_mermaid_ids_are_as_many_as_names(names):
    assert len({mermaid_id(name) for name in names}) == len(names)


@UNTIMED
@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.data())
def test_points_of_one_level_keep_their_distance(raw, data):
    used = sorted(set(raw))
    levels = [used.index(level) for level in raw]
    node = st.integers(0, len(levels) - 1)
    edges = data.draw(st.lists(st.tuples(node, node), max_size=40, unique=True))
    found = arrange(levels, edges, Room(size=40, gap=20))
    for level in range(len(used)):
        centers = sorted(center for center, own in zip(found.centers, levels, strict=True) if own == level)
        assert all(after - before >= 60 for before, after in pairwise(centers))
        passing = {
            place
            for (source, target), route in zip(edges, found.routes, strict=True)
            for between, place in zip(levels_between(levels[source], levels[target]), route, strict=True)
            if between == level
        }
        assert all(abs(place - center) >= 36 for place in passing for center in centers)
    assert min(found.centers) >= 0


def levels_between(first, last):
    return range(first + 1, last) if first < last else range(first - 1, last, -1)
