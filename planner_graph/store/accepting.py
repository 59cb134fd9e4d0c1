"""Spreads a campaign and its plan over the columns of the tables; pure."""

import math
from collections.abc import Iterator
from typing import Any

from psycopg.types.json import Jsonb

from planner_graph.campaign import Campaign
from planner_graph.planning.contents import Step
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, DependencyKind, RunId

FIRST_REVISION = 1


def thread_of(run_id: RunId, revision: int) -> str:
    """Give the LangGraph thread of a run under one revision of its plan."""
    return f"{run_id}:{revision}"


def campaign_values(campaign: Campaign) -> dict[str, Any]:
    """Give what ``upsert_campaign`` takes."""
    return {
        "campaign_key": campaign.id,
        "name": campaign.name,
        "campaign_type": campaign.type,
        "definition": Jsonb(campaign.model_dump(mode="json")),
    }


def task_values(campaign: Campaign, campaign_id: Any) -> Iterator[dict[str, Any]]:
    """Give what ``insert_campaign_task`` takes, for each task."""
    for position, task in enumerate(campaign.tasks, start=1):
        yield {
            "campaign_id": campaign_id,
            "position": position,
            "task_type": task.type,
            "title": task.title,
            "description": task.description,
            "parameters": Jsonb(task.parameters),
        }


def plan_values(run_id: RunId, campaign: Campaign, plan: ExecutionPlan) -> dict[str, Any]:
    """Give what ``insert_plan`` takes, but for the campaign's row and where bodies and results are."""
    return {
        "run_id": run_id,
        "strategy": plan.strategy.value,
        "total_agents": len(plan.steps),
        "estimated_duration_minutes": plan.estimated_duration_minutes,
        "plan": plan.model_dump_json(),
        "plan_hash": plan.hash,
        "campaign": Jsonb(campaign.model_dump(mode="json")),
        "thread_id": thread_of(run_id, FIRST_REVISION),
    }


def dependency_rows(plan: ExecutionPlan) -> Iterator[dict[str, Any]]:
    """Give the rows of ``insert_agent_dependencies``: for each agent one per kind of dependency, at least one."""
    for step in plan.steps:
        for kind, agents in _by_kind(step).items():
            yield {
                "agent_name": step.agent,
                "agent_type": step.type,
                "depends_on_agents": agents,
                "dependency_type": kind.value,
                "execution_order": step.order,
                "parallel_group_id": step.parallel_group_id,
                "is_parallel_eligible": step.parallel_group_id is not None,
                "max_retries": step.max_retries,
                "timeout_minutes": max(1, math.ceil(step.timeout_seconds / 60)),
                "resource_requirements": dict(step.resources),
            }


def live_values(run_id: RunId, plan: ExecutionPlan, plan_id: Any) -> dict[str, Any]:
    """Give what ``insert_live_state`` takes: everyone waits."""
    metadata = {
        "execution_plan_id": str(plan_id),
        "strategy": plan.strategy.value,
        "total_agents": len(plan.steps),
        "plan_hash": plan.hash,
    }
    return {
        "run_id": run_id,
        "waiting_agents": [step.agent for step in plan.steps],
        "execution_metadata": Jsonb(metadata),
    }


def _by_kind(step: Step) -> dict[DependencyKind, list[AgentName]]:
    kinds: dict[DependencyKind, list[AgentName]] = {}
    for dependency in step.dependencies:
        kinds.setdefault(dependency.kind, []).append(dependency.agent)
    return kinds or {DependencyKind.HARD: []}
