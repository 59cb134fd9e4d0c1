"""What the agents of a run got from others, as far as that is no matter of the plan: known from their records."""

from collections.abc import Mapping

from planner_graph.compiler.events import moment
from planner_graph.compiler.state import AgentRecord
from planner_graph.planning.keeping import Reads
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, AgentStatus, DependencyKind


def optional_reads(plan: ExecutionPlan, records: Mapping[AgentName, AgentRecord]) -> Reads:
    """Return for each agent the optional dependencies whose output it got: those that had completed when it started."""
    return {
        step.agent: tuple(
            edge.agent
            for edge in step.dependencies
            if edge.kind is DependencyKind.OPTIONAL and _was_read(records.get(edge.agent), records[step.agent])
        )
        for step in plan.steps
        if step.agent in records
    }


def _was_read(source: AgentRecord | None, reader: AgentRecord) -> bool:
    """Tell whether an agent started after another one had completed; if it never started, it read nothing."""
    if source is None or source["status"] != AgentStatus.COMPLETED or reader["started_at"] is None:
        return False
    return moment(source["ended_at"]) <= moment(reader["started_at"])
