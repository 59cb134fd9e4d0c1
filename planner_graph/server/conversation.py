"""A WebSocket on which a client is told something for as long as it lasts, and says next to nothing itself."""

import asyncio
import json
import logging
from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect

from planner_graph.mirror.log import FeedClosedError
from planner_graph.server.frames import Frame
from planner_graph.server.live import Bursts, TooSlowError, deliver, while_there

log = logging.getLogger(__name__)

SUBPROTOCOL = "planner-graph.v1"
"""What is spoken; a browser that offers a token as a protocol has to offer this one, too."""

LAST_SECONDS = 5.0
"""How long a client that is too slow may take to learn why it is let go."""

MOST_HEARD = 100
"""How many frames a client may send in a minute."""

LONGEST_REASON = 120
"""Bytes that fit into a closing frame, less a few."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """How a WebSocket is closed: a code, and the reason in words."""

    code: int
    reason: str


ENDED = Goodbye(1000, "the run has ended")
NO_JSON = Goodbye(1007, 'a frame is no JSON object; send nothing, or {"type": "pong"}')
UNKNOWN_TYPE = Goodbye(1008, 'a frame has no known type; send nothing, or {"type": "pong"}')
TALKATIVE = Goodbye(1008, f"more than {MOST_HEARD} frames in a minute")
FAILED = Goodbye(1011, "the server has failed; what went wrong is in its log")
RESTARTING = Goodbye(1012, "the server is about to end; go on from the last event that was seen")
TOO_SLOW = 4408


async def converse(websocket: WebSocket, bursts: Bursts, slow_seconds: float) -> Goodbye | None:
    """Send a client what comes for it until that ends, the client leaves, is too slow or says something wrong.

    Gives how to :func:`part`.
    """
    offered = websocket.scope["subprotocols"]
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    return await while_there(_tell(websocket, bursts, slow_seconds), _hear(websocket))


async def _tell(websocket: WebSocket, bursts: Bursts, slow_seconds: float) -> Goodbye | None:
    """Send what comes; gives how to close, ``None`` if the client has left."""

    async def send(frame: Frame) -> None:
        try:
            await websocket.send_text(frame.text)
        except RuntimeError as error:  # uvicorn has closed already, on a frame of the client that is none
            raise WebSocketDisconnect(1006) from error

    try:
        await deliver(bursts, send, slow_seconds)
    except WebSocketDisconnect:
        return None
    except TooSlowError as error:
        return Goodbye(TOO_SLOW, str(error))
    except FeedClosedError:
        return RESTARTING
    except Exception:
        log.exception("telling a client of %s failed", websocket.url.path)
        return FAILED
    return ENDED


async def _hear(websocket: WebSocket) -> Goodbye | None:
    """Take what a client says; gives how to close once it is wrong, ``None`` if the client has left."""
    clock = asyncio.get_running_loop().time
    since, heard = clock(), 0
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        if clock() - since > 60:  # noqa: PLR2004  # a minute
            since, heard = clock(), 0
        heard += 1
        wrong = TALKATIVE if heard > MOST_HEARD else fault(message.get("text"))
        if wrong is not None:
            return wrong


def fault(text: str | None) -> Goodbye | None:
    """Say how to close on what a client said, ``None`` if nothing is wrong with it; bytes are no ``text``."""
    try:
        frame = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return NO_JSON
    if not isinstance(frame, dict):
        return NO_JSON
    return None if frame.get("type") == "pong" else UNKNOWN_TYPE


async def part(websocket: WebSocket, goodbye: Goodbye | None) -> None:
    """Close, unless the client has left, or the connection is full and stays so: then it is cut without a word."""
    if goodbye is None:
        return
    try:
        async with asyncio.timeout(LAST_SECONDS):
            await websocket.close(goodbye.code, goodbye.reason[:LONGEST_REASON])
    except (TimeoutError, RuntimeError, WebSocketDisconnect) as error:
        log.info("a client of %s left before it was told %r: %r", websocket.url.path, goodbye.reason, error)
