"""Links the selected agents: which edges are in force, what flows along them, and what was dropped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec
from planner_graph.errors import CycleError, Finding, cycle_text
from planner_graph.planning import alternatives
from planner_graph.planning.contents import CAMPAIGN, DroppedDependency, StepDependency
from planner_graph.planning.dag import Dag
from planner_graph.planning.selection import Selection, producers
from planner_graph.types import AgentName, DependencyKind


@dataclass(frozen=True, kw_only=True)
class Links:
    """Edges in force and the source of each named input, by agent; and the declared edges that are not in force."""

    dependencies: Mapping[AgentName, tuple[StepDependency, ...]]
    inputs: Mapping[AgentName, Mapping[str, str]]
    dropped: tuple[DroppedDependency, ...]


def link(selection: Selection, catalog: Catalog) -> tuple[Links, list[Finding]]:
    """Derive the edges of the selected agents from their declared dependencies and from their inputs.

    An input read from an agent that is no declared dependency makes it one: hard if a required input comes from it,
    soft otherwise. Of inputs of which one is enough, the one that all depends on counts as required.
    """
    catalog = alternatives.resolved(catalog, selection.reasons, selection.producers)
    specs = [catalog.agents[name] for name in selection.reasons]
    rank = {name: position for position, name in enumerate(selection.reasons)}
    inputs = {
        spec.name: {
            item.name: selection.producers[item.name] for item in spec.inputs if item.name in selection.producers
        }
        for spec in specs
    }
    dependencies = {}
    dropped: list[DroppedDependency] = []
    findings: list[Finding] = []
    for spec in specs:
        kinds = _kinds(spec, inputs[spec.name])
        dependencies[spec.name] = _with_stand_ins(spec, _in_force(kinds, inputs[spec.name], rank), selection, rank)
        dropped += [
            DroppedDependency(agent=spec.name, depends_on=other, kind=kind, reason=selection.left_out[other])
            for other, kind in kinds.items()
            if other in selection.left_out
        ]
        findings += _contradictions(spec, kinds, inputs[spec.name], catalog)
        replaced = selection.stand_ins.get(spec.name)
        if replaced is not None and kinds.get(replaced) is DependencyKind.HARD:
            problem = f"agent {spec.name!r} is the fallback of {replaced!r}, but cannot run without it"
            remedy = "remove the dependency or the input that leads there, or name another fallback"
            findings.append(catalog.finding(("agents", replaced, "fallback"), problem, remedy))
    return Links(dependencies=dependencies, inputs=inputs, dropped=tuple(dropped)), findings


def dag_of(links: Links, catalog: Catalog) -> tuple[Dag[AgentName], list[Finding]]:
    """Build the DAG of the edges that an agent waits for; an optional dependency orders nothing.

    Where the edges go in circles, the DAG is empty and there is a finding for each knot.
    """
    waits_for = {
        name: [edge.agent for edge in edges if edge.kind is not DependencyKind.OPTIONAL]
        for name, edges in links.dependencies.items()
    }
    try:
        return Dag(waits_for), []
    except CycleError as error:
        return Dag({}), [_circular(cycle, catalog) for cycle in error.cycles]


def circular_dependencies(catalog: Catalog) -> list[Finding]:
    """Report the circles there would be if every agent of the catalog were selected."""
    return dag_of(link(_all_of(catalog.agents, catalog), catalog)[0], catalog)[1]


def possible_dependencies(
    agents: Iterable[AgentName], catalog: Catalog
) -> Mapping[AgentName, tuple[StepDependency, ...]]:
    """Give the edges there would be if just these agents of the catalog were selected."""
    selection = _all_of(agents, catalog)
    originals = {
        spec.fallback: spec.name for spec in reversed(catalog.agents.values()) if spec.name in selection.reasons
    }
    stand_ins = {name: originals[name] for name in selection.reasons if name in originals}
    return link(replace(selection, stand_ins=stand_ins), catalog)[0].dependencies


def _all_of(agents: Iterable[AgentName], catalog: Catalog) -> Selection:
    return Selection(reasons=dict.fromkeys(agents, ()), producers=producers(catalog))


def _kinds(spec: AgentSpec, sources: Mapping[str, str]) -> dict[AgentName, DependencyKind]:
    """Give the kind of dependency on each agent, selected or not: as declared, else as the inputs call for."""
    declared = {
        dependency.agent: dependency.kind
        for dependency in spec.dependencies
        if dependency.agent != spec.name  # the catalog check's finding
    }
    derived: dict[AgentName, DependencyKind] = {}
    for item in spec.inputs:
        producer = AgentName(sources.get(item.name, CAMPAIGN))
        if producer == CAMPAIGN or producer in declared:
            continue
        if item.required:
            derived[producer] = DependencyKind.HARD
        else:
            derived.setdefault(producer, DependencyKind.SOFT)
    return declared | derived


def _in_force(
    kinds: Mapping[AgentName, DependencyKind], sources: Mapping[str, str], rank: Mapping[AgentName, int]
) -> tuple[StepDependency, ...]:
    """Give the edges to selected agents, in catalog order."""
    via: dict[str, list[str]] = {}
    for item, producer in sources.items():
        via.setdefault(producer, []).append(item)
    selected = sorted((other for other in kinds if other in rank), key=rank.__getitem__)
    return tuple(StepDependency(agent=other, kind=kinds[other], via=tuple(via.get(other, ()))) for other in selected)


def _with_stand_ins(
    spec: AgentSpec, edges: tuple[StepDependency, ...], selection: Selection, rank: Mapping[AgentName, int]
) -> tuple[StepDependency, ...]:
    """Add the edges of fallbacks: to the agent that ``spec`` stands in for, and to those who stand in for others."""
    by_agent = {edge.agent: edge for edge in edges}
    replaced = selection.stand_ins.get(spec.name)
    if replaced is not None:
        by_agent.setdefault(replaced, StepDependency(agent=replaced, kind=DependencyKind.SOFT))
    fallbacks = {original: fallback for fallback, original in selection.stand_ins.items()}
    for edge in edges:
        here = edge.agent
        while here in fallbacks and fallbacks[here] != spec.name:
            here = fallbacks[here]
            by_agent[here] = StepDependency(agent=here, kind=edge.kind, via=edge.via, stands_in_for=edge.agent)
    return tuple(sorted(by_agent.values(), key=lambda edge: rank[edge.agent]))


def _contradictions(
    spec: AgentSpec, kinds: Mapping[AgentName, DependencyKind], sources: Mapping[str, str], catalog: Catalog
) -> list[Finding]:
    """Report required inputs that come along an edge which may well bring nothing."""
    findings = []
    for position, item in enumerate(spec.inputs):
        kind = kinds.get(AgentName(sources.get(item.name, CAMPAIGN)))
        if item.required and kind not in {None, DependencyKind.HARD}:
            problem = f"agent {spec.name!r} needs the input {item.name!r}, but its dependency on the producer "
            problem += f"{sources[item.name]!r} is only {kind}"
            remedy = "make the dependency hard or the input not required"
            findings.append(catalog.finding(("agents", spec.name, "inputs", position), problem, remedy))
    return findings


def _circular(cycle: tuple[str, ...], catalog: Catalog) -> Finding:
    """Report a cycle where its first agent declares that it waits for the last one."""
    first, last = AgentName(cycle[0]), cycle[-2]
    declared = any(dependency.agent == last for dependency in catalog.agents[first].dependencies)
    path = ("agents", first, "dependencies" if declared else "inputs")
    remedy = "remove one of these dependencies or make it optional"
    return catalog.finding(path, f"circular dependency: {cycle_text(cycle[::-1])}", remedy, agents=cycle)
