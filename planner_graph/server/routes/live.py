"""What happens in a run, as it happens: on a WebSocket, or as server-sent events."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, WebSocket
from starlette.responses import Response

from planner_graph.server.context import Context, Shared
from planner_graph.server.conversation import converse
from planner_graph.server.problems import ProblemError, problem_of
from planner_graph.server.stream import EventStream

router = APIRouter(tags=["live"])

LARGEST = 2**63 - 1
"""The largest sequence number that the database knows."""

After = Annotated[
    int | None,
    Query(ge=0, le=LARGEST, description="Go on after the event with this number, without a snapshot.", examples=[41]),
]


@router.websocket("/workflows/{workflow_execution_id}/live")
async def live(websocket: WebSocket, workflow_execution_id: str, context: Shared) -> None:
    """Tell how a run stands and then all that happens in it; see the docs for the frames."""
    try:
        after = whole_number(websocket.query_params.get("after"))
        run_id = await full_id(context, workflow_execution_id)
        async with context.hub.joined(run_id, after) as bursts:
            await converse(websocket, bursts, context.hub.slow_seconds)
    except Exception as error:
        if websocket.application_state is not websocket.application_state.CONNECTING:
            raise
        await websocket.send_denial_response(problem_of(error).response(websocket.url.path))


@router.get("/workflows/{workflow_execution_id}/stream", summary="What happens in a run, as server-sent events")
async def stream(
    workflow_execution_id: str,
    context: Shared,
    after: After = None,
    last_event_id: Annotated[str | None, Header(description="As after; browsers send it by themselves.")] = None,
) -> Response:
    """Tell how a run stands and then all that happens in it: the frames of the WebSocket, one in each event."""
    seen = whole_number(last_event_id) if last_event_id else after
    run_id = await full_id(context, workflow_execution_id)
    return EventStream(context.hub.joined(run_id, seen), context.hub.slow_seconds)


async def full_id(context: Context, run: str) -> str:
    """Give the id of the run that is meant."""
    return (await context.repository.get_run(run)).run_id


def whole_number(text: str | None) -> int | None:
    """Read the number of an event.

    Raises:
        ProblemError: it is none.
    """
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST)) and int(text) <= LARGEST:
        return int(text)
    raise ProblemError("invalid-request", "the number of an event is a whole number from 0 on")
