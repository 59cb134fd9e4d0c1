"""Where the agents of one run meet inside a process: who has ended, how, and whose turn it is.

A board is thrown away with the invocation it serves. What must survive is in LangGraph's checkpoint; when a run goes
on, a board is filled from there. All nodes of a board run in one event loop, so nothing here needs a lock.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from langgraph.errors import GraphBubbleUp, GraphDrained, GraphInterrupt

from planner_graph.compiler.failfast import FailFast
from planner_graph.compiler.obstacle import Obstacle
from planner_graph.compiler.state import AgentRecord
from planner_graph.compiler.threads import AttemptThreads
from planner_graph.errors import PoolHeldError
from planner_graph.planning.scheduler import Scheduler
from planner_graph.types import AgentName

LEAST_PATIENCE = 30.0
"""Seconds for which an agent waits at least for threads that were given up on, where nothing else can make way."""

LONGEST_NAP = 0.5
"""Seconds after which a board looks again whether the run is to pause, where nobody's end would make it look."""


@dataclass(frozen=True)
class _Waiting:
    """A node that waits: what it awaits, whether it would have anything to do, and how long it waits for threads."""

    call: asyncio.Future[PoolHeldError | None]
    has_work: Callable[[], bool]
    patience: float


class Board:
    """A pure scheduler, the nodes that wait for its word, and the records of the agents that have ended.

    ``state`` is what agents read their inputs from (campaign and records); it grows as agents settle. Agents whose
    records are in it from the beginning have ended before, for example before a crash.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        state: Mapping[str, Any],
        *,
        fail_fast: FailFast | None = None,
        drain_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.state: dict[str, Any] = dict(state)
        self._scheduler = scheduler
        self._fail_fast = fail_fast
        self._drain_requested = drain_requested
        self.landings: dict[AgentName, asyncio.Future[None]] = {}
        self._waiting: dict[AgentName, _Waiting] = {}
        self._resting: set[AgentName] = set()
        self._given_up: list[AgentName] = []
        self._stuck_since: float | None = None
        self._stopped: dict[AgentName, BaseException] = {}
        self._visited: set[AgentName] = set()
        self._alarm: asyncio.TimerHandle | None = None
        for agent in scheduler.demands:
            if self.state.get(agent) is not None:
                scheduler.settle(agent)

    @property
    def stop(self) -> Obstacle | None:
        """Why no further agent starts, if that is so."""
        return None if self._fail_fast is None else self._fail_fast.obstacle

    def visit(self, agent: AgentName) -> bool:
        """Tell whether this is the first visit to ``agent``, which is to give its record.

        LangGraph comes twice, even at the same time, if a ``Command`` leads there that is to start anyway.
        """
        first = agent not in self._visited
        self._visited.add(agent)
        return first

    @asynccontextmanager
    async def turn(
        self, agent: AgentName, has_work: Callable[[], bool] = lambda: True, *, patience: float = LEAST_PATIENCE
    ) -> AsyncIterator[PoolHeldError | None]:
        """Wait until ``agent`` may start; the block is its turn, in which it settles or which it leaves by an error.

        ``has_work`` is asked when its dependencies have ended: an agent that will be skipped need not wait any longer.
        Where nothing but threads that were given up on can make way, it waits for ``patience`` seconds, and the turn
        consists of the error that it fails with.

        Raises:
            GraphBubbleUp: it cannot start: an agent it waits for left without a record, or the run is being paused.
        """
        waiting = self._waiting[agent] = _Waiting(asyncio.get_running_loop().create_future(), has_work, patience)
        self._scheduler.arrive(agent)
        self._advance()
        try:
            try:
                held = await waiting.call
            finally:
                del self._waiting[agent]
            yield held
        except BaseException as error:
            self._stopped[agent] = error
            self._leave(agent)
            raise

    def give_up(self, agent: AgentName, threads: AttemptThreads) -> None:
        """Note that ``threads`` of ``agent``, whose turn it is, go on: until they return, its pools stay held."""
        loop = asyncio.get_running_loop()
        free_shared = self._scheduler.keep(agent)
        self._given_up.append(agent)

        def returned() -> None:
            free_shared()
            with suppress(RuntimeError):  # the loop is closed, and the board with it
                loop.call_soon_threadsafe(self._take_back, agent)

        threads.when_returned(returned)

    def _take_back(self, agent: AgentName) -> None:
        self._given_up.remove(agent)
        self._scheduler.give_back(agent)
        self._advance()

    async def rest(
        self, agent: AgentName, pause: Awaitable[None], *, patience: float = LEAST_PATIENCE
    ) -> PoolHeldError | None:
        """Give back what ``agent`` holds, await the ``pause`` before its next attempt, and wait for its next turn.

        Gives the error with which it fails instead, see :meth:`turn`.

        Raises:
            GraphDrained: the run is being paused.
        """
        waiting = self._waiting[agent] = _Waiting(asyncio.get_running_loop().create_future(), lambda: True, patience)
        self._scheduler.rest(agent)
        self._resting.add(agent)
        pausing = asyncio.ensure_future(pause)
        pausing.add_done_callback(lambda ended: self._end_rest(agent, waiting, ended))
        self._advance()
        try:
            return await waiting.call
        finally:
            del self._waiting[agent]
            self._resting.discard(agent)
            pausing.cancel()

    def _end_rest(self, agent: AgentName, waiting: _Waiting, ended: asyncio.Future[None]) -> None:
        """Queue ``agent`` after its pause, unless it has left meanwhile."""
        if ended.cancelled() or self._waiting.get(agent) is not waiting:
            return
        if (error := ended.exception()) is not None:
            waiting.call.set_exception(error)
        else:
            self._scheduler.arrive(agent)
            self._advance()

    def look_again(self) -> None:
        """Start the agents that may start by now, for example because another run has made way."""
        self._advance()

    def settle(self, agent: AgentName, record: AgentRecord, landing: asyncio.Future[None] | None = None) -> None:
        """Take the record of an agent that has ended: at once, or when its ``landing`` says that it is stored."""
        if landing is None:
            self._take(agent, record)
        else:
            landing.add_done_callback(lambda _: self._take(agent, record))

    def _take(self, agent: AgentName, record: AgentRecord) -> None:
        self.state[agent] = record
        if self._fail_fast is not None:
            self._fail_fast.note(agent, self.state)
        self._leave(agent)

    def _leave(self, agent: AgentName) -> None:
        self._scheduler.settle(agent)
        self._advance()

    def _advance(self) -> None:
        """Let start who may, turn away who cannot any more, and look again when a rate allows more."""
        loop = asyncio.get_running_loop()
        if self._drain_requested():
            self._scheduler.halt()
        for agent in self._scheduler.start(loop.time(), self._passes):
            self._call(agent, self._obstacle(agent))
        if self._scheduler.halted:
            for agent in self._waiting:
                self._call(agent, GraphDrained("the run is being paused"))
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        wake = self._scheduler.wake_at()
        if (seconds := self._scheduler.wait_for_others()) is not None:
            wake = min(loop.time() + seconds, math.inf if wake is None else wake)
        if self._stuck(loop.time()) or wake is not None or self._resting:
            nap = loop.time() + LONGEST_NAP
            self._alarm = loop.call_at(nap if wake is None else min(wake, nap), self._advance)

    def _stuck(self, now: float) -> bool:
        """Tell whether only threads that were given up on can make way; agents that waited for them too long fail."""
        waiting = self._scheduler.stuck() if self._given_up else []
        if not waiting:
            self._stuck_since = None
            return False
        if self._stuck_since is None:
            self._stuck_since = now
        holders = list(dict.fromkeys(self._given_up))
        for agent in waiting:
            patience = max(self._waiting[agent].patience, LEAST_PATIENCE)
            if now - self._stuck_since >= patience and not self._waiting[agent].call.done():
                self._waiting[agent].call.set_result(PoolHeldError(agent, holders, patience))
        return True

    def _passes(self, agent: AgentName) -> bool:
        return self._obstacle(agent) is not None or not self._waiting[agent].has_work()

    def _call(self, agent: AgentName, obstacle: GraphBubbleUp | None) -> None:
        call = self._waiting[agent].call
        if call.done():
            return
        if obstacle is None:
            call.set_result(None)
        else:
            call.set_exception(obstacle)

    def _obstacle(self, agent: AgentName) -> GraphBubbleUp | None:
        """Give what an agent raises because one that it waits for left without a record.

        Beside the error of that one it must say nothing of its own: an interrupt without content is LangGraph's way.
        """
        before = self._scheduler.demands[agent].waits_for
        cause = next((self._stopped[other] for other in before if other in self._stopped), None)
        if cause is None:
            return None
        return GraphDrained(cause.reason) if isinstance(cause, GraphDrained) else GraphInterrupt(())
