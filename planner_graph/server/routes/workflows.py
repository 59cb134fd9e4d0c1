"""Runs: start one, list them."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from planner_graph.server.context import Shared
from planner_graph.server.items import run_item
from planner_graph.server.openapi import documented
from planner_graph.server.requests import Listing, PlanBody
from planner_graph.server.responses import RunList, StartedRun
from planner_graph.server.wanted import wanted_campaign
from planner_graph.store.listing import Cursor, Wanted
from planner_graph.types import RunId, RunStatus

router = APIRouter(prefix="/workflows", tags=["workflows"])

VIEWS = ("progress", "plan", "schedule", "events", "control", "live", "stream")
"""What there is below the path of a run."""


@router.post(
    "",
    status_code=201,
    summary="Start a run",
    responses=documented("campaign-not-found", "invalid-campaign", "unbound-agents"),
)
async def start(body: PlanBody, context: Shared, request: Request, response: Response) -> StartedRun:
    """Plan a campaign, store it with its plan, and execute it as soon as there is a place.

    From the answer on, the run is never lost: a process that dies leaves it to whoever recovers runs.
    """
    campaign = await wanted_campaign(body, context.repository, context.planner)
    host = context.host
    run_id, plan = await host.orchestrator.accept(
        campaign, strategy=body.strategy, agents_reference=host.reference, output_folder=context.settings.output_folder
    )
    host.start(run_id, host.reference)
    own = f"{request.url.path.rstrip('/')}/{run_id}"
    response.headers["Location"] = own
    return started(run_id, RunStatus.PENDING, plan.hash, own)


@router.get("", summary="List runs, latest first", responses=documented("bad-cursor"))
async def listed(query: Listing, context: Shared) -> RunList:
    """List runs page by page: pass ``next_cursor`` on as ``cursor``. ``status`` may be given several times."""
    after = Cursor.read(query.cursor) if query.cursor is not None else None
    wanted = Wanted(
        statuses=query.status, campaign=query.campaign, strategy=query.strategy, created_after=query.created_after
    )
    rows = await context.repository.find_runs(wanted, query.limit + 1, after)
    page = rows[: query.limit]
    more = len(rows) > len(page)
    return RunList(
        items=[run_item(row, context.host) for row in page], next_cursor=page[-1].place.text() if more else None
    )


def started(run_id: RunId, status: RunStatus, plan_hash: str, own: str) -> StartedRun:
    """Give the answer about a run that was started; ``own`` is its path."""
    links = {"self": own, **{view: f"{own}/{view}" for view in VIEWS}}
    return StartedRun(workflow_execution_id=run_id, status=status, plan_hash=plan_hash, links=links)
