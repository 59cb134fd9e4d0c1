"""Puts another plan in the place of a run's plan; SQL on a connection whose transaction the caller holds."""

from dataclasses import dataclass

from planner_graph.campaign import Campaign
from planner_graph.errors import RunNotResumableError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import accepting, transitions
from planner_graph.store.leases import Lease
from planner_graph.store.plain import jsonb
from planner_graph.store.queries import query
from planner_graph.store.rows import thread_of
from planner_graph.store.transitions import Connection
from planner_graph.text import storable


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """What a run goes on with: campaign and plan, and how many plans it has had with this one."""

    number: int
    campaign: Campaign
    plan: ExecutionPlan


async def revise(conn: Connection, lease: Lease, revision: Revision) -> None:
    """Let a run have another plan, on the thread of that revision; its agents all wait once more.

    Whoever calls this says who of them has ended, in the same transaction.

    Raises:
        RunNotFoundError: there is no such run.
        RunNotResumableError: it has ended.
        LeaseLostError: another process holds it.
    """
    run_id, campaign, plan = lease.run_id, revision.campaign, revision.plan
    status = await transitions.lock(conn, run_id, lease.token)
    if status.ended:
        raise RunNotResumableError(run_id, f"it has ended as {status.value!r}")
    campaign_id = await accepting.store_campaign(conn, campaign)
    values = accepting.plan_values(run_id, campaign, plan) | {
        "campaign_id": campaign_id,
        "revision": revision.number,
        "thread_id": thread_of(run_id, revision.number),
        "reasoning": storable(plan.explain()),
    }
    cursor = await conn.execute(query("revise_plan"), values)
    plan_id = (await cursor.fetchone() or {})["id"]
    await conn.execute(query("delete_agent_dependencies"), {"plan_id": plan_id})
    await conn.execute(query("insert_agent_dependencies"), {"plan_id": plan_id, "works": jsonb({})})
    await conn.execute(query("revise_live_state"), accepting.live_values(run_id, plan, plan_id))
