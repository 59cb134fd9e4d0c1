"""Decides from the records of its dependencies whether an agent runs, and says in words why it does not."""

from collections.abc import Mapping
from typing import Any

from planner_graph.compiler.state import AgentRecord, ErrorInfo
from planner_graph.planning.contents import Step
from planner_graph.types import AgentStatus, DependencyKind

Obstacle = tuple[str, ErrorInfo | None]
"""Why a step does not run, in words, and the root cause, if something went wrong."""

STOPPED = "FailFast"
"""Type of the root cause where an agent does not run because the plan starts no further one."""


def find_obstacle(step: Step, state: Mapping[str, Any]) -> Obstacle | None:
    """Say why a step does not run: it need not stand in, or a hard dependency and its fallbacks did not complete."""
    if step.replaces and (unneeded := _unneeded(step.replaces, state.get(step.replaces))):
        return unneeded
    made_up_for = {
        edge.stands_in_for for edge in step.dependencies if edge.stands_in_for and _completed(state.get(edge.agent))
    }
    for edge in step.dependencies:
        record: AgentRecord | None = state.get(edge.agent)
        if edge.kind is not DependencyKind.HARD or edge.stands_in_for or _completed(record):
            continue
        if edge.agent not in made_up_for:
            return _missing(edge.agent, record)
    return None


def _unneeded(replaced: str, record: AgentRecord | None) -> Obstacle | None:
    if _completed(record):
        return f"not needed: {replaced!r} completed", None
    if record and record["status"] == AgentStatus.SKIPPED:
        return f"not needed: {replaced!r} was skipped", record["error"]
    return None


def _missing(name: str, record: AgentRecord | None) -> Obstacle:
    if record is None:
        cause = f"agent {name!r} left no record"
        return f"hard dependency {name!r} left no record", ErrorInfo(type="DependencyFailed", message=cause)
    if record["status"] == AgentStatus.SKIPPED and record["error"]:
        return f"hard dependency {name!r} was skipped: {record['error']['message']}", record["error"]
    cause = f"agent {name!r} {record['status']}: {record['reason']}"
    reason = f"hard dependency {name!r} {record['status']}: {record['reason']}"
    return reason, ErrorInfo(type="DependencyFailed", message=cause)


def _completed(record: AgentRecord | None) -> bool:
    return record is not None and record["status"] == AgentStatus.COMPLETED
