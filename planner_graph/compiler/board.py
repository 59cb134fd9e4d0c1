"""Where the agents of one run meet inside a process: who has ended, how, and whose turn it is.

A board is thrown away with the invocation it serves. What must survive is in LangGraph's checkpoint; when a run goes on,
a board is filled from there. All nodes of a board run in one event loop, so nothing here needs a lock.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from langgraph.errors import GraphBubbleUp, GraphDrained

from planner_graph.compiler.state import AgentRecord
from planner_graph.planning.scheduler import Scheduler
from planner_graph.types import AgentName


class Board:
    """A pure scheduler, the nodes that wait for its word, and the records of the agents that have ended.

    ``state`` is what agents read their inputs from (campaign and records); it grows as agents settle. Agents whose
    records are in it from the beginning have ended before, for example before a crash.
    """

    def __init__(
        self, scheduler: Scheduler, state: Mapping[str, Any], *, drain_requested: Callable[[], bool] = lambda: False
    ) -> None:
        self.state: dict[str, Any] = dict(state)
        self._scheduler = scheduler
        self._drain_requested = drain_requested
        self._waiting: dict[AgentName, asyncio.Future[None]] = {}
        self._stopped: dict[AgentName, type[GraphBubbleUp]] = {}
        self._left: set[AgentName] = set()
        self._alarm: asyncio.TimerHandle | None = None
        for agent in scheduler.demands:
            if self.state.get(agent) is not None:
                scheduler.settle(agent)

    def record(self, agent: AgentName) -> AgentRecord | None:
        """Give the record of an agent that has ended."""
        return self.state.get(agent)

    def has_left(self, agent: AgentName) -> bool:
        """Whether ``agent`` has been here and gone: if it comes again, this is no longer its board."""
        return agent in self._left

    @property
    def idle(self) -> bool:
        """Whether no agent is here, running or waiting."""
        return not self._waiting and not self._scheduler.running

    @property
    def finished(self) -> bool:
        """Whether every agent has its record."""
        return not self._stopped and len(self._scheduler.settled) == len(self._scheduler.demands)

    @asynccontextmanager
    async def turn(self, agent: AgentName) -> AsyncIterator[None]:
        """Wait until ``agent`` may start; the block is its turn, in which it settles or which it leaves by an error.

        Raises:
            GraphBubbleUp: it cannot start: an agent it waits for was interrupted, or the run is being paused.
        """
        waiting = self._waiting[agent] = asyncio.get_running_loop().create_future()
        self._scheduler.arrive(agent)
        self._advance()
        try:
            try:
                await waiting
            finally:
                del self._waiting[agent]
            yield
        except BaseException as error:
            self._stop(agent, type(error) if isinstance(error, GraphBubbleUp) else GraphDrained)
            raise

    def settle(self, agent: AgentName, record: AgentRecord) -> None:
        """Take the record of an agent that has ended."""
        self.state[agent] = record
        self._leave(agent)

    def _stop(self, agent: AgentName, cause: type[GraphBubbleUp]) -> None:
        """Note that ``agent`` leaves without a record; who waits for it leaves with the same ``cause``."""
        self._stopped[agent] = cause
        self._leave(agent)

    def _leave(self, agent: AgentName) -> None:
        self._left.add(agent)
        self._scheduler.settle(agent)
        self._advance()

    def _advance(self) -> None:
        """Let start who may, turn away who cannot any more, and wake up again when a rate allows more."""
        loop = asyncio.get_running_loop()
        if self._drain_requested():
            self._scheduler.halt()
        for agent in self._scheduler.start(loop.time()):
            self._call(agent, self._obstacle(agent))
        if self._scheduler.halted:
            for agent in self._waiting:
                self._call(agent, GraphDrained("the run is being paused"))
        if self._alarm is not None:
            self._alarm.cancel()
        wake = self._scheduler.wake_at()
        self._alarm = loop.call_at(wake, self._advance) if wake is not None else None

    def _call(self, agent: AgentName, obstacle: GraphBubbleUp | None) -> None:
        waiting = self._waiting[agent]
        if waiting.done():
            return
        if obstacle is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(obstacle)

    def _obstacle(self, agent: AgentName) -> GraphBubbleUp | None:
        """Give what a stopped predecessor makes this agent raise: the same signal, without its content."""
        before = self._scheduler.demands[agent].waits_for
        cause = next((self._stopped[other] for other in before if other in self._stopped), None)
        return None if cause is None else cause(())
