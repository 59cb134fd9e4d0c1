"""Executes runs in this process: starts them, resumes them, and hands them over when the process ends.

Runs live in an event loop and a thread of their own, with connections of their own to the database, so that an agent
that blocks its loop keeps no request waiting. Requests only ever touch :class:`RunHost`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from planner_graph.compiler.body import Body
from planner_graph.compiler.bridge import in_thread
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.brake import Grace
from planner_graph.runtime.loops import LoopThread
from planner_graph.server.stage import OnEnd, Stage
from planner_graph.server.turns import Turns
from planner_graph.store.database import Database, beside
from planner_graph.types import RunId

log = logging.getLogger(__name__)

STOPPED = "the server was stopped; resume it to go on"
"""Why runs pause when the server ends."""

LOOK_SECONDS = 1.0
"""How often an ending host looks whether the loop of its runs still moves."""

LEAVE_SECONDS = 3.0
"""How long that loop may stand still while its runs are left at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agents:
    """The code of agents: what new runs use, and how a run that was started elsewhere finds its own.

    ``reference`` is kept with new runs, so that the process that resumes them finds the code again; ``load`` gives the
    code that such a reference names. ``ended`` is called with each run that has ended, in the event loop of the runs.
    """

    bodies: Mapping[str, Body]
    reference: str | None
    load: Callable[[str], Mapping[str, Body]]
    ended: OnEnd | None = None


class RunHost:
    """The runs that this process executes: at most ``max_runs`` at a time, the others wait for their turn.

    A run that waits is ``pending``, or as it was left; should the process die, it is recovered like any other. All
    methods return at once or wait without blocking, whatever an agent does to the event loop of the runs.
    """

    def __init__(self, database: Database, planner: MasterPlanner, agents: Agents, *, max_runs: int) -> None:
        self.grace = Grace()
        self._database = database
        self._planner = planner
        self._agents = agents
        self._max_runs = max_runs
        self._bodies: dict[str | None, Mapping[str, Body]] = {agents.reference: agents.bodies}
        self._turns = Turns()
        self._loop = LoopThread("planner-graph-runs")
        self._opened = AsyncExitStack()
        self._stuck = False

    async def __aenter__(self) -> Self:
        """Start the loop of the runs.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        self._loop.start()
        try:
            self._stage = await self._loop.do(self._open())
        except BaseException:
            await self._loop.end(LEAVE_SECONDS)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon all runs at once; those that were executed are found by the process that recovers runs."""
        self._close()
        self._loop.soon(self._stage.leave_all)
        await self._wait(LEAVE_SECONDS)
        if not self._stuck:
            await self._loop.do(self._opened.aclose())
        await self._loop.end(0.0 if self._stuck else LEAVE_SECONDS)

    @property
    def reference(self) -> str | None:
        """Where the code of new runs comes from."""
        return self._agents.reference

    @property
    def waiting(self) -> int:
        """How many runs wait for a place."""
        return self._turns.waiting

    @property
    def executing(self) -> int:
        """How many runs this process executes."""
        return self._turns.executing

    @property
    def closing(self) -> bool:
        """Whether no further run is taken."""
        return self._turns.closed

    @property
    def paused(self) -> int:
        """How many runs were paused as the server ended."""
        return self._stage.paused

    @property
    def broken(self) -> bool:
        """Whether what keeps the runs of this process, or writes their tables, has given up."""
        return self._stage.broken or not self._loop.alive

    @property
    def busy(self) -> bool:
        """Whether code of agents, which nothing can stop, is still at work after the end: leave it behind."""
        return self._stuck or self._loop.busy

    def has(self, run_id: RunId) -> bool:
        """Tell whether a run is executed here, or waits for its turn."""
        return self._turns.has(run_id)

    async def bodies(self, reference: str | None) -> Mapping[str, Body]:
        """Give the code that a run was started with, which may take a moment; without any, that of new runs.

        Raises:
            InvalidInputError: the code cannot be loaded.
        """
        chosen = reference or self.reference
        if chosen is not None and chosen not in self._bodies:
            self._bodies.setdefault(chosen, await in_thread(self._agents.load, chosen))
        return self._bodies[chosen]

    def start(self, run_id: RunId, reference: str | None, *, resume: bool = False) -> None:
        """Execute a run as soon as there is a place; with ``resume`` even if it is paused by then."""
        turn = self._turns.ask(run_id, reference, resume=resume)
        if turn is not None:
            self._loop.soon(self._stage.take, turn)

    def drop(self, run_id: RunId) -> None:
        """Take a run that waits for its turn out of the line."""
        self._turns.drop(run_id)

    def recover(self) -> None:
        """Resume runs that were left behind, now and a moment later."""
        self._loop.soon(self._stage.look)

    async def pause(self) -> None:
        """Take no further run and pause those that are executed: gently, their agents may end for a while."""
        self._close()
        self._loop.soon(self._stage.pause_all, STOPPED)
        await self._wait(self.grace.pause)

    async def _open(self) -> Stage:
        database = await self._opened.enter_async_context(beside(self._database))
        return Stage(
            database,
            self._planner,
            self._turns,
            self.bodies,
            max_runs=self._max_runs,
            ended=self._agents.ended,
        )

    def _close(self) -> None:
        """Take no further run; those that wait stay as they are stored."""
        self._turns.close()
        self._loop.soon(self._stage.look_no_more)

    async def _wait(self, patience: float) -> None:
        """Wait until no run is executed; for a loop that an agent blocks only so many seconds, as nothing stops it."""
        if self._stuck:
            return
        emptied = asyncio.ensure_future(self._loop.do(self._stage.emptied()))
        try:
            while not (await asyncio.wait({emptied}, timeout=LOOK_SECONDS))[0]:
                if not await self._loop.answers(patience):
                    self._stuck = True
                    log.warning(
                        "an agent has blocked the event loop of the runs for more than %g s; they are left as if the"
                        " process had died, for: planner-graph recover --all",
                        patience,
                    )
                    return
        finally:
            emptied.cancel()
