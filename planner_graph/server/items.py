"""Runs as lists of runs show them, as far as this process knows better than the tables."""

from typing import Any

from planner_graph.server.hosting import RunHost
from planner_graph.server.responses import CampaignName, Counts, RunItem
from planner_graph.store.listing import Listed


def run_item(listed: Listed, host: RunHost) -> RunItem:
    """Give a run as the list shows it."""
    return RunItem(**item_values(listed, host))


def item_values(listed: Listed, host: RunHost) -> dict[str, Any]:
    """Give the fields of an item: a run that waits for a place in this process is not left behind."""
    return {
        "workflow_execution_id": listed.run_id,
        "campaign": CampaignName(key=listed.campaign_key, name=listed.campaign_name),
        "status": listed.status,
        "status_reason": listed.status_reason,
        "strategy": listed.strategy,
        "total_agents": listed.total_agents,
        "counts": Counts(**listed.counts),
        "progress_percentage": listed.progress_percentage,
        "started_at": listed.started_at,
        "ended_at": listed.ended_at,
        "created_at": listed.created_at,
        "estimated_completion_time": listed.estimated_completion_time,
        "left_behind": listed.left_behind and not host.has(listed.run_id),
    }
