"""Gives the nodes of one invocation the board they share, and fills it when a run goes on.

One compiled graph may serve many invocations at once, in several threads of LangGraph and as a subgraph of other
graphs. Each carries its board along in its config, so none can meet another's, and nothing is left when it has ended.
"""

import asyncio
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import get_runtime

from planner_graph.compiler.attempt import state_before
from planner_graph.compiler.board import Board
from planner_graph.compiler.state import ended_tasks
from planner_graph.planning.scheduler import Scheduler

INVOCATION = "__planner_graph_invocation"
"""Key of the invocation in ``configurable``; two underscores keep it out of checkpoints and traces."""


class Invocation:
    """One call of ``graph``, on new input or to go on; its nodes all run in one event loop.

    It does not keep the graph alive: an event loop keeps the contexts of timers that nobody needs any more, and with
    them the configs of runs that have ended.
    """

    def __init__(self, graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        self.graph = weakref.ref(graph)
        self.board: asyncio.Future[Board] | None = None


class Boards(ABC):
    """Makes the boards of one compiled graph."""

    def __init__(self, new_scheduler: Callable[[], Scheduler]) -> None:
        self.new_scheduler = new_scheduler

    async def at(self, config: RunnableConfig, *, sync: bool) -> Board:
        """Give the board for a node that runs with ``config``; ``sync`` tells of ``invoke``."""
        invocation: Invocation = config["configurable"][INVOCATION]
        if invocation.board is None:
            invocation.board = asyncio.ensure_future(self._fill(invocation, config, sync=sync))
            invocation.board.add_done_callback(_look_at)
        return await asyncio.shield(invocation.board)

    def new_board(self, state: dict[str, Any]) -> Board:
        """Make a board whose agents pause when the invocation is asked to drain."""
        runtime = get_runtime()
        return Board(self.new_scheduler(), state, drain_requested=lambda: runtime.drain_requested)

    @abstractmethod
    async def _fill(self, invocation: Invocation, config: RunnableConfig, *, sync: bool) -> Board:
        """Make the board of an invocation whose first agent comes."""


class StepBoards(Boards):
    """Boards of graphs in which LangGraph itself brings the records along: they only keep the limits."""

    async def _fill(self, invocation: Invocation, config: RunnableConfig, *, sync: bool) -> Board:  # noqa: ARG002
        return self.new_board({})


class DataflowBoards(Boards):
    """Boards of graphs whose agents are all in one superstep, where the board alone knows who has ended.

    A fresh run begins with :meth:`begin`. Where a run goes on, the results of those tasks that had finished are read
    from its checkpoint.
    """

    def begin(self, config: RunnableConfig, state: dict[str, Any]) -> None:
        """Open the board of an invocation that starts from the beginning; nothing has to be read then."""
        opened: asyncio.Future[Board] = asyncio.get_running_loop().create_future()
        opened.set_result(self.new_board(state))
        config["configurable"][INVOCATION].board = opened

    async def _fill(self, invocation: Invocation, config: RunnableConfig, *, sync: bool) -> Board:
        graph, root = invocation.graph(), checkpoint_config(config)
        if graph is None:
            raise AssertionError("a graph that runs is referred to by whoever runs it")
        if sync:  # a sync checkpointer cannot be asked otherwise
            snapshot = await asyncio.to_thread(graph.get_state, root)
        else:
            snapshot = await graph.aget_state(root)
        state = state_before(config, ["campaign", *self.new_scheduler().demands])
        return self.new_board({**state, **ended_tasks(snapshot)})


def checkpoint_config(config: RunnableConfig) -> RunnableConfig:
    """Give the config that reads the checkpoint from which the present superstep runs."""
    info = get_runtime().execution_info
    namespace = str(config["configurable"].get("checkpoint_ns", "")).rpartition("|")[0]
    where = {"checkpoint_ns": namespace, "checkpoint_id": info.checkpoint_id if info else None}
    return {**config, "configurable": {**config["configurable"], **where}}


def _look_at(board: asyncio.Future[Board]) -> None:
    """Take note of an error, which whoever waits for the board raises; perhaps they have all been cancelled."""
    if not board.cancelled():
        board.exception()
