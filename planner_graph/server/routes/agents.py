"""One agent of a run."""

from fastapi import APIRouter

from planner_graph.server.context import FoundRun, Shared
from planner_graph.server.details import agent_detail
from planner_graph.server.openapi import documented
from planner_graph.server.responses import AgentDetail

router = APIRouter(prefix="/workflows/{run}/agents", tags=["workflows"])


@router.get(
    "/{name}",
    summary="Show an agent of a run",
    responses=documented("run-not-found", "ambiguous-run", "agent-not-found"),
)
async def show(name: str, row: FoundRun, context: Shared) -> AgentDetail:
    """Show an agent's step in the plan, its attempts, what it reads and gives, and what it waits for."""
    return await agent_detail(context, row, name)
