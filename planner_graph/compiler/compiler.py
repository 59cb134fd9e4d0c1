"""Compiles an execution plan into a LangGraph graph that anyone can invoke, stream, draw and deploy."""

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from planner_graph.campaign import Campaign
from planner_graph.clock import Clock
from planner_graph.compiler.assembly import Assembly
from planner_graph.compiler.body import Body
from planner_graph.compiler.ends import Entry, end, laid_over
from planner_graph.compiler.graph import PlanGraph
from planner_graph.compiler.picture import metadata, picture_of
from planner_graph.compiler.routing import route_of
from planner_graph.compiler.state import PlanInput, PlanOutput, node_schema, state_schema
from planner_graph.compiler.usage import Prices
from planner_graph.compiler.wiring import ENTRY, EXIT, edges
from planner_graph.errors import UnboundAgentsError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, Strategy

CompiledPlan = CompiledStateGraph[Any, Any, PlanInput, PlanOutput]


def compile_plan(  # noqa: PLR0913  # options, all by keyword
    plan: ExecutionPlan,
    agents: Mapping[str, Body],
    *,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    clock: Clock | None = None,
    prices: Prices | None = None,
    name: str = "campaign",
    defaults: Campaign | None = None,
    allowed_types: Iterable[type | str] = (),
) -> PlanGraph:
    """Compile ``plan`` into a graph whose nodes run the bodies in ``agents``.

    The graph takes ``{"campaign": {...}}`` and gives ``{"result": {"status", "deliverables", "missing", "agents"}}``.
    What an input leaves out of the campaign is taken from ``defaults``, if they are given. The state holds one record
    per agent under the agent's name. A thread belongs to the plan it was started with.

    LangGraph visits at most ``max_concurrency`` nodes at one time, and agents that wait for their turn count: to limit
    how many run, use the campaign's ``max_parallel``. Without it there is no limit under ``ainvoke``, and one of 256
    nodes, each in a thread, under ``invoke``.

    A record's ``usage`` counts the tokens of the language models that the agent called. ``prices`` are the models'
    prices by name; with them it also tells the cost.

    ``checkpointer`` builds nothing of what it has stored but plain data, LangChain's messages, LangGraph's own types
    and ``allowed_types``: classes, or texts such as ``"shop.models:Draft"``, beside those of an ``AgentFactory``. An
    agent that would store another one fails.

    Raises:
        UnboundAgentsError: agents of the plan have no body; all of them are named.
        AgentBindingError: a body is nothing that can run.
        InvalidInputError: there is something in ``prices`` that is no price.
        AllowedTypeError: there is something in ``allowed_types`` that is no type.
    """
    assembly = Assembly(_bodies(plan, agents), clock, prices, types_allowed_by(agents, allowed_types))
    schema = state_schema(plan)
    builder: StateGraph[Any, Any, PlanInput, PlanOutput] = StateGraph(
        schema, input_schema=PlanInput, output_schema=PlanOutput
    )
    builder.add_node(ENTRY, Entry(lambda state: (plan, laid_over(defaults, state)), assembly.loop), input_schema=schema)
    for step in plan.steps:
        node = assembly.node(step.agent, isolated=step.isolation is not None)
        reads = node_schema(dependency.agent for dependency in step.dependencies)
        builder.add_node(step.agent, node, input_schema=reads, metadata=metadata(step))
    builder.add_node(EXIT, end(), input_schema=node_schema(plan.by_agent))
    for sources, target in edges(plan):
        builder.add_edge(sources[0] if len(sources) == 1 else list(sources), target)
    if plan.strategy is Strategy.ADAPTIVE:
        builder.add_conditional_edges(ENTRY, route_of(plan))
    return assembly.finish(
        builder, plan=plan, picture=picture_of(plan), checkpointer=checkpointer, store=store, name=name
    )


def types_allowed_by(agents: Mapping[str, Body], further: Iterable[type | str] = ()) -> tuple[type | str, ...]:
    """Return the types that a factory of agents allows in checkpoints, and ``further`` ones."""
    return (*getattr(agents, "allowed_types", ()), *further)


def _bodies(plan: ExecutionPlan, agents: Mapping[str, Body]) -> dict[AgentName, Body]:
    unbound = [step.agent for step in plan.steps if step.agent not in agents]
    if unbound:
        raise UnboundAgentsError(unbound, agents)
    return {step.agent: agents[step.agent] for step in plan.steps}
