"""One run."""

from fastapi import APIRouter

from planner_graph.server.context import FoundRun, Shared
from planner_graph.server.details import run_detail
from planner_graph.server.openapi import documented
from planner_graph.server.responses import RunDetail

router = APIRouter(prefix="/workflows/{run}", tags=["workflows"])


@router.get("", summary="Show a run", responses=documented("run-not-found", "ambiguous-run"))
async def show(row: FoundRun, context: Shared) -> RunDetail:
    """Show how a run stands, what it gave, who asks, and what may be asked of it now."""
    return await run_detail(context, row)
