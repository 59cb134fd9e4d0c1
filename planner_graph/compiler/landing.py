"""Durable before used: with ``durability="sync"``, an agent starts once what it reads is stored.

One with external effects does so with ``durability="async"``, too.

LangGraph stores what a task wrote in the background, whatever the durability. A checkpointer that tells when it has
done so lets the board wait for that.
"""

import asyncio
from typing import Any, Protocol, runtime_checkable

from langgraph.runtime import get_runtime

from planner_graph.compiler.board import Board
from planner_graph.errors import PoolHeldError
from planner_graph.planning.contents import Step


@runtime_checkable
class TellsLanding(Protocol):
    """A checkpointer that tells when the writes of a task are stored."""

    def landing(self, task_id: str) -> asyncio.Future[None]:
        """Give a future that is done when what the task wrote is stored; it is never done if it cannot be."""


def reporting(checkpointer: Any, options: dict[str, Any], *, limited: bool) -> TellsLanding | None:
    """Return the checkpointer if agents with external effects are to wait until it has stored what they read.

    Not where nothing is stored before the end, nor where LangGraph's concurrency is ``limited``, as below.
    """
    wanted = options.get("durability") != "exit" and not limited
    return checkpointer if wanted and isinstance(checkpointer, TellsLanding) else None


def awaited(checkpointer: Any, options: dict[str, Any], *, limited: bool) -> TellsLanding | None:
    """Give the checkpointer if agents are to wait for it.

    Not where LangGraph's concurrency is ``limited``: its writes would queue behind the very nodes that wait for them.
    """
    wanted = options.get("durability") == "sync" and not limited
    return checkpointer if wanted and isinstance(checkpointer, TellsLanding) else None


def landing_here(checkpointer: TellsLanding) -> asyncio.Future[None]:
    """Give what is done when the record that the present node is about to return is stored."""
    info = get_runtime().execution_info
    if info is None:
        raise AssertionError("a node that runs in a graph is a task")
    return checkpointer.landing(info.task_id)


async def until_stored(step: Step, board: Board) -> PoolHeldError | None:
    """Wait until what an agent has read is stored; meanwhile it holds nothing.

    Returns the error with which it fails instead, see :meth:`Board.rest`.
    """
    landings = [board.landings.get(dependency.agent) for dependency in step.dependencies]
    pending = [landing for landing in landings if landing is not None and not landing.done()]
    return await board.rest(step.agent, _all_done(pending), patience=step.timeout_seconds) if pending else None


async def _all_done(futures: list[asyncio.Future[None]]) -> None:
    await asyncio.wait(futures)
