"""The SVG picture of a plan."""

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest

from planner_graph import Campaign, MasterPlanner
from planner_graph.planning.pictures.drawing import plain_text, to_dot, to_mermaid
from planner_graph.planning.pictures.lettering import shorten, width
from planner_graph.planning.pictures.sketch import NAME_SIZE, sketch
from planner_graph.planning.pictures.svg import PAINT, to_svg
from tests.catalogs import catalog, spec
from tests.plans import BLOG, BLOG_SECONDS, make_plan

SVG = "{http://www.w3.org/2000/svg}"


def draw(plan):
    return ET.fromstring(to_svg(plan))  # noqa: S314 - our own output


def agents(root):
    return {group.get("data-agent"): group for group in root.iter(f"{SVG}g") if group.get("data-agent")}


def edges(root):
    """Each edge as (source, target, kind), with the group of its look."""
    return {
        (item.get("data-source"), item.get("data-target"), item.get("data-kind")): look
        for look in root.iter(f"{SVG}g")
        for item in look.findall(f"{SVG}g")
        if item.get("data-source")
    }


def words(root):
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_every_agent_and_every_dependency_is_drawn_once():
    root = draw(make_plan(BLOG, seconds=BLOG_SECONDS, kinds={("social_media", "editor"): "soft"}))
    assert sorted(agents(root)) == sorted(BLOG)
    drawn = [item for item in root.iter(f"{SVG}g") if item.get("data-source")]
    assert len(drawn) == sum(map(len, BLOG.values()))
    assert set(edges(root)) == {
        (other, name, "soft" if (name, other) == ("social_media", "editor") else "hard")
        for name, others in BLOG.items()
        for other in others
    }


def test_a_box_says_name_and_estimate():
    group = agents(draw(make_plan(BLOG, seconds=BLOG_SECONDS)))["writer"]
    assert [text.text for text in group.findall(f"{SVG}text")] == ["writer", "5 min"]
    assert group.findtext(f"{SVG}title", "").splitlines()[0] == "writer"


def test_kinds_differ_in_their_dashes():
    plan = make_plan(
        {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["b"]}, kinds={("c", "a"): "soft", ("d", "b"): "optional"}
    )
    looks = edges(draw(plan))
    assert looks["a", "b", "hard"].get("stroke-dasharray") is None
    assert looks["a", "c", "soft"].get("stroke-dasharray") == "7 4"
    assert looks["b", "d", "optional"].get("stroke-dasharray") == "1.5 4"


def test_the_critical_path_is_heavier_and_coloured():
    root = draw(make_plan(BLOG, seconds=BLOG_SECONDS))
    looks, boxes = edges(root), agents(root)
    critical, plain = looks["writer", "editor", "hard"], looks["writer", "image", "hard"]
    assert float(critical.get("stroke-width")) > 1.5 * float(plain.get("stroke-width"))
    assert critical.get("stroke") != plain.get("stroke")
    marked = [name for name, group in boxes.items() if group.find(f"{SVG}rect").get("class") == "plan-critical-node"]
    assert marked == ["planner", "researcher", "writer", "editor", "seo"]


def test_levels_are_columns_and_groups_lie_on_bands():
    drawn = sketch(make_plan(BLOG))
    left = {str(box.step.agent): box.x for box in drawn.boxes}
    assert left["planner"] < left["researcher"] < left["writer"] < left["editor"] == left["image"]
    assert left["editor"] < left["seo"] == left["social_media"]
    assert [band.group for band in drawn.bands] == [3, 4]
    for band in drawn.bands:
        inside = [b for b in drawn.boxes if band.x < b.x < band.x + band.width]
        assert [b.step.parallel_group_id for b in inside] == [band.group] * 2
        assert all(band.y < b.y and b.y + b.height < band.y + band.height for b in inside)


def layers(depth, width):
    """A plan of so many levels, each agent after all of the level before."""
    return make_plan(
        {
            f"s{level}_{place}": [f"s{level - 1}_{other}" for other in range(width)] if level else []
            for level in range(depth)
            for place in range(width)
        }
    )


def test_a_deep_plan_that_is_wide_too_is_drawn_in_rows():
    drawn = sketch(layers(20, 6))
    assert [box.y for box in drawn.boxes] == sorted(box.y for box in drawn.boxes)
    assert len({box.y for box in drawn.boxes}) == 20


@pytest.mark.parametrize(("depth", "width"), [(20, 1), (200, 1), (60, 3)])
def test_a_very_deep_plan_is_wrapped_like_lines_of_text(depth, width):
    drawn = sketch(layers(depth, width))
    assert drawn.width <= 2200
    assert drawn.height < depth * 50 * width
    places = {str(box.step.agent): (box.x, box.y) for box in drawn.boxes}
    firsts = [places[f"s{level}_0"] for level in range(depth)]
    turns = [level for level in range(1, depth) if firsts[level][0] <= firsts[level - 1][0]]
    assert turns
    for level in range(1, depth):
        below, right = firsts[level][1] > firsts[level - 1][1], firsts[level][0] > firsts[level - 1][0]
        assert below if level in turns else right


def test_edges_of_a_wrapped_plan_pass_between_the_lines_and_through_no_box():
    plan = make_plan(
        {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(40)} | {"last": ["s39", "s3"]},
        kinds={("last", "s3"): "optional", ("s30", "s29"): "soft"},
    )
    drawn = sketch(plan)
    boxes = {box.step.agent: box for box in drawn.boxes}
    for curve in drawn.curves:
        ends = [curve.start, *(point for piece in curve.pieces for point in piece)]
        for (x, y), (next_x, next_y) in pairwise(ends):
            for name, box in boxes.items():
                if name in {curve.edge.source, curve.edge.target}:
                    continue
                beside = max(x, next_x) <= box.x or min(x, next_x) >= box.x + box.width
                apart = max(y, next_y) <= box.y or min(y, next_y) >= box.y + box.height
                assert beside or apart, (curve.edge, name)


def test_long_edges_of_different_kinds_never_lie_on_each_other():
    chain = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}
    plan = make_plan(
        chain | {"hard": ["d", "a"], "soft": ["d", "a"], "optional": ["d", "a"]},
        kinds={("soft", "a"): "soft", ("optional", "a"): "optional"},
    )
    passing = {}
    for curve in sketch(plan).curves:
        if curve.edge.source == "a" and curve.edge.target != "b":
            passing[curve.edge.kind] = {piece[0][1] for piece in curve.pieces if len(piece) == 1}
    assert len(passing) == 3
    assert all(one.isdisjoint(other) for one, other in combinations(passing.values(), 2))


def test_a_fallback_looks_like_one():
    known = catalog(
        spec("draw", fallback="stock", outputs=["picture"]),
        spec("stock", outputs=["picture"]),
        spec("page", inputs=["picture"]),
    )
    plan = MasterPlanner(known).create_execution_plan(Campaign(deliverables=("page",)))
    root = draw(plan)
    boxes = {group.get("data-agent"): group for group in root.iter(f"{SVG}g") if group.get("data-agent")}
    dashed = {name for name, group in boxes.items() if group.find(f"{SVG}rect").get("stroke-dasharray")}
    assert dashed == {"stock"}
    assert "runs only if draw fails" in boxes["stock"].find(f"{SVG}title").text
    titles = {title.text for title in root.iter(f"{SVG}title")}
    assert {"draw → stock (fallback)", "stock → page (fallback)", "draw → page (hard)"} <= titles
    assert "fallback" in {text.text for text in root.iter(f"{SVG}text")}
    assert "a_stock" in next(line for line in to_mermaid(plan).splitlines() if ":::fallback" in line)
    assert re.search(r'"stock" \[.*dashed', to_dot(plan))


def test_the_critical_path_of_a_simple_plan_is_one_straight_line():
    drawn = sketch(make_plan(BLOG, seconds=BLOG_SECONDS))
    critical = [curve for curve in drawn.curves if curve.edge.critical]
    assert len(critical) == 4
    assert {point[1] for curve in critical for point in (curve.start, curve.tip)} == {critical[0].start[1]}


def test_groups_that_share_a_level_are_told_in_the_boxes():
    plan = make_plan({"a": [], "b": [], "c": []})
    steps = tuple(
        step.model_copy(update={"parallel_group_id": group}) for step, group in zip(plan.steps, (1, 1, 2), strict=True)
    )
    drawn = sketch(plan.model_copy(update={"steps": steps}))
    assert drawn.bands == ()
    assert [box.note for box in drawn.boxes] == ["1 min · group 1", "1 min · group 1", "1 min · group 2"]


def test_the_legend_explains_what_occurs_and_nothing_else():
    plain = words(draw(make_plan({"a": []})))
    assert "critical path" in plain
    assert not {"hard", "soft", "optional", "side by side"} & set(plain)
    full = make_plan({"a": [], "b": ["a"], "c": ["a"], "d": ["a"]}, kinds={("c", "a"): "soft", ("d", "a"): "optional"})
    assert words(draw(full))[-5:] == ["hard", "soft", "optional", "critical path", "side by side"]


def test_title_and_description_come_first_for_screen_readers():
    root = draw(make_plan(BLOG, seconds=BLOG_SECONDS, campaign_id="spring"))
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text == "Plan for campaign spring"
    assert "7 agents in 5 levels" in (root[1].text or "")
    assert root.get("role") == "graphics-document document"


def test_hostile_text_is_only_text():
    hostile = "</text><script>alert(\"1\")</script> & 'x' ]]> <!-- \n\x00\x0b\ud800 日本語"
    plan = make_plan({"a": []}, campaign_id=hostile)
    step = plan.steps[0].model_copy(update={"outputs": (hostile,)})
    root = draw(plan.model_copy(update={"steps": (step,)}))
    assert not list(root.iter(f"{SVG}script"))
    assert root[0].text == f"Plan for campaign {plain_text(hostile)}"
    assert agents(root)["a"].findtext(f"{SVG}title", "").endswith(f"gives {plain_text(hostile)}")


def test_a_name_of_100_characters_is_shortened_and_told_in_full_in_the_tooltip():
    name = "W" * 100
    drawn = sketch(make_plan({name: []}))
    (box,) = drawn.boxes
    assert box.name.endswith("…")
    assert width(box.name, NAME_SIZE) < box.width
    title = agents(draw(make_plan({name: []})))[name].findtext(f"{SVG}title", "")
    assert title.splitlines()[0] == name


def test_texts_are_shortened_only_where_they_must():
    assert shorten("writer", 10, width("writer", 10)) == "writer"
    assert shorten("writer", 10, width("writer", 10) - 0.1) == "writ…"
    assert shorten("writer", 10, 0) == "…"


def test_wide_and_unseen_characters_count_as_what_they_are():
    assert width("日本", 10) > width("ab", 10)
    assert width("e\N{COMBINING ACUTE ACCENT}", 10) == width("e", 10)


def luminance(color):
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """Contrast by WCAG 2: 4.5 is needed for text, 3 for lines."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_and_lines_stand_out_from_their_ground(theme):
    grounds = [PAINT[role]["fill"][theme] for role in ("card", "band", "node", "critical-node")]
    for role in ("title", "note"):
        assert min(contrast(PAINT[role]["fill"][theme], ground) for ground in grounds) >= 4.5
    for role in ("edge", "critical-edge"):
        assert min(contrast(PAINT[role]["stroke"][theme], ground) for ground in grounds[:2]) >= 3


def test_dark_colours_replace_every_light_one():
    style = draw(make_plan({"a": []})).findtext(f"{SVG}style", "")
    assert style.startswith("@media (prefers-color-scheme: dark)")
    for role, colors in PAINT.items():
        assert f".plan-{role}{{" in style
        assert all(f"{attribute}:{dark}" in style for attribute, (_, dark) in colors.items())


def test_the_picture_needs_nothing_from_outside():
    text = to_svg(make_plan(BLOG))
    assert text.count("http") == 1
    assert "href" not in text
    assert "url(" not in text


def test_everything_lies_inside_the_picture():
    for plan in (make_plan(BLOG), make_plan({"a": []}), make_plan({f"f{i}": [] for i in range(9)})):
        drawn, root = sketch(plan), draw(plan)
        _, _, page_width, page_height = map(float, root.get("viewBox").split())
        assert page_width >= drawn.width + 48
        assert page_height >= drawn.height + 62
        for box in drawn.boxes:
            assert drawn.x <= box.x
            assert box.x + box.width <= drawn.x + drawn.width
            assert drawn.y <= box.y
            assert box.y + box.height <= drawn.y + drawn.height


def test_parts_that_hang_together_by_nothing_lie_apart():
    drawn = sketch(make_plan({"a": [], "b": ["a"], "x": [], "y": ["x"], "alone": []}))
    top = {str(box.step.agent): box.y for box in drawn.boxes}
    assert max(top["a"], top["b"]) < min(top["x"], top["y"]) <= max(top["x"], top["y"]) < top["alone"]


def test_an_optional_edge_may_point_back_along_a_hard_one_without_hiding_it():
    plan = make_plan({"a": ["b"], "b": ["a"]}, kinds={("a", "b"): "optional"})
    forth, back = sorted(sketch(plan).curves, key=lambda curve: curve.edge.source)
    assert forth.start[0] < forth.tip[0]
    assert back.start[0] > back.tip[0]
    assert forth.start[1] != back.tip[1]


def test_an_optional_edge_within_a_level_bends_through_the_gap():
    plan = make_plan({"a": [], "b": ["a"]}, kinds={("b", "a"): "optional"})
    drawn = sketch(plan)
    (curve,) = drawn.curves
    right = max(box.x + box.width for box in drawn.boxes)
    assert curve.start[0] == curve.tip[0] == right
    assert all(x > right for piece in curve.pieces for x, _ in piece)


def test_a_plan_of_no_agents_is_a_card_that_says_so():
    assert "0 agents · parallel · expected 0 s" in words(draw(make_plan({})))


def test_edges_of_one_source_share_their_way_past_other_levels():
    chain = {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(6)}
    readers = {f"r{i}": ["s0", "s5"] for i in range(8)}
    drawn = sketch(make_plan(chain | readers))
    past = [curve for curve in drawn.curves if curve.edge.source == "s0" and curve.edge.target.startswith("r")]
    assert len(past) == 8
    assert len({curve.pieces[0] for curve in past}) == 1
