"""Links the selected agents: which edges are in force, what flows along them, and what was dropped."""

from dataclasses import dataclass, field

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec
from planner_graph.errors import Finding
from planner_graph.planning.contents import DroppedDependency, StepDependency
from planner_graph.planning.selection import CAMPAIGN, Selection
from planner_graph.types import AgentName, DependencyKind


@dataclass(kw_only=True)
class Links:
    """Edges in force and the source of each named input, by agent; and the declared edges that are not in force."""

    dependencies: dict[AgentName, tuple[StepDependency, ...]] = field(default_factory=dict)
    inputs: dict[AgentName, dict[str, str]] = field(default_factory=dict)
    dropped: tuple[DroppedDependency, ...] = ()


def link(selection: Selection, catalog: Catalog) -> tuple[Links, list[Finding]]:
    """Derive the edges of the selected agents from their declared dependencies and from their inputs.

    An input read from an agent that is no declared dependency becomes one: hard if the input is required, soft
    otherwise.
    """
    links, dropped, findings = Links(), [], []
    rank = {name: position for position, name in enumerate(catalog.agents)}
    for name in selection.reasons:
        spec = catalog.agents[name]
        sources = {item.name: selection.producers[item.name] for item in spec.inputs if item.name in selection.producers}
        links.inputs[name] = sources
        edges = _edges(spec, sources)
        findings += _contradictions(spec, edges, sources, catalog)
        kept = [other for other in edges if other in selection.reasons]
        links.dependencies[name] = tuple(
            StepDependency(
                agent=other,
                kind=edges[other],
                via=tuple(item for item, producer in sources.items() if producer == other),
            )
            for other in sorted(kept, key=rank.__getitem__)
        )
        dropped += [
            DroppedDependency(agent=name, depends_on=other, kind=kind, reason=selection.left_out[other])
            for other, kind in edges.items()
            if other in selection.left_out
        ]
    links.dropped = tuple(dropped)
    return links, findings


def _edges(spec: AgentSpec, sources: dict[str, str]) -> dict[AgentName, DependencyKind]:
    edges = {dependency.agent: dependency.kind for dependency in spec.dependencies}
    for item in spec.inputs:
        producer = sources.get(item.name, CAMPAIGN)
        if producer == CAMPAIGN or producer in {dependency.agent for dependency in spec.dependencies}:
            continue
        name = AgentName(producer)
        if item.required or name not in edges:
            edges[name] = DependencyKind.HARD if item.required else DependencyKind.SOFT
    return edges


def _contradictions(
    spec: AgentSpec, edges: dict[AgentName, DependencyKind], sources: dict[str, str], catalog: Catalog
) -> list[Finding]:
    """Report required inputs that come along an edge which may well bring nothing."""
    findings = []
    for position, item in enumerate(spec.inputs):
        kind = edges.get(AgentName(sources.get(item.name, CAMPAIGN)))
        if item.required and kind not in {None, DependencyKind.HARD}:
            findings.append(
                Finding(
                    problem=f"agent {spec.name!r} requires the input {item.name!r}, but depends on its producer "
                    f"{sources[item.name]!r} only as {kind}",
                    remedy="make the dependency hard or the input not required",
                    file=catalog.file_of(f"agents.{spec.name}"),
                    key=f"agents.{spec.name}.inputs[{position}]",
                )
            )
    return findings
