"""The part of a host that lives in the event loop of the runs: it executes them, and looks for those left behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import psycopg

from planner_graph.compiler.body import Body
from planner_graph.errors import CheckpointUnreadableError, LeaseLostError, RunHeldError, RunNotResumableError
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.execution import RunOutcome
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.server.turns import Turn, Turns
from planner_graph.store.database import Database
from planner_graph.store.leases import SILENCE_SECONDS
from planner_graph.store.repository import Repository
from planner_graph.types import RunStatus

log = logging.getLogger(__name__)

LOOKS = (0.0, SILENCE_SECONDS + 1.0)
"""Seconds after the start at which runs that were left behind are looked for: at once, and when those may be known to
be left that a server lost which this one follows on."""

BodiesOf = Callable[[str | None], Awaitable[Mapping[str, Body]]]
"""Gives the code of agents by its reference."""

OnEnd = Callable[[Database, RunOutcome], Awaitable[None]]
"""Is called with each run that has ended, and a database that may be used in the event loop of the runs."""


class Stage:
    """Executes the runs of ``turns``, at most ``max_runs`` at a time. All methods are called in one event loop."""

    def __init__(  # noqa: PLR0913  # what executing takes
        self,
        database: Database,
        planner: MasterPlanner,
        turns: Turns,
        bodies: BodiesOf,
        *,
        max_runs: int,
        ended: OnEnd | None,
    ) -> None:
        self.paused = 0
        self._database = database
        self._planner = planner
        self._turns = turns
        self._bodies = bodies
        self._ended = ended
        self._places = asyncio.Semaphore(max_runs)
        self._orchestrators: list[CampaignOrchestrator] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def broken(self) -> bool:
        """Whether what keeps the runs, or writes their tables, has given up. May be asked from any thread."""
        return any(orchestrator.broken for orchestrator in tuple(self._orchestrators))

    def take(self, turn: Turn) -> None:
        """Execute a turn as soon as there is a place."""
        task = asyncio.create_task(self._carry_out(turn), name=f"host {turn.run_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def look(self) -> None:
        """Take the runs that were left behind, now and a moment later."""
        self._looking = asyncio.create_task(self._look(), name="recover")

    def look_no_more(self) -> None:
        """Leave alone what is left behind from now on."""
        if self._looking is not None:
            self._looking.cancel()

    def pause_all(self, reason: str) -> None:
        """Pause all runs gently."""
        for orchestrator in self._orchestrators:
            orchestrator.pause_all(reason)

    def leave_all(self) -> None:
        """Abandon all runs at once."""
        for orchestrator in self._orchestrators:
            orchestrator.leave_all()

    async def emptied(self) -> None:
        """Return when no turn is executed any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _look(self) -> None:
        repository = Repository(self._database)
        for seconds in LOOKS:
            await asyncio.sleep(seconds)
            try:
                for run_id in await repository.left_behind():
                    row = await repository.get_run(run_id)
                    turn = self._turns.ask(run_id, row.agents_reference, resume=False)
                    if turn is not None:
                        log.info("run %s was left behind; it is resumed here", run_id)
                        self.take(turn)
            except psycopg.Error as error:
                log.warning("runs that were left behind could not be looked for: %s", error)

    async def _carry_out(self, turn: Turn) -> None:
        """Wait for a place, and for the turn before that still holds the run; then execute it."""
        try:
            if turn.before is not None:
                await turn.before.over.wait()
            async with self._places:
                if self._turns.begin(turn):
                    await self._execute(turn)
        except (CheckpointUnreadableError, LeaseLostError, RunHeldError, RunNotResumableError) as error:
            log.info("%s", error)
        except Exception:
            log.exception("run %s could not be executed", turn.run_id)
        finally:
            self._turns.end(turn)

    async def _execute(self, turn: Turn) -> None:
        orchestrator = await self._orchestrator(turn.reference)
        row = await orchestrator.repository.get_run(turn.run_id)
        if row.status is RunStatus.PAUSED and not turn.resume:
            return
        outcome = await (orchestrator.resume(turn.run_id) if turn.resume else orchestrator.recover(turn.run_id))
        self.paused += outcome.status is RunStatus.PAUSED and self._turns.closed
        if outcome.status.ended and self._ended is not None:
            await self._ended(self._database, outcome)

    async def _orchestrator(self, reference: str | None) -> CampaignOrchestrator:
        """Give one for all runs that have the same agents."""
        bodies = await self._bodies(reference)
        made = next((one for one in self._orchestrators if one.agents is bodies), None)
        if made is None:
            made = CampaignOrchestrator(self._database, bodies, planner=self._planner)
            self._orchestrators.append(made)
        return made
