"""What LangGraph's tools draw of a graph: its agents with what is known of them, and the edges of the plan's DAG.

LangGraph would draw how its nodes trigger each other, which under two of three strategies says little about the plan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.runnables.graph import Graph, Node
from langgraph.graph import END, START
from langgraph.pregel import Pregel

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec
from planner_graph.compiler.wiring import ENTRY, EXIT
from planner_graph.planning.contents import Step, StepDependency
from planner_graph.planning.linking import possible_dependencies
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, DependencyKind


class DrawnEdge(NamedTuple):
    """An edge from one node to another; one that is not ``certain`` is drawn dashed."""

    source: str
    target: str
    certain: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The agents that are drawn, each with its metadata, and all edges from START to END."""

    agents: Mapping[AgentName, Mapping[str, Any]]
    edges: tuple[DrawnEdge, ...]


def picture_of(plan: ExecutionPlan) -> Picture:
    """Give the picture of ``plan``: between agents, every dependency is an edge, a hard one solid."""
    return _picture(
        {step.agent: metadata(step) for step in plan.steps}, {step.agent: step.dependencies for step in plan.steps}
    )


def picture_of_catalog(catalog: Catalog, agents: Iterable[AgentName]) -> Picture:
    """Give the picture of these agents of a catalog, as if all of them were in one plan."""
    dependencies = possible_dependencies(agents, catalog)
    return _picture({agent: spec_metadata(catalog.agents[agent]) for agent in dependencies}, dependencies)


def _picture(
    agents: Mapping[AgentName, Mapping[str, Any]], dependencies: Mapping[AgentName, tuple[StepDependency, ...]]
) -> Picture:
    edges = [(edge, agent) for agent, before in dependencies.items() for edge in before]
    waiting = {agent for edge, agent in edges if edge.kind is not DependencyKind.OPTIONAL}
    awaited = {edge.agent for edge, agent in edges if edge.kind is not DependencyKind.OPTIONAL}
    first = [str(agent) for agent in agents if agent not in waiting] or [EXIT]
    return Picture(
        agents=agents,
        edges=(
            DrawnEdge(START, ENTRY),
            *(DrawnEdge(ENTRY, node) for node in first),
            *(DrawnEdge(edge.agent, agent, _is_certain(edge)) for edge, agent in edges),
            *(DrawnEdge(agent, EXIT) for agent in agents if agent not in awaited),
            DrawnEdge(EXIT, END),
        ),
    )


def _is_certain(edge: StepDependency) -> bool:
    """Whether the edge is in use whenever both agents run; that of a fallback is only after a failure."""
    return edge.kind is DependencyKind.HARD and edge.stands_in_for is None


def metadata(step: Step) -> dict[str, Any]:
    """Give what the node of a step tells LangGraph's tools about it."""
    return {
        "planner_graph_agent": step.agent,
        "agent_type": step.type,
        "estimate_seconds": step.estimate.seconds,
        "parallel_group_id": step.parallel_group_id,
        "critical": step.timing.critical,
    }


def spec_metadata(spec: AgentSpec) -> dict[str, Any]:
    """Give what is known of an agent that is in no plan yet."""
    return {
        "planner_graph_agent": spec.name,
        "agent_type": spec.type,
        "estimate_seconds": spec.estimate_seconds,
    }


def draw(picture: Picture, graph: Pregel[Any, Any, Any, Any], subgraphs: Mapping[str, Graph]) -> Graph:
    """Draw ``picture`` as LangGraph's tools want it, with ``subgraphs`` in place of the agents that have one."""
    drawing = Graph()
    ends: dict[str, tuple[Node, Node]] = {}
    for name in (START, ENTRY, *picture.agents, EXIT, END):
        inside = subgraphs.get(name)
        if inside is not None and (both := _inside(drawing, name, inside)):
            ends[name] = both
            continue
        node = graph.nodes.get(name)
        about = {**(picture.agents.get(AgentName(name)) or {}), **_breakpoints(graph, name)}
        ends[name] = (drawing.add_node(node.bound if node else None, name, metadata=about or None),) * 2
    for source, target, certain in picture.edges:
        drawing.add_edge(ends[source][1], ends[target][0], conditional=not certain)
    return drawing


def _inside(drawing: Graph, name: str, inside: Graph) -> tuple[Node, Node] | None:
    """Put a subgraph into the drawing, without its START and END; gives its first and last node, if there are such."""
    if len(inside.nodes) <= 1 or not inside.first_node() or not inside.last_node():
        return None
    inside.trim_first_node()
    inside.trim_last_node()
    first, last = drawing.extend(inside, prefix=name)
    return (first, last) if first and last else None


def _breakpoints(graph: Pregel[Any, Any, Any, Any], name: str) -> dict[str, str]:
    """Give the mark of a node at which the graph always stops."""
    given = {"before": graph.interrupt_before_nodes, "after": graph.interrupt_after_nodes}
    stops = [when for when, nodes in given.items() if name in nodes]
    return {"__interrupt": ",".join(stops)} if stops else {}
