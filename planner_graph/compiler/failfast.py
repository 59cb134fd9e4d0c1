"""Remembers the first agent that failed for good, where a plan is to start no further agent then."""

from collections.abc import Mapping
from typing import Any

from planner_graph.compiler.obstacle import STOPPED, Obstacle
from planner_graph.compiler.state import AgentRecord, ErrorInfo
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, AgentStatus


class FailFast:
    """Why no further agent starts, as far as the agents of one invocation have ended.

    An agent has failed for good once all that stand in for it have ended, too, and none of the chain completed.
    ``state`` holds the records of agents that had ended before. Does nothing in a plan without ``fail_fast``.
    """

    def __init__(self, plan: ExecutionPlan, state: Mapping[str, Any]) -> None:
        self.obstacle: Obstacle | None = None
        self._plan = plan
        if plan.fail_fast:
            ended = [agent for agent in plan.by_agent if state.get(agent) is not None]
            for agent in sorted(ended, key=lambda agent: str(state[agent]["ended_at"])):
                self.note(agent, state)

    def note(self, agent: AgentName, state: Mapping[str, Any]) -> None:
        """Take note that ``agent`` has ended; its record is in ``state``."""
        if not self._plan.fail_fast or self.obstacle is not None or agent not in self._plan.by_agent:
            return
        while (replaced := self._plan.by_agent[agent].replaces) is not None:
            agent = replaced
        chain: dict[str, AgentRecord | None] = {name: state.get(name) for name in self._plan.chain_of(agent)}
        statuses = [record and record["status"] for record in chain.values()]
        if None in statuses or AgentStatus.COMPLETED in statuses or AgentStatus.FAILED not in statuses:
            return
        name, record = next((name, r) for name, r in chain.items() if r and r["status"] == AgentStatus.FAILED)
        cause = f"{name!r} failed: {record['reason']}"
        self.obstacle = f"fail_fast, because {cause}", ErrorInfo(type=STOPPED, message=f"agent {cause}")
