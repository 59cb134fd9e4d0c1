"""Runs that were, straight into the tables; times are seconds past a noon."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.events import ERROR, NOON

Attempt = dict[str, Any]

CAMPAIGN = """
    INSERT INTO campaigns (campaign_key, definition) VALUES ('past', '{}')
    ON CONFLICT (campaign_key) DO UPDATE SET updated_at = NOW() RETURNING id
"""
PLAN = """
    INSERT INTO execution_plans (
        campaign_id, workflow_execution_id, total_agents, planned_sequence, plan, plan_hash, campaign, thread_id,
        status, started_at, ended_at, failed_agents
    ) VALUES (%s, %s, 100, '[]', '{}', %s, '{}', %s, 'partial_success', %s, %s, %s) RETURNING id
"""
EDGES = """
    INSERT INTO agent_dependencies (
        execution_plan_id, agent_name, agent_type, depends_on_agents, dependency_type, execution_order
    ) VALUES (%s, %s, 'generic', %s, %s, 1)
"""
AGENT_RUN = """
    INSERT INTO agent_runs (
        workflow_execution_id, agent_name, execution, attempt, status, started_at, ended_at, error, reason, usage,
        work
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
EVENT = "INSERT INTO run_events (workflow_execution_id, sequence, event, at) VALUES (%s, %s, %s, %s)"


def attempt(agent: str, start: float | None, end: float | None, status: str = "completed", **others: Any) -> Attempt:
    """Give one attempt of an agent; ``execution`` and ``attempt`` are 1 unless told."""
    error = None if status == "completed" else ERROR
    columns = {"execution": 1, "attempt": 1, "error": error, "reason": status, "usage": None, "work": None}
    return {"agent": agent, "start": start, "end": end, "status": status, **columns, **others}


def skipped(agent: str, at: float) -> Attempt:
    """Give an agent that never started."""
    return attempt(agent, None, at, "skipped", attempt=0, error=None)


def usage(tokens: int, cost: float | None) -> dict[str, Any]:
    """Give what a body used that called a model once."""
    counts = {"input_tokens": tokens - 1, "output_tokens": 1, "total_tokens": tokens}
    return {**counts, "calls": 1, "cost_usd": cost, "models": {"a-model": counts}}


def past_run(
    conn: psycopg.Connection[Any],
    *attempts: Attempt,
    start: float = 0,
    edges: Mapping[tuple[str, str], Sequence[str]] | None = None,
    failed: Sequence[str] = (),
    events: Sequence[tuple[str, float]] = (),
) -> str:
    """Store a run that began at ``start``, with the times of all else counted from there, and give its id.

    ``edges`` lists by agent and kind of dependency on whom it depends; ``failed`` are the agents that failed for good.
    """
    run_id = str(uuid.uuid4())

    def at(seconds: float | None) -> Any:
        return None if seconds is None else NOON + timedelta(seconds=start + seconds)

    def json(value: Any) -> Any:
        return None if value is None else Jsonb(value)

    [(campaign,)] = conn.execute(CAMPAIGN).fetchall()
    times = (at(0), at(10_000))
    [(plan,)] = conn.execute(PLAN, (campaign, run_id, "0" * 64, run_id, *times, list(failed))).fetchall()
    for (agent, kind), others in (edges or {}).items():
        conn.execute(EDGES, (plan, agent, list(others), kind))
    for row in attempts:
        values = (row["agent"], row["execution"], row["attempt"], row["status"], at(row["start"]), at(row["end"]))
        others = (json(row["error"]), row["reason"], json(row["usage"]), row["work"])
        conn.execute(AGENT_RUN, (run_id, *values, *others))
    for sequence, (event, seconds) in enumerate(events, start=1):
        conn.execute(EVENT, (run_id, sequence, event, at(seconds)))
    return run_id
