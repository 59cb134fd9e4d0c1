"""The time limit of an attempt: what a body gives later is discarded, however it came to be late."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from langgraph.errors import GraphBubbleUp

ResultT = TypeVar("ResultT")


class OverdueError(Exception):
    """The time was over before there was a result; its cause is what the body raised then, if anything."""


async def in_time(seconds: float, work: Awaitable[ResultT]) -> ResultT:
    """Give what ``work`` gives, cancelled after so many seconds.

    ``asyncio.timeout`` alone accepts the late result of a body that held the event loop or caught the cancellation.

    Raises:
        OverdueError: the time was over; an error that ``work`` raises then counts as little as a result.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            given = await work
    except GraphBubbleUp:
        raise
    except Exception as error:
        if _is_over(limit):
            raise OverdueError from error
        raise
    if _is_over(limit):
        raise OverdueError
    return given


def _is_over(limit: asyncio.Timeout) -> bool:
    """Tell whether the time is over, even if the event loop had no chance to say so."""
    at = limit.when()
    return limit.expired() or (at is not None and asyncio.get_running_loop().time() >= at)
