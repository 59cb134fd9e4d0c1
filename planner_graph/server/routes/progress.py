"""How far a run is, and when its agents were and are to be at work."""

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.responses import Response

from planner_graph.mirror.progress import ProgressReport
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.timeline import timeline
from planner_graph.server.context import FoundRun, RunPath, Shared
from planner_graph.server.openapi import documented
from planner_graph.server.responses import ActualSpan, PlannedSpan, Schedule

router = APIRouter(prefix="/workflows/{run}", tags=["workflows"])


@router.get(
    "/progress",
    response_model=ProgressReport,
    summary="How far is the run?",
    responses=documented("run-not-found", "ambiguous-run"),
)
async def progress(run: RunPath, context: Shared) -> Response:
    """Report how far a run is, when it should end, and who waits for whom."""
    report = await context.reports.get(run)
    return Response(report.body, media_type="application/json")


@router.get(
    "/schedule",
    response_model=Schedule,
    summary="Planned and actual times",
    responses=documented("run-not-found", "ambiguous-run"),
)
async def schedule(row: FoundRun, context: Shared) -> Response:
    """Give when each agent should start and end, and when its attempts did, for a Gantt chart."""
    plan = await context.plans.get(row.run_id, row.plan_hash)
    planned = await context.plans.drawn(row.plan_hash, "schedule", lambda: to_json(spans(plan)))
    attempts = await context.repository.agent_runs(row.run_id)
    actual = to_json(
        [ActualSpan(agent=own.agent_name, **{name: getattr(own, name) for name in TIMES}) for own in attempts]
    )
    return Response(b'{"planned":%b,"actual":%b}' % (planned, actual), media_type="application/json")


TIMES = ("execution", "attempt", "status", "started_at", "ended_at")
"""What of an attempt is drawn."""


def spans(plan: ExecutionPlan) -> list[PlannedSpan]:
    """Give when the agents of a plan should start and end, in execution order."""
    played = timeline(plan)
    return [
        PlannedSpan(
            agent=step.agent,
            start_seconds=played.starts[step.agent],
            end_seconds=played.ends[step.agent],
            critical=step.timing.critical,
        )
        for step in plan.steps
        if step.agent in played.starts
    ]
