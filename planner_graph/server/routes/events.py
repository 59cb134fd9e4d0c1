"""What happened in a run."""

from fastapi import APIRouter

from planner_graph.server.context import RunPath, Shared
from planner_graph.server.openapi import documented
from planner_graph.server.requests import Events
from planner_graph.server.responses import EventItem, EventList

router = APIRouter(prefix="/workflows/{run}", tags=["workflows"])


@router.get("/events", summary="Events in order", responses=documented("run-not-found", "ambiguous-run"))
async def listed(run: RunPath, query: Events, context: Shared) -> EventList:
    """Give the events of a run after a certain one; for new ones as they come, see the live view and the stream."""
    mark = await context.repository.mark(run)
    rows = await context.repository.events(mark.run_id, query.after, query.limit)
    last = max(mark.last_sequence, rows[-1].sequence if rows else 0)
    return EventList(items=[EventItem.of(row) for row in rows], last_sequence=last)
