"""Pictures of a plan as text for other tools: Mermaid (GitHub, docs) and DOT (Graphviz).

Only agents and the dependencies in force are drawn: hard edges solid, soft ones dashed, optional ones dotted, fallbacks
with a dashed border, the critical path heavier and in colour, agents that may run side by side in a frame. Both take
time linear in the plan.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.explanation import duration_text
from planner_graph.text import CONTROLS, REPLACEMENT
from planner_graph.types import AgentName, DependencyKind

CRITICAL_COLOR = "#c2410c"
"""Orange that keeps a contrast of 3:1 or more on white and on black."""

FALLBACK = "fallback"
"""The look of what is in use only after a failure: the box of a fallback, and the edges to it and from it."""

DASHES = {"hard": "", "soft": "7 4", "optional": "1.5 4", FALLBACK: "9 3 1.5 3"}
"""SVG dash pattern of each look of an edge; none is solid."""

FALLBACK_BORDER = "5 3"
"""SVG dash pattern of the border of a fallback's box."""

_DOT_STYLES = {"hard": "solid", "soft": "dashed", "optional": "dotted", FALLBACK: "dashed, arrowhead=onormal"}

MERMAID_MAX_EDGES, MERMAID_MAX_CHARACTERS = 500, 50_000
"""What Mermaid draws unless the page that shows the picture raises its ``maxEdges`` and ``maxTextSize``."""

SCREEN_WIDTH = 2000
_COLUMN_PITCH, _ROW_PITCH = 210, 170
"""What an agent takes of the width, in pixels, where levels are columns and where they are rows."""

_LINE_PITCH, _LINE_GAP, _ROW_DEPTH = 70, 60, 98
"""What an agent takes of the height where levels are columns, the gap between two lines of them, and a row's height."""

WRAP_LINES = 2
"""Lines that a plan of columns must have more of to be wrapped; a plan less deep can be scrolled."""

_NOT_PLAIN = re.compile(f"[{CONTROLS}\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that no picture format holds, or that turn the text around them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureEdge:
    """One dependency as it is drawn: from the agent that gives to the agent that depends on it."""

    source: AgentName
    target: AgentName
    kind: DependencyKind
    critical: bool
    fallback: bool

    @property
    def look(self) -> str:
        """What the line looks like: its kind, or ``fallback`` if it is in use only after a failure."""
        return FALLBACK if self.fallback else self.kind.value


def picture_edges(plan: PlanContents) -> tuple[PictureEdge, ...]:
    """Give every dependency of the plan once, by step and then as the step lists them."""
    critical = set(zip(plan.critical_path, plan.critical_path[1:], strict=False))
    return tuple(
        PictureEdge(
            source=dependency.agent,
            target=step.agent,
            kind=dependency.kind,
            critical=(dependency.agent, step.agent) in critical,
            fallback=dependency.stands_in_for is not None or dependency.agent == step.replaces,
        )
        for step in plan.steps
        for dependency in step.dependencies
    )


def wraps(plan: PlanContents) -> bool:
    """Say whether levels are better drawn as columns in several lines: in a plan much deeper than it is wide.

    As rows it would be a strip of which a screen shows only a small part.
    """
    members = Counter(step.level for step in plan.steps)
    lines = ceil(len(members) * _COLUMN_PITCH / SCREEN_WIDTH)
    wrapped = lines * (max(members.values(), default=0) * _LINE_PITCH + _LINE_GAP)
    return lines > WRAP_LINES and wrapped < len(members) * _ROW_DEPTH / 2


def left_to_right(plan: PlanContents) -> bool:
    """Say whether levels are better drawn as columns, which read like lines of text, than as rows.

    Rows are better where columns would be too wide for a screen, and wider than rows; height can be scrolled.
    """
    members = Counter(step.level for step in plan.steps)
    as_columns = len(members) * _COLUMN_PITCH
    as_rows = max(members.values(), default=0) * _ROW_PITCH
    return as_columns <= max(SCREEN_WIDTH, as_rows)


def plain_text(text: str) -> str:
    """Give ``text`` on one line, without characters that no picture format holds.

    XML refuses more than a database does; and a picture has no room for escapes.
    """
    return _NOT_PLAIN.sub(REPLACEMENT, " ".join(text.split()))


def summary(plan: PlanContents) -> str:
    """Say in one sentence what the picture shows."""
    agents, levels = len(plan.steps), len({step.level for step in plan.steps})
    return (
        f"{agents} agent{'' if agents == 1 else 's'} in {levels} level{'' if levels == 1 else 's'}, "
        f"strategy {plan.strategy}, expected {duration_text(plan.duration.predicted)}; "
        f"critical path: {', '.join(plan.critical_path) or 'none'}"
    )


def mermaid_id(agent: str) -> str:
    """Give the node id of ``agent`` in Mermaid: unlike for unlike names, and never a word of the language.

    >>> mermaid_id("fact-check.v2"), mermaid_id("end")
    ('a_fact_2Dcheck_2Ev2', 'a_end')
    """
    return "a_" + re.sub(r"_(?=2D|2E|5F)|[.-]", lambda found: f"_{ord(found[0]):02X}", agent)


def to_mermaid(plan: PlanContents) -> str:
    """Draw ``plan`` as a Mermaid flowchart with one line per dependency, ``a_writer --> a_editor``.

    Node ids are those of :func:`mermaid_id`. A comment says so where the picture is beyond what Mermaid draws by
    default; the SVG has no such limit.
    """
    text = _mermaid(plan)
    problem = beyond_mermaid(text, sum(len(step.dependencies) for step in plan.steps))
    return f"%% {problem}\n{text}" if problem else text


def beyond_mermaid(text: str, edges: int) -> str | None:
    """Say why Mermaid will not draw a picture by default, and what to do about it; ``None`` if it will."""
    excess = []
    if edges > MERMAID_MAX_EDGES:
        excess.append(f"{edges:,} edges, of which Mermaid draws {MERMAID_MAX_EDGES} (maxEdges)")
    if len(text) > MERMAID_MAX_CHARACTERS:
        excess.append(f"{len(text):,} characters, of which it reads {MERMAID_MAX_CHARACTERS:,} (maxTextSize)")
    return f"the picture has {' and '.join(excess)}; raise that where it is shown, or draw an SVG" if excess else None


def _mermaid(plan: PlanContents) -> str:
    critical = set(plan.critical_path)
    lines = [
        f"flowchart {'LR' if left_to_right(plan) else 'TB'}",
        f"  accTitle: Plan for campaign {_mermaid_text(plan.campaign_id)}",
        f"  accDescr: {_mermaid_text(summary(plan))}",
    ]
    for group, steps in _grouped(plan.steps):
        nodes = [_mermaid_node(step, critical=step.agent in critical) for step in steps]
        if group is None:
            lines += [f"  {node}" for node in nodes]
        else:
            lines += [f'  subgraph group_{group}["group {group}"]', *(f"    {node}" for node in nodes), "  end"]
    edges = picture_edges(plan)
    lines += [
        f"  {mermaid_id(edge.source)} {'-->' if edge.look == DependencyKind.HARD else '-.->'} {mermaid_id(edge.target)}"
        for edge in edges
    ]
    lines += _mermaid_link_styles(edges)
    if critical:
        lines.append(f"  classDef critical stroke:{CRITICAL_COLOR},stroke-width:3px")
    if any(step.replaces for step in plan.steps):
        lines.append(f"  classDef fallback stroke-dasharray:{FALLBACK_BORDER}")
    return "\n".join(lines) + "\n"


def to_dot(plan: PlanContents) -> str:
    """Draw ``plan`` as a Graphviz digraph with one line per dependency, ``"writer" -> "editor" [style=solid]``."""
    critical = set(plan.critical_path)
    direction = "LR" if left_to_right(plan) else "TB"
    texts = f"label={_dot_text(plan.campaign_id)}, tooltip={_dot_text(summary(plan))}"
    lines = [
        'digraph "plan" {',
        f"  graph [rankdir={direction}, newrank=true, bgcolor=transparent, {texts}]",
        '  graph [fontname="Helvetica", fontcolor="#6b7280"]',
        '  node [shape=box, style="rounded,filled", fillcolor="#f8fafc", color="#64748b"]',
        '  node [fontname="Helvetica", fontcolor="#0f172a"]',
        '  edge [color="#6b7280"]',
    ]
    for group, steps in _grouped(plan.steps):
        nodes = [_dot_node(step, critical=step.agent in critical) for step in steps]
        if group is None:
            lines += [f"  {node}" for node in nodes]
        else:
            head = f'label="group {group}", style="rounded,dashed", color="#94a3b8"'
            lines += [f'  subgraph "cluster_{group}" {{', f"    graph [{head}]", *(f"    {n}" for n in nodes), "  }"]
    lines += [f"  {_dot_edge(edge)}" for edge in picture_edges(plan)]
    return "\n".join([*lines, "}"]) + "\n"


def _grouped(steps: Iterable[Step]) -> Iterator[tuple[int | None, list[Step]]]:
    """Give the steps by parallel group, in order of each group's first step; a step of no group comes alone."""
    groups: dict[int | str, tuple[int | None, list[Step]]] = {}
    for step in steps:
        group = step.parallel_group_id
        groups.setdefault(step.agent if group is None else group, (group, []))[1].append(step)
    return iter(groups.values())


def _mermaid_node(step: Step, *, critical: bool) -> str:
    label = f"{_mermaid_text(step.agent)}<br/>{duration_text(step.estimate.seconds)}"
    return f'{mermaid_id(step.agent)}["{label}"]{_mermaid_class(step, critical=critical)}'


def _mermaid_class(step: Step, *, critical: bool) -> str:
    if step.replaces:
        return ":::fallback"
    return ":::critical" if critical else ""


def _mermaid_link_styles(edges: Iterable[PictureEdge]) -> Iterator[str]:
    """Give one line for each look; a later line for the same edge would undo an earlier one."""
    looks: dict[str, list[str]] = {}
    for position, edge in enumerate(edges):
        parts = [f"stroke-dasharray:{DASHES[edge.look]}"] if DASHES[edge.look] else []
        parts += [f"stroke:{CRITICAL_COLOR},stroke-width:3px"] if edge.critical else []
        if parts:
            looks.setdefault(",".join(parts), []).append(str(position))
    for look, positions in looks.items():
        yield f"  linkStyle {','.join(positions)} {look}"


def _mermaid_text(text: str) -> str:
    """Write every character that Mermaid could read as its own as a numbered entity, ``#34;``."""
    return re.sub(
        r"[^\w .,()/'-]|(?<=-)-",
        lambda found: f"#{ord(found[0])};" if found[0].isascii() else found[0],
        plain_text(text),
    )


def _dot_node(step: Step, *, critical: bool) -> str:
    mark = f', color="{CRITICAL_COLOR}", penwidth=2.5' if critical else ""
    mark += ', style="rounded,filled,dashed"' if step.replaces else ""
    name = _dot_text(step.agent)
    return f'{name} [label="{name[1:-1]}\\n{duration_text(step.estimate.seconds)}"{mark}]'


def _dot_edge(edge: PictureEdge) -> str:
    mark = f', color="{CRITICAL_COLOR}", penwidth=2.5' if edge.critical else ""
    if edge.kind is DependencyKind.OPTIONAL:
        mark += ", constraint=false"
    return f"{_dot_text(edge.source)} -> {_dot_text(edge.target)} [style={_DOT_STYLES[edge.look]}{mark}]"


def _dot_text(text: str) -> str:
    r"""Quote ``text``: DOT reads ``\`` and ``&`` as the start of an escape even inside quotes."""
    return '"' + plain_text(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") + '"'
