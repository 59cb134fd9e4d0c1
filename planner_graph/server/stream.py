"""Server-sent events: the same frames as on a WebSocket, for clients that have plain HTTP only."""

import logging
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from planner_graph.mirror.log import FeedClosedError
from planner_graph.server.frames import Frame
from planner_graph.server.live import Bursts, TooSlowError, deliver, while_there

log = logging.getLogger(__name__)

RETRY = b"retry: 1000\n\n"
"""After how many milliseconds a browser tries again when the connection was lost."""


class EventStream(Response):
    """An answer that goes on until the run has ended, the client leaves or is too slow, or the server ends."""

    media_type = "text/event-stream"

    def __init__(self, joined: AbstractAsyncContextManager[Bursts], slow_seconds: float) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._joined = joined
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Join the run, which may be refused, then answer."""
        async with self._joined as bursts:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send(_part(RETRY))
            if await while_there(self._tell(send, bursts), _leave(receive)):
                await send({"type": "http.response.body", "body": b""})
            else:
                log.info("a client of %s has left or reads nothing", scope["path"])

    async def _tell(self, send: Send, bursts: Bursts) -> bool:
        """Send what comes; tells whether the answer is to be ended properly."""

        async def one(frame: Frame) -> None:
            await send(_part(frame.as_event()))

        try:
            await deliver(bursts, one, self._slow_seconds)
        except FeedClosedError:
            return True
        except TooSlowError:
            return False
        return True


async def _leave(receive: Receive) -> bool:
    while (await receive())["type"] != "http.disconnect":
        pass
    return False


def _part(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}
