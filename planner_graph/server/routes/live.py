"""What happens in a run, as it happens: on a WebSocket, or as server-sent events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Header, Query, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketState

from planner_graph.server.context import RunPath, Shared
from planner_graph.server.conversation import converse, part
from planner_graph.server.openapi import documented
from planner_graph.server.problems import ProblemError, problem_of
from planner_graph.server.requests import LARGEST_SEQUENCE as LARGEST
from planner_graph.server.stream import EventStream

router = APIRouter(tags=["live"])

PROBLEMS = documented("run-not-found", "ambiguous-run")

After = Annotated[
    int | None,
    Query(ge=0, le=LARGEST, description="Go on after the event with this number, without a snapshot.", examples=[41]),
]


@router.websocket("/workflows/live")
async def live_list(websocket: WebSocket, context: Shared) -> None:
    """Tell of each run that changes how it stands."""
    async with refusing(websocket):
        async with context.live_list.joined() as bursts:
            goodbye = await converse(websocket, bursts, context.settings.slow_seconds)
        await part(websocket, goodbye)


@router.websocket("/workflows/{run}/live")
async def live(websocket: WebSocket, run: str, context: Shared) -> None:
    """Tell how a run stands and then all that happens in it; see the docs for the frames."""
    async with refusing(websocket):
        after = whole_number(websocket.query_params.get("after"))
        run_id = (await context.repository.mark(run)).run_id
        async with context.hub.joined(run_id, after) as bursts:
            goodbye = await converse(websocket, bursts, context.settings.slow_seconds)
        await part(websocket, goodbye)


@router.get(
    "/workflows/{run}/stream",
    summary="What happens in a run, as server-sent events",
    response_class=EventStream,
    status_code=200,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **PROBLEMS},
)
async def stream(
    run: RunPath,
    context: Shared,
    after: After = None,
    last_event_id: Annotated[str | None, Header(description="As after; browsers send it by themselves.")] = None,
) -> Response:
    """Tell how a run stands and then all that happens in it: the frames of the WebSocket, one in each event."""
    seen = whole_number(last_event_id) if last_event_id else after
    run_id = (await context.repository.mark(run)).run_id
    return EventStream(context.hub.joined(run_id, seen), context.settings.slow_seconds)


@asynccontextmanager
async def refusing(websocket: WebSocket) -> AsyncIterator[None]:
    """Answer an error that was foreseen as a problem, as long as the client waits to be let in."""
    try:
        yield
    except Exception as error:
        problem = problem_of(error)
        if problem.kind == "internal-error" or websocket.application_state is not WebSocketState.CONNECTING:
            raise
        await websocket.send_denial_response(problem.response(websocket.url.path))


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
