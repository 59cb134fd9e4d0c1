"""Runs: start one, list them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from planner_graph.errors import RequestRepeatedError
from planner_graph.server.context import Asking, Context, Shared
from planner_graph.server.items import run_item
from planner_graph.server.openapi import documented
from planner_graph.server.requests import Listing, PlanBody
from planner_graph.server.responses import RunList, StartedRun
from planner_graph.server.settings import PREFIX
from planner_graph.server.wanted import wanted_campaign
from planner_graph.store import audit, idempotency
from planner_graph.store.audit import Actor
from planner_graph.store.idempotency import LONGEST_KEY, KeyedRequest
from planner_graph.store.listing import Cursor, Wanted
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId

router = APIRouter(prefix="/workflows", tags=["workflows"])

Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=LONGEST_KEY, description="What tells this request apart."),
]

VIEWS = ("progress", "plan", "schedule", "events", "control", "live", "stream")
"""What there is below the path of a run."""


def path_of(run_id: RunId) -> str:
    """Give the path of a run."""
    return f"{PREFIX}/workflows/{run_id}"


@router.post(
    "",
    status_code=201,
    summary="Start a run",
    responses={
        200: {"model": StartedRun, "description": "This request has started the run before."},
        **documented("campaign-not-found", "invalid-campaign", "unbound-agents", "idempotency-key-reused"),
    },
)
async def start(body: PlanBody, context: Shared, actor: Asking, response: Response, key: Key = None) -> StartedRun:
    """Plan a campaign, store it with its plan, and execute it as soon as there is a place.

    From the answer on, the run is never lost: a process that dies leaves it to whoever recovers runs. Sent again with
    the same ``Idempotency-Key`` within a week, the request gives the run that it has started.
    """
    keyed = None if key is None else KeyedRequest.of(actor.principal, key, body.model_dump())
    run_id = await context.repository.started_by(keyed) if keyed is not None else None
    if run_id is None:
        try:
            run_id = await _accepted(body, context, actor, keyed)
        except RequestRepeatedError as error:
            run_id, response.status_code = RunId(error.run_id), HTTPStatus.OK
    else:
        response.status_code = HTTPStatus.OK
    row = await context.repository.get_run(run_id)
    response.headers["Location"] = path_of(run_id)
    links = {"self": path_of(run_id), **{view: f"{path_of(run_id)}/{view}" for view in VIEWS}}
    return StartedRun(workflow_execution_id=run_id, status=row.status, plan_hash=row.plan_hash, links=links)


async def _accepted(body: PlanBody, context: Context, actor: Actor, keyed: KeyedRequest | None) -> RunId:
    """Store a run, who started it and by which request, in one transaction; then let it be executed."""
    campaign = await wanted_campaign(body, context)

    async def first(conn: Connection, run_id: RunId) -> None:
        if keyed is not None:
            await idempotency.claim(conn, keyed, run_id)
        await audit.write(conn, audit.Entry(actor=actor, action=audit.Action.START, run_id=run_id))

    host = context.host
    run_id, _ = await context.orchestrator.accept(
        campaign, strategy=body.strategy, agents_reference=host.reference, first=first
    )
    host.start(run_id, host.reference)
    return run_id


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
    items = [run_item(row, context.host) for row in page]
    return RunList(items=items, next_cursor=page[-1].place.text() if more else None)
