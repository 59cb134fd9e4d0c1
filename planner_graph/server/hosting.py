"""Executes runs in this process: starts them, goes on with them, and hands them over when the process ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import psycopg

from planner_graph.compiler.body import Body
from planner_graph.compiler.bridge import in_thread
from planner_graph.errors import LeaseLostError, RunHeldError, RunNotResumableError
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.execution import RunOutcome
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.store.database import Database
from planner_graph.store.leases import SILENCE_SECONDS
from planner_graph.types import RunId, RunStatus

log = logging.getLogger(__name__)

STOPPED = "the server was stopped; resume it to go on"
"""Why runs pause when the server ends."""

LOOKS = (0.0, SILENCE_SECONDS + 1.0)
"""Seconds after the start at which runs that were left behind are looked for: at once, and when those may be known to
be left that a server lost which this one follows on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agents:
    """The code of agents: what new runs use, and how a run that was started elsewhere finds its own.

    ``reference`` is kept with new runs, so that whoever goes on with them finds the code again; ``load`` gives the code
    that such a reference names. ``ended`` is told of each run that has ended.
    """

    bodies: Mapping[str, Body]
    reference: str | None
    load: Callable[[str], Mapping[str, Body]]
    ended: Callable[[RunOutcome], Awaitable[None]] | None = None


class RunHost:
    """The runs that this process executes: at most ``max_runs`` at a time, the others wait for their turn.

    A run that waits is ``pending``, or as it was left; should the process die, it is recovered like any other.
    """

    def __init__(self, database: Database, planner: MasterPlanner, agents: Agents, *, max_runs: int) -> None:
        self.closing = False
        self.paused = 0
        self._database = database
        self._planner = planner
        self._agents = agents
        self._places = asyncio.Semaphore(max_runs)
        self._waiting: dict[RunId, asyncio.Task[None]] = {}
        self._executing: dict[RunId, asyncio.Task[None]] = {}
        self._orchestrators: dict[str | None, CampaignOrchestrator] = {}
        self._recovering: asyncio.Task[None] | None = None
        self.orchestrator = CampaignOrchestrator(database, agents.bodies, planner=planner)
        self._orchestrators[agents.reference] = self.orchestrator

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of all runs at once; those that go on are found by whoever recovers runs."""
        self._close()
        for orchestrator in self._orchestrators.values():
            orchestrator.leave_all()
        await self._ended()

    @property
    def reference(self) -> str | None:
        """Where the code of new runs comes from."""
        return self._agents.reference

    @property
    def waiting(self) -> int:
        """How many runs wait for a place."""
        return len(self._waiting)

    @property
    def executing(self) -> int:
        """How many runs go on in this process."""
        return len(self._executing)

    @property
    def broken(self) -> bool:
        """Whether what keeps the runs of this process, or writes their tables, has given up."""
        return any(orchestrator.broken for orchestrator in self._orchestrators.values())

    def has(self, run_id: RunId) -> bool:
        """Tell whether a run goes on here, or waits for its turn."""
        return run_id in self._waiting or run_id in self._executing

    async def prepare(self, reference: str | None) -> CampaignOrchestrator:
        """Load the code that a run was started with, which may take a moment; without any, it is that of new runs.

        Raises:
            InvalidInputError: the code cannot be loaded.
        """
        chosen = reference or self.reference
        if chosen not in self._orchestrators and chosen is not None:
            bodies = await in_thread(self._agents.load, chosen)
            made = CampaignOrchestrator(self._database, bodies, planner=self._planner)
            self._orchestrators.setdefault(chosen, made)
        return self._orchestrators[chosen]

    def start(self, run_id: RunId, reference: str | None, *, resume: bool = False) -> None:
        """Execute a run as soon as there is a place; with ``resume`` even if it is paused by then."""
        before = self._executing.get(run_id)
        if self.closing or run_id in self._waiting or (before is not None and not resume):
            return
        task = asyncio.create_task(self._turn(run_id, reference, before, resume=resume), name=f"host {run_id}")
        self._waiting[run_id] = task
        task.add_done_callback(partial(self._forget, run_id))

    def _forget(self, run_id: RunId, task: asyncio.Task[None]) -> None:
        """Leave out a turn that is over; another one of the same run may have begun to wait meanwhile."""
        for tasks in (self._waiting, self._executing):
            if tasks.get(run_id) is task:
                del tasks[run_id]

    def drop(self, run_id: RunId) -> None:
        """Let a run that waits for its turn wait no more."""
        if run_id in self._waiting:
            self._waiting.pop(run_id).cancel()

    def recover(self) -> None:
        """Go on with runs that were left behind, now and a moment later."""
        self._recovering = asyncio.create_task(self._recover(), name="recover")

    async def pause(self) -> None:
        """Take no further run and pause those that go on: gently, their agents may end for a while."""
        self._close()
        for orchestrator in self._orchestrators.values():
            orchestrator.pause_all(STOPPED)
        await self._ended()

    def _close(self) -> None:
        """Take no further run; those that wait stay as they are stored."""
        self.closing = True
        if self._recovering is not None:
            self._recovering.cancel()
        for run_id in tuple(self._waiting):
            self.drop(run_id)

    async def _ended(self) -> None:
        if self._executing:
            await asyncio.wait(self._executing.values())

    async def _recover(self) -> None:
        repository = self.orchestrator.repository
        for seconds in LOOKS:
            await asyncio.sleep(seconds)
            try:
                for run_id in await repository.left_behind():
                    row = await repository.get_run(run_id)
                    log.info("run %s was left behind; it goes on here", run_id)
                    self.start(run_id, row.agents_reference)
            except psycopg.Error as error:
                log.warning("runs that were left behind could not be looked for: %s", error)

    async def _turn(
        self, run_id: RunId, reference: str | None, before: asyncio.Task[None] | None, *, resume: bool
    ) -> None:
        """Wait for a place, and for the turn ``before`` that has yet to let go of the run; then execute it."""
        if before is not None:
            await asyncio.wait({before})
        async with self._places:
            self._executing[run_id] = self._waiting.pop(run_id)
            try:
                await self._execute(run_id, reference, resume=resume)
            except (LeaseLostError, RunHeldError, RunNotResumableError) as error:
                log.info("%s", error)
            except Exception:
                log.exception("run %s could not be executed", run_id)

    async def _execute(self, run_id: RunId, reference: str | None, *, resume: bool) -> None:
        orchestrator = await self.prepare(reference)
        row = await orchestrator.repository.get_run(run_id)
        if row.status is RunStatus.PAUSED and not resume:
            return
        outcome = await (orchestrator.resume(run_id) if resume else orchestrator.recover(run_id))
        self.paused += outcome.status is RunStatus.PAUSED and self.closing
        if outcome.status.ended and self._agents.ended is not None:
            await self._agents.ended(outcome)
