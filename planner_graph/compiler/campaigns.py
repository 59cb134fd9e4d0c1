"""Compiles a planner into a graph that plans each campaign it is given, and runs the plan.

All agents are nodes of it. The entry node makes the plan and keeps it in the state of the thread; from there on only
the agents of that plan start, so nothing is compiled anew for a campaign.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import get_runtime
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from planner_graph import documents
from planner_graph.campaign import Campaign
from planner_graph.clock import Clock
from planner_graph.compiler.assembly import Assembly
from planner_graph.compiler.body import Body
from planner_graph.compiler.compiler import types_allowed_by
from planner_graph.compiler.ends import NO_CAMPAIGN, REMEDY, Entry, Update, end
from planner_graph.compiler.form import campaign_form
from planner_graph.compiler.graph import PlanGraph
from planner_graph.compiler.picture import picture_of_catalog, spec_metadata
from planner_graph.compiler.routing import route_by_state
from planner_graph.compiler.state import PLAN, PlanInput, PlanOutput, node_schema, planning_schema
from planner_graph.compiler.usage import Prices
from planner_graph.compiler.wiring import ENTRY, EXIT
from planner_graph.documents import NOWHERE
from planner_graph.errors import CampaignError, Finding, UnboundAgentsError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName


class PlanningContext(TypedDict, total=False):
    """How campaigns are planned: LangGraph's ``context`` of a run, or of an assistant."""

    strategy: Annotated[
        Literal["sequential", "parallel", "adaptive"],
        Field(description="How the agents are ordered; goes before what the campaign says."),
    ]
    campaign: Annotated[
        dict[str, Any], Field(description="What is the same in all campaigns; what an input says goes before it.")
    ]


def compile_planner(  # noqa: PLR0913  # options, all by keyword
    planner: MasterPlanner,
    agents: Mapping[str, Body],
    *,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    clock: Clock | None = None,
    prices: Prices | None = None,
    name: str = "campaign",
    allowed_types: Iterable[type | str] = (),
) -> PlanGraph:
    """Compile ``planner`` into a graph that takes ``{"campaign": {...}}``, plans it and runs the plan.

    Every agent of the planner's catalog that has a body in ``agents`` is a node. Input, output and state are those of
    :func:`~planner_graph.compiler.compiler.compile_plan`; beside them, ``plan`` in the state is the plan as plain JSON.
    New input on a thread is planned anew. ``context={"strategy": ...}`` chooses the strategy. For ``allowed_types`` see
    ``compile_plan``, too.

    What a run raises, beside what ``compile_plan`` and its graphs raise:
        CampaignError, PlanError: the input is no campaign, or no plan follows from it.
        UnboundAgentsError: the plan has agents without a body; also where a thread is read whose plan has such.
    """
    known = {agent: agents[agent] for agent in planner.catalog.agents if agent in agents}
    assembly = Assembly(known, clock, prices, types_allowed_by(agents, allowed_types))
    schema = planning_schema(known)
    builder: StateGraph[Any, Any, PlanInput, PlanOutput] = StateGraph(
        schema,
        context_schema=PlanningContext,
        input_schema=_input_schema(campaign_form(planner.catalog, known)),
        output_schema=PlanOutput,
    )
    builder.add_node(ENTRY, Entry(lambda state: planned(planner, known, state), assembly.loop), input_schema=schema)
    builder.add_edge(START, ENTRY)
    builder.add_conditional_edges(ENTRY, route_by_state())
    for agent in known:
        spec = planner.catalog.agents[agent]
        node = assembly.node(agent, isolated=spec.isolation is not None)
        builder.add_node(agent, node, input_schema=node_schema(()), metadata=spec_metadata(spec))
    builder.add_node(EXIT, end(), input_schema=node_schema(known))
    builder.add_edge(EXIT, END)
    picture = picture_of_catalog(planner.catalog, known)
    return assembly.finish(builder, plan=None, picture=picture, checkpointer=checkpointer, store=store, name=name)


def planned(
    planner: MasterPlanner, agents: Mapping[AgentName, Body], state: Mapping[str, Any]
) -> tuple[ExecutionPlan, Update]:
    """Plan the campaign of ``state`` in the present context; gives the plan, and what is kept of it in the state."""
    context = get_runtime().context
    options: Mapping[str, Any] = context if isinstance(context, Mapping) else {}
    campaign, plan = plan_for(planner, options, state.get("campaign"))
    if unbound := [step.agent for step in plan.steps if step.agent not in agents]:
        raise UnboundAgentsError(unbound, agents)
    return plan, {"campaign": campaign.model_dump(mode="json"), PLAN: plan.model_dump(mode="json")}


def plan_for(planner: MasterPlanner, context: Mapping[str, Any], given: Any) -> tuple[Campaign, ExecutionPlan]:
    """Plan the campaign that an input gives in a :class:`PlanningContext`.

    Raises:
        CampaignError: it is no campaign.
        PlanError: no plan follows from it.
    """
    base = context.get("campaign") or {}
    if given is None and not base:
        remedy = "give one under 'campaign', in the input or in the context (in Studio: the configuration)"
        raise CampaignError([Finding(problem=NO_CAMPAIGN, remedy=remedy)])
    given = {} if given is None else given  # an empty input leaves all of it to the context
    for name, value in (("campaign", given), ("context.campaign", base)):
        if not isinstance(value, Mapping):
            problem = f"{name!r} is a {type(value).__name__}"
            raise CampaignError([Finding(problem=problem, remedy=REMEDY, key=name)])
    campaign, findings = documents.validate(Campaign, NOWHERE, {**base, **given}, ("campaign",))
    if campaign is None or findings:
        raise CampaignError(findings)
    return campaign, planner.create_execution_plan(campaign, context.get("strategy") or None)


def _input_schema(form: dict[str, Any]) -> type[PlanInput]:
    """Give the schema of the input, of which the campaign is filled in as ``form`` says."""
    campaign = Annotated[dict[str, Any], WithJsonSchema(form)]
    return TypedDict("PlanInput", {"campaign": campaign})  # type: ignore[operator, no-any-return]
