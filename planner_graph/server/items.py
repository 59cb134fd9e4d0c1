"""A run as lists of runs show it, as plain JSON."""

from datetime import datetime
from typing import Any

from planner_graph.store.listing import Listed


def item_json(run: Listed) -> dict[str, Any]:
    """Give a run as plain values; times are ISO 8601 in UTC."""
    return {
        "workflow_execution_id": run.run_id,
        "campaign": {"key": run.campaign_key, "name": run.campaign_name},
        "status": run.status.value,
        "status_reason": run.status_reason,
        "strategy": run.strategy.value,
        "total_agents": run.total_agents,
        "counts": dict(run.counts),
        "progress_percentage": run.progress_percentage,
        "started_at": _iso(run.started_at),
        "ended_at": _iso(run.ended_at),
        "created_at": _iso(run.created_at),
        "estimated_completion_time": _iso(run.estimated_completion_time),
        "left_behind": run.left_behind,
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
