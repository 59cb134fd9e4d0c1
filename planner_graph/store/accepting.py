"""Accepts runs: spreads campaign and plan over the tables; SQL on a connection whose transaction the caller holds."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from planner_graph.campaign import Campaign
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import transitions
from planner_graph.store.plain import jsonb
from planner_graph.store.queries import query
from planner_graph.store.rows import thread_of
from planner_graph.store.transitions import Connection
from planner_graph.text import storable
from planner_graph.types import AgentName, RunId

FIRST_REVISION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """What a run is stored with.

    ``agents_reference`` says where the bodies come from (``module:attribute``) and ``output_folder`` where results go,
    for whoever resumes the run. ``thread_id`` is the LangGraph thread it is to run on. ``origin`` is what else the log
    should tell of where it comes from. ``works`` says what does the work of its agents; see
    :mod:`~planner_graph.compiler.identity`.
    """

    campaign: Campaign
    plan: ExecutionPlan
    thread_id: str | None = None
    agents_reference: str | None = None
    output_folder: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    works: Mapping[AgentName, str] = field(default_factory=dict)


async def accept(conn: Connection, run_id: RunId, given: Acceptance, *, at: datetime | None = None) -> None:
    """Store campaign and plan as a pending run; ``at`` is when that happened, if not now."""
    campaign, plan = given.campaign, given.plan
    campaign_id = await store_campaign(conn, campaign)
    async with conn.cursor() as cur:
        values = plan_values(run_id, campaign, plan) | {
            "campaign_id": campaign_id,
            "agents_reference": given.agents_reference and storable(given.agents_reference),
            "output_folder": given.output_folder and storable(given.output_folder),
            "reasoning": storable(plan.explain()),
        }
        if given.thread_id:
            values["thread_id"] = storable(given.thread_id)
        plan_id = await _id_of(cur, "insert_plan", values)
        await cur.execute(query("insert_agent_dependencies"), {"plan_id": plan_id, "works": jsonb(given.works)})
        await cur.execute(query("insert_live_state"), live_values(run_id, plan, plan_id))
    told = {"strategy": plan.strategy.value, "total_agents": len(plan.steps), **given.origin}
    await transitions.log(conn, run_id, "run_accepted", told, at=at)


async def store_campaign(conn: Connection, campaign: Campaign) -> uuid.UUID:
    """Store a campaign with its tasks, or what has become of it since it was stored; gives the id of its row."""
    async with conn.cursor() as cur:
        campaign_id = await _id_of(cur, "upsert_campaign", campaign_values(campaign))
        await cur.execute(query("delete_campaign_tasks"), {"campaign_id": campaign_id})
        await cur.executemany(query("insert_campaign_task"), task_values(campaign, campaign_id))
    return campaign_id


def campaign_values(campaign: Campaign) -> dict[str, Any]:
    """Give what ``upsert_campaign`` takes."""
    return {
        "campaign_key": campaign.id,
        "name": campaign.name,
        "campaign_type": campaign.type,
        "definition": jsonb(campaign.model_dump(mode="json")),
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
            "parameters": jsonb(task.parameters),
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
        "campaign": jsonb(campaign.model_dump(mode="json")),
        "thread_id": thread_of(run_id, FIRST_REVISION),
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
        "execution_metadata": jsonb(metadata),
    }


async def _id_of(cur: AsyncCursor[DictRow], name: str, values: Mapping[str, Any]) -> uuid.UUID:
    """Insert a row and give its id."""
    await cur.execute(query(name), values)
    row = await cur.fetchone() or {}
    return uuid.UUID(str(row["id"]))
