"""Runs as lists of runs show them, as far as this process knows better than the tables."""

from typing import Any

from planner_graph.server.hosting import RunHost
from planner_graph.server.responses import RunItem, item_values
from planner_graph.store.listing import Listed
from planner_graph.types import RunId


def hosted_values(listed: Listed, host: RunHost) -> dict[str, Any]:
    """Give the fields of an item: a run that waits for a place in this process is not left behind."""
    return {**item_values(listed), "left_behind": listed.left_behind and not host.has(RunId(listed.run_id))}


def run_item(listed: Listed, host: RunHost) -> RunItem:
    """Give a run as the list shows it."""
    return RunItem(**hosted_values(listed, host))
