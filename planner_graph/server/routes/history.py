"""How agents did in past runs."""

from fastapi import APIRouter

from planner_graph.errors import nearest
from planner_graph.mirror.figures import execution_json, performance_json
from planner_graph.mirror.history import PerformanceTracker
from planner_graph.server.context import Shared
from planner_graph.server.openapi import documented
from planner_graph.server.problems import ProblemError
from planner_graph.server.requests import Past
from planner_graph.server.responses import History

router = APIRouter(tags=["history"])


@router.get("/history", summary="How agents did in past runs", responses=documented("agent-not-found"))
async def show(query: Past, context: Shared) -> History:
    """Give how often agents succeeded, how long they took and what they used; of one agent its latest runs, too."""
    tracker = PerformanceTracker(context.database)
    found = await tracker.performance(query.agent, last=query.last)
    agents = [performance_json(performance) for performance in found]
    if query.agent is None:
        return History(agents=agents)
    if not found:
        hint = nearest(query.agent, await tracker.agents())
        detail = f"agent {query.agent!r} was in no run" + (f"; {hint}" if hint else "")
        raise ProblemError("agent-not-found", detail)
    executions = await tracker.executions(query.agent, last=query.last)
    return History(agents=agents, latest_runs=[execution_json(execution) for execution in executions])
