"""When each agent of a plan should start and end, if everything takes as long as estimated and nothing fails."""

from planner_graph.planning.contents import PlanContents
from planner_graph.planning.dag import Dag
from planner_graph.planning.remaining import BARRIER, remaining
from planner_graph.planning.scheduler import Demand, Scheduler, needs
from planner_graph.planning.simulate import Simulation, simulate
from planner_graph.types import AgentStatus


def timeline(plan: PlanContents) -> Simulation:
    """Play a plan through under its own strategy and limits; fallbacks, which nobody should need, are left out."""
    waits = remaining(plan, {step.agent: AgentStatus.WAITING for step in plan.steps})
    seconds = {agent: plan.by_agent[agent].expected_seconds if agent in plan.by_agent else 0.0 for agent in waits}
    rank = Dag(waits).upward_rank(seconds)
    demands = [
        Demand(
            agent=agent,
            waits_for=before,
            priority=rank[agent],
            resources=needs(plan.by_agent[agent]) if agent in plan.by_agent else {},
        )
        for agent, before in waits.items()
    ]
    played = simulate(Scheduler(demands, max_parallel=plan.max_parallel, capacities=plan.resources), seconds)
    return Simulation(
        starts={agent: at for agent, at in played.starts.items() if not agent.startswith(BARRIER)},
        ends={agent: at for agent, at in played.ends.items() if not agent.startswith(BARRIER)},
    )
