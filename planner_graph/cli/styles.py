"""Colours of states, the same wherever they are shown."""

from collections.abc import Mapping

from planner_graph.types import AgentStatus, RunStatus

AGENT_STYLES: Mapping[str, str] = {
    AgentStatus.RUNNING: "cyan",
    AgentStatus.RETRYING: "yellow",
    AgentStatus.COMPLETED: "green",
    AgentStatus.FAILED: "red",
}
"""States that are not named are dim."""

RUN_STYLES: Mapping[str, str] = {
    RunStatus.COMPLETED: "green",
    RunStatus.PARTIAL_SUCCESS: "yellow",
    RunStatus.FAILED: "red",
    RunStatus.RUNNING: "cyan",
}
"""States that are not named have no colour."""
