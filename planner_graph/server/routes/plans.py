"""Plans on paper: nothing is stored, nothing is run."""

from fastapi import APIRouter
from starlette.responses import Response

from planner_graph.server.context import Shared
from planner_graph.server.openapi import documented
from planner_graph.server.requests import PlanBody
from planner_graph.server.responses import DryRun
from planner_graph.server.wanted import dry_run, wanted_campaign

router = APIRouter(tags=["plans"])


@router.post(
    "/plans",
    response_model=DryRun,
    summary="Plan a campaign; nothing is run",
    responses=documented("campaign-not-found", "invalid-campaign"),
)
async def plan(body: PlanBody, context: Shared) -> Response:
    """Give the plan that a run started now would have, why, and how long it should take under each strategy."""
    campaign = await wanted_campaign(body, context)
    planner = await context.orchestrator.current_planner()
    made = await context.work(dry_run, campaign, planner, body.strategy)
    return Response(made, media_type="application/json")
