"""Lets a run begin in the middle: on a new thread, with the records of agents that have ended before it."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig

from planner_graph.compiler.compiler import CompiledPlan
from planner_graph.compiler.ends import check_campaign
from planner_graph.compiler.graph import PlanGraph
from planner_graph.compiler.state import KEPT, AgentRecord
from planner_graph.compiler.wiring import ENTRY
from planner_graph.errors import CampaignError
from planner_graph.types import AgentName


async def begin_with(
    graph: CompiledPlan,
    config: RunnableConfig,
    campaign: Mapping[str, Any],
    records: Mapping[AgentName, AgentRecord],
) -> None:
    """Store the first checkpoint of a run in which the agents with ``records`` have ended already.

    The thread that ``config`` names must be new, and ``graph`` one of :func:`compile_plan` with a checkpointer. Then
    ``graph.ainvoke(None, config)`` runs the others, under any strategy.

    Raises:
        CampaignError: the plan cannot run on this campaign.
        ValueError: some of the records are of agents that are not in the plan.
        TypeError: the graph is not one of a plan.
    """
    plan = graph.plan if isinstance(graph, PlanGraph) else None
    if plan is None:
        raise TypeError(f"{type(graph).__name__} is no graph of a plan; pass what compile_plan() gave")
    strangers = [agent for agent in records if agent not in plan.by_agent]
    if strangers:
        raise ValueError(f"not in the plan of this graph: {', '.join(map(repr, strangers))}; leave their records out")
    if findings := check_campaign(plan, campaign):
        raise CampaignError(findings)
    update: dict[str, Any] = {"campaign": campaign, "plan_hash": plan.hash, KEPT: list(records)}
    update |= {str(agent): record for agent, record in records.items()}
    await graph.aupdate_state(config, update, as_node=ENTRY)
