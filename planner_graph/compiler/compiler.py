"""Compiles an execution plan into a LangGraph graph that anyone can invoke, stream, draw and deploy."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import Runnable
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from planner_graph.clock import Clock, SystemClock
from planner_graph.compiler.boards import Boards, DataflowBoards, StepBoards
from planner_graph.compiler.body import BINDABLE, Body
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.ends import dataflow_entry, end, entry
from planner_graph.compiler.graph import PlanGraph
from planner_graph.compiler.joins import secure_joins
from planner_graph.compiler.node import AgentNode
from planner_graph.compiler.state import PlanInput, PlanOutput, node_schema, state_schema
from planner_graph.compiler.usage import Prices, checked_prices
from planner_graph.compiler.wiring import ENTRY, EXIT, drawn_edges, edges
from planner_graph.errors import AgentBindingError, UnboundAgentsError
from planner_graph.planning.contents import Step
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.scheduler import scheduler_for
from planner_graph.types import AgentName, Strategy

CompiledPlan = CompiledStateGraph[Any, Any, PlanInput, PlanOutput]

SPARE_SUPERSTEPS = 10
"""Supersteps allowed beyond one per agent, for entry, exit and whatever a user wraps around the graph."""


def compile_plan(  # noqa: PLR0913  # options, all by keyword
    plan: ExecutionPlan,
    agents: Mapping[str, Body],
    *,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    clock: Clock | None = None,
    prices: Prices | None = None,
    name: str = "campaign",
) -> CompiledPlan:
    """Compile ``plan`` into a graph whose nodes run the bodies in ``agents``.

    The graph takes ``{"campaign": {...}}`` and gives ``{"result": {"status", "deliverables", "missing", "agents"}}``.
    Its state holds one record per agent under the agent's name. A thread belongs to the plan it was started with.

    LangGraph visits at most ``max_concurrency`` nodes at one time, and agents that wait for their turn count: to limit
    how many run, use the campaign's ``max_parallel``. Without it there is no limit under ``ainvoke``, and one of 256
    nodes, each in a thread, under ``invoke``.

    A record's ``usage`` counts the tokens of the language models that the agent called. ``prices`` are the models'
    prices by name; with them it also tells the cost.

    Raises:
        UnboundAgentsError: agents of the plan have no body; all of them are named.
        AgentBindingError: a body is nothing that can run.
        InvalidInputError: there is something in ``prices`` that is no price.
    """
    bodies, prices, clock = _bodies(plan, agents), checked_prices(prices), clock or SystemClock()
    loop, boards = BackgroundLoop(), _boards(plan)
    schema = state_schema(plan)
    builder: StateGraph[Any, Any, PlanInput, PlanOutput] = StateGraph(
        schema, input_schema=PlanInput, output_schema=PlanOutput
    )
    drawn = drawn_edges(plan)
    first = dataflow_entry(plan, boards, loop) if isinstance(boards, DataflowBoards) else entry(plan)
    builder.add_node(ENTRY, first, input_schema=schema, destinations=drawn.get(ENTRY))
    for step in plan.steps:
        node = AgentNode(step, bodies[step.agent], boards=boards, clock=clock, loop=loop, prices=prices)
        reads = node_schema(dependency.agent for dependency in step.dependencies)
        builder.add_node(
            step.agent, node, input_schema=reads, metadata=_metadata(step), destinations=drawn.get(step.agent)
        )
    builder.add_node(EXIT, end(plan), input_schema=node_schema(plan.by_agent))
    for sources, target in edges(plan):
        builder.add_edge(sources[0] if len(sources) == 1 else list(sources), target)
    compiled = builder.compile(checkpointer=checkpointer, store=store, name=name)
    secure_joins(compiled)
    graph = PlanGraph.of(compiled, plan, loop)
    for agent, body in bodies.items():
        if isinstance(body, Pregel):  # shows an agent that is a graph in xray pictures and in subgraph streams
            graph.nodes[agent].subgraphs = [body]
    return graph.with_config(recursion_limit=len(plan.steps) + SPARE_SUPERSTEPS)


def _boards(plan: ExecutionPlan) -> Boards:
    if plan.strategy is Strategy.ADAPTIVE:
        return DataflowBoards(lambda: scheduler_for(plan))
    return StepBoards(lambda: scheduler_for(plan, dependencies=False))


def _bodies(plan: ExecutionPlan, agents: Mapping[str, Body]) -> dict[AgentName, Body]:
    unbound = [step.agent for step in plan.steps if step.agent not in agents]
    if unbound:
        raise UnboundAgentsError(unbound, agents)
    bodies = {step.agent: agents[step.agent] for step in plan.steps}
    for agent, body in bodies.items():
        if not isinstance(body, Runnable) and not callable(body):
            raise AgentBindingError(agent, f"{body!r} is neither a function nor a runnable; {BINDABLE}")
    return bodies


def _metadata(step: Step) -> dict[str, Any]:
    return {
        "planner_graph_agent": step.agent,
        "agent_type": step.type,
        "estimate_seconds": step.estimate.seconds,
        "parallel_group_id": step.parallel_group_id,
        "critical": step.timing.critical,
    }
