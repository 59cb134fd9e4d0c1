"""The picture of a plan as SVG, complete in itself: no script, no font and no link from outside.

Every agent carries ``data-agent``, every edge ``data-source``, ``data-target`` and ``data-kind``, so that a page can
colour them while a run goes on. Colours are plain attributes, which any viewer honours; a style sheet replaces them
where the surroundings are dark.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from planner_graph.planning.contents import PlanContents
from planner_graph.planning.explanation import duration_text
from planner_graph.planning.pictures.drawing import DASHES, FALLBACK_BORDER, plain_text, summary
from planner_graph.planning.pictures.grid import Curve, Point
from planner_graph.planning.pictures.lettering import FONT, shorten, width
from planner_graph.planning.pictures.sketch import CORNER, NAME_SIZE, NOTE_SIZE, Band, Box, Sketch, sketch

PAINT: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "card": {"fill": ("#ffffff", "#0f172a"), "stroke": ("#cbd5e1", "#334155")},
    "band": {"fill": ("#eef2f7", "#1e293b")},
    "title": {"fill": ("#0f172a", "#f8fafc")},
    "note": {"fill": ("#475569", "#cbd5e1")},
    "node": {"fill": ("#ffffff", "#0f172a"), "stroke": ("#94a3b8", "#64748b")},
    "critical-node": {"fill": ("#fff7ed", "#431407"), "stroke": ("#c2410c", "#fb923c")},
    "edge": {"stroke": ("#64748b", "#94a3b8")},
    "head": {"fill": ("#64748b", "#94a3b8")},
    "critical-edge": {"stroke": ("#c2410c", "#fb923c")},
    "critical-head": {"fill": ("#c2410c", "#fb923c")},
}
"""Colours by role and attribute, for light and for dark surroundings."""

_MARGIN = 24
_TITLE_SIZE, _SUBTITLE_SIZE = 15, 12
_HEADER = 62
_LEGEND_LINE = 22
_LEAST_WIDTH = 300
_SAMPLE = 36
_HALF_HEAD = 4.0
_LOOKS = tuple(DASHES)


def to_svg(plan: PlanContents) -> str:
    """Draw ``plan`` as an SVG document; the same plan gives the same text."""
    drawn = sketch(plan)
    inner = max(drawn.width, _LEAST_WIDTH)
    legend = _legend(plan, drawn, inner)
    total = (inner + 2 * _MARGIN, _HEADER + drawn.height + _MARGIN + _LEGEND_LINE * len(legend) + _MARGIN // 2)
    root = Element("svg", _root_attributes(*total))
    SubElement(root, "title").text = f"Plan for campaign {plain_text(plan.campaign_id)}"
    SubElement(root, "desc").text = (
        f"{summary(plan)}. Solid lines are hard dependencies, dashed ones soft, dotted ones optional; "
        "fallbacks, which run only after a failure, have a dashed border; the critical path is heavier and orange."
    )
    SubElement(root, "style").text = _dark_style()
    size = {"x": "0.5", "y": "0.5", "width": _number(total[0] - 1), "height": _number(total[1] - 1), "rx": "12"}
    SubElement(root, "rect", {**_paint("card"), **size})
    _header(root, plan, inner)
    left, top = _MARGIN + (inner - drawn.width) // 2 - drawn.x, _HEADER - drawn.y
    picture = SubElement(root, "g", {"transform": f"translate({_number(left)} {_number(top)})"})
    _draw_bands(picture, drawn.bands)
    _draw_curves(picture, drawn.curves)
    critical = set(plan.critical_path)
    for box in drawn.boxes:
        _draw_box(picture, box, critical=box.step.agent in critical)
    _draw_legend(root, legend, _HEADER + drawn.height + _MARGIN)
    indent(root, " ")
    return tostring(root, encoding="unicode") + "\n"


def _root_attributes(total_width: float, total_height: float) -> dict[str, str]:
    return {
        "xmlns": "http://www.w3.org/2000/svg",
        "width": _number(total_width),
        "height": _number(total_height),
        "viewBox": f"0 0 {_number(total_width)} {_number(total_height)}",
        "role": "graphics-document document",
        "font-family": FONT,
    }


def _paint(role: str) -> dict[str, str]:
    return {"class": f"plan-{role}", **{attribute: light for attribute, (light, _) in PAINT[role].items()}}


def _dark_style() -> str:
    rules = " ".join(
        f".plan-{role}{{{';'.join(f'{attribute}:{dark}' for attribute, (_, dark) in colors.items())}}}"
        for role, colors in PAINT.items()
    )
    return f"@media (prefers-color-scheme: dark) {{ {rules} }}"


def _header(root: Element, plan: PlanContents, room: float) -> None:
    title = shorten(plain_text(plan.campaign_id), _TITLE_SIZE, room)
    place = {"x": _number(_MARGIN), "y": "30", "font-size": str(_TITLE_SIZE)}
    SubElement(root, "text", {**_paint("title"), **place}).text = title
    count, duration = len(plan.steps), plan.duration
    expected = f"expected {duration_text(duration.predicted)}"
    parts = [f"{count} agent{'' if count == 1 else 's'}", plan.strategy, expected]
    if duration.critical_path < duration.predicted:
        parts.append(f"critical path {duration_text(duration.critical_path)}")
    place = {"x": _number(_MARGIN), "y": "48", "font-size": str(_SUBTITLE_SIZE)}
    SubElement(root, "text", {**_paint("note"), **place}).text = shorten(" · ".join(parts), _SUBTITLE_SIZE, room)


def _draw_bands(picture: Element, bands: Iterable[Band]) -> None:
    for band in bands:
        place = {"x": _number(band.x), "y": _number(band.y), "rx": "10"}
        size = {"width": _number(band.width), "height": _number(band.height)}
        SubElement(picture, "rect", {**_paint("band"), **place, **size})
        place = {"x": _number(band.x + 11), "y": _number(band.y + 16), "font-size": str(NOTE_SIZE)}
        SubElement(picture, "text", {**_paint("note"), **place}).text = f"group {band.group}"


def _draw_curves(picture: Element, curves: Iterable[Curve]) -> None:
    """Draw the curves of one look together, the critical ones last and so on top."""
    ordered = sorted(curves, key=_look)
    for (critical, look), alike in groupby(ordered, key=_look):
        group = SubElement(picture, "g", {"fill": "none", **_line_attributes(_LOOKS[look], critical=critical)})
        for curve in alike:
            edge = curve.edge
            data = {"data-source": edge.source, "data-target": edge.target, "data-kind": edge.kind.value}
            item = SubElement(group, "g", data)
            SubElement(item, "title").text = f"{edge.source} → {edge.target} ({edge.look})"
            SubElement(item, "path", {"d": _path(curve)})
            head = {**_paint("critical-head" if critical else "head"), "stroke": "none", "d": _head(curve)}
            SubElement(item, "path", head)


def _look(curve: Curve) -> tuple[bool, int]:
    return curve.edge.critical, _LOOKS.index(curve.edge.look)


def _line_attributes(look: str, *, critical: bool) -> dict[str, str]:
    attributes = _paint("critical-edge" if critical else "edge") | {"stroke-width": "2.75" if critical else "1.4"}
    if DASHES[look]:
        attributes["stroke-dasharray"] = DASHES[look]
    return attributes


def _path(curve: Curve) -> str:
    parts = [f"M{_point(curve.start)}"]
    parts += [("L" if len(piece) == 1 else "C") + " ".join(map(_point, piece)) for piece in curve.pieces]
    return "".join(parts)


def _head(curve: Curve) -> str:
    """Draw the arrow head from its base, where the curve ends, to its tip."""
    (x, y), (tip_x, tip_y) = curve.pieces[-1][-1], curve.tip
    side = (0, _HALF_HEAD) if tip_y == y else (_HALF_HEAD, 0)
    return f"M{_point((x - side[0], y - side[1]))}L{_point((tip_x, tip_y))}L{_point((x + side[0], y + side[1]))}Z"


def _draw_box(picture: Element, box: Box, *, critical: bool) -> None:
    group = SubElement(picture, "g", {"data-agent": box.step.agent, "role": "graphics-symbol", "text-anchor": "middle"})
    SubElement(group, "title").text = _tooltip(box, critical=critical)
    area = {"x": _number(box.x), "y": _number(box.y), "width": _number(box.width), "height": _number(box.height)}
    paint = _paint("critical-node" if critical else "node")
    border = {"stroke-width": "2.5" if critical else "1.2", "rx": str(CORNER)}
    if box.step.replaces:
        border["stroke-dasharray"] = FALLBACK_BORDER
    SubElement(group, "rect", {**paint, **area, **border})
    middle = box.x + box.width / 2
    for role, size, text, down in (("title", NAME_SIZE, box.name, 20), ("note", NOTE_SIZE, box.note, 36)):
        place = {"x": _number(middle), "y": _number(box.y + down), "font-size": str(size)}
        SubElement(group, "text", {**_paint(role), **place}).text = plain_text(text)


def _tooltip(box: Box, *, critical: bool) -> str:
    step = box.step
    lines = [step.agent, f"step {step.order}, level {step.level}, {duration_text(step.estimate.seconds)}"]
    if step.parallel_group_id is not None:
        lines.append(f"parallel group {step.parallel_group_id}")
    if step.replaces:
        lines.append(f"runs only if {step.replaces} fails")
    else:
        lines.append("on the critical path" if critical else f"may slip {duration_text(step.timing.slack_seconds)}")
    if step.outputs:
        lines.append(f"gives {', '.join(map(plain_text, step.outputs))}")
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """An entry of the legend: what it looks like, its words, and where it begins on its line."""

    role: str
    look: str
    words: str
    x: float


def _legend(plan: PlanContents, drawn: Sketch, room: float) -> list[list[_Sample]]:
    """Explain the looks that occur, on as many lines as they need."""
    occurring = {curve.edge.look for curve in drawn.curves}
    entries = [("edge", look, look) for look in _LOOKS if look in occurring]
    entries += [("critical", _LOOKS[0], "critical path")] if plan.critical_path else []
    entries += [("band", _LOOKS[0], "side by side")] if drawn.bands else []
    lines: list[list[_Sample]] = [[]]
    x = 0.0
    for role, look, words in entries:
        extent = _SAMPLE + 8 + width(words, NOTE_SIZE)
        if lines[-1] and x + extent > room:
            lines.append([])
            x = 0
        lines[-1].append(_Sample(role=role, look=look, words=words, x=x))
        x += extent + 18
    return lines


def _draw_legend(root: Element, lines: Iterable[Iterable[_Sample]], top: float) -> None:
    legend = SubElement(root, "g", {"transform": f"translate({_number(_MARGIN)} {_number(top)})"})
    for row, line in enumerate(lines):
        for sample in line:
            _draw_sample(legend, sample, row * _LEGEND_LINE + _LEGEND_LINE / 2)


def _draw_sample(legend: Element, sample: _Sample, middle: float) -> None:
    if sample.role == "band":
        area = {"x": _number(sample.x), "y": _number(middle - 7), "width": str(_SAMPLE), "height": "14", "rx": "5"}
        SubElement(legend, "rect", {**_paint("band"), **area})
    else:
        line = _line_attributes(sample.look, critical=sample.role == "critical")
        path = f"M{_point((sample.x, middle))}L{_point((sample.x + _SAMPLE, middle))}"
        SubElement(legend, "path", {"fill": "none", **line, "d": path})
    place = {"x": _number(sample.x + _SAMPLE + 8), "y": _number(middle + 4), "font-size": str(NOTE_SIZE)}
    SubElement(legend, "text", {**_paint("note"), **place}).text = sample.words


def _point(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{round(value, 1):.12g}"
