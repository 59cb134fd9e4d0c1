"""Finds the board of the invocation that a node belongs to, and fills it when a run goes on.

One compiled graph may serve many invocations at once, in several threads of LangGraph and as a subgraph of other
graphs; each has a board of its own.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import get_runtime
from langgraph.types import StateSnapshot

from planner_graph.compiler.board import Board
from planner_graph.planning.scheduler import Scheduler
from planner_graph.types import AgentName

MOST_IDLE_BOARDS = 256
"""Boards kept of invocations that ended without all records (interrupted, failed), until they are looked for again."""

Key = tuple[int, str | None, str]
"""Identity of the invocation's run control, thread, and the namespace of the graph."""


@dataclass
class _Slot:
    """A board that is there or being filled; holds the run control so that its identity is not given to another."""

    control: object
    board: "asyncio.Future[Board]"


class Boards(ABC):
    """The boards of one compiled graph."""

    graph: CompiledStateGraph[Any, Any, Any, Any]

    def __init__(self, new_scheduler: Callable[[], Scheduler]) -> None:
        self.new_scheduler = new_scheduler
        self._slots: OrderedDict[Key, _Slot] = OrderedDict()

    async def at(self, agent: AgentName, config: RunnableConfig, *, sync: bool) -> Board:
        """Give the board for ``agent``'s node, which runs with ``config``; ``sync`` tells of ``invoke``."""
        key, control = key_of(config)
        slot = self._slots.get(key)
        if slot is None or (slot.board.done() and (slot.board.exception() or slot.board.result().has_left(agent))):
            slot = _Slot(control, asyncio.ensure_future(self._fill(config, sync=sync)))
            self._slots[key] = slot
            self._forget_idle()
        self._slots.move_to_end(key)
        return await asyncio.shield(slot.board)

    def close(self, config: RunnableConfig, board: Board) -> None:
        """Throw the board away if nobody will need it again."""
        if board.finished:
            self._slots.pop(key_of(config)[0], None)

    def new_board(self, state: dict[str, Any]) -> Board:
        """Make a board whose agents pause when the invocation is asked to drain."""
        runtime = get_runtime()
        return Board(self.new_scheduler(), state, drain_requested=lambda: runtime.drain_requested)

    @abstractmethod
    async def _fill(self, config: RunnableConfig, *, sync: bool) -> Board:
        """Make the board of an invocation whose first agent comes."""

    def _forget_idle(self) -> None:
        for key in list(self._slots)[: max(0, len(self._slots) - MOST_IDLE_BOARDS)]:
            board = self._slots[key].board
            if board.done() and (board.exception() or board.result().idle):
                del self._slots[key]


class StepBoards(Boards):
    """Boards of graphs in which LangGraph itself brings the records along: they only keep the limits."""

    async def _fill(self, config: RunnableConfig, *, sync: bool) -> Board:  # noqa: ARG002
        return self.new_board({})


class DataflowBoards(Boards):
    """Boards of graphs whose agents are all in one superstep, where the board alone knows who has ended.

    A fresh run begins with :meth:`begin`. A run that goes on is read from its checkpoint: the state before the
    superstep, and the results of those tasks that finished.
    """

    def begin(self, config: RunnableConfig, state: dict[str, Any]) -> None:
        """Open a board for an invocation that starts from the beginning; nothing has to be read then."""
        key, control = key_of(config)
        opened: asyncio.Future[Board] = asyncio.get_running_loop().create_future()
        opened.set_result(self.new_board(state))
        self._slots[key] = _Slot(control, opened)
        self._forget_idle()

    async def _fill(self, config: RunnableConfig, *, sync: bool) -> Board:
        root = checkpoint_config(config)
        if sync:  # a sync checkpointer cannot be asked otherwise
            snapshot = await asyncio.to_thread(self.graph.get_state, root)
        else:
            snapshot = await self.graph.aget_state(root)
        return self.new_board({**snapshot.values, **finished_records(snapshot, self.graph.nodes)})


def key_of(config: RunnableConfig) -> tuple[Key, object]:
    """Tell the invocation that ``config`` belongs to from all others."""
    control = get_runtime().control
    configurable = config.get("configurable", {})
    return (id(control), configurable.get("thread_id"), graph_namespace(config)), control


def graph_namespace(config: RunnableConfig) -> str:
    """Give the checkpoint namespace of the graph that a node's config belongs to; the outermost graph has ``""``."""
    return str(config.get("configurable", {}).get("checkpoint_ns", "")).rpartition("|")[0]


def checkpoint_config(config: RunnableConfig) -> RunnableConfig:
    """Give the config that reads the checkpoint from which the present superstep runs."""
    info = get_runtime().execution_info
    where = {"checkpoint_ns": graph_namespace(config), "checkpoint_id": info.checkpoint_id if info else None}
    return {**config, "configurable": {**config.get("configurable", {}), **where}}


def finished_records(snapshot: StateSnapshot, nodes: Any) -> dict[str, Any]:
    """Give the records of the tasks that finished in an unfinished superstep."""
    return {
        task.name: task.result[task.name]
        for task in snapshot.tasks
        if task.result and task.name in nodes and task.name in task.result
    }
