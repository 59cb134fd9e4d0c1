"""Executes runs in this process: starts them, goes on with them, and hands them over when the process ends."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from planner_graph.compiler.body import Body
from planner_graph.errors import LeaseLostError
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.store.database import Database
from planner_graph.types import RunId

log = logging.getLogger(__name__)

STOPPED = "the server was stopped; resume it to go on"
"""Why runs pause when the server ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agents:
    """The code of agents: what new runs use, and how a run that was started elsewhere finds its own.

    ``reference`` is kept with new runs, so that whoever goes on with them finds the code again; ``load`` gives the code
    that such a reference names, or what installed packages offer for ``None``.
    """

    bodies: Mapping[str, Body]
    reference: str | None
    load: Callable[[str | None], Mapping[str, Body]]


class RunHost:
    """The runs that this process executes: at most ``max_runs`` at a time, the others wait for their turn.

    A run that waits is ``pending`` or as it was left; should the process die, it is recovered like any other.
    """

    def __init__(self, database: Database, planner: MasterPlanner, agents: Agents, *, max_runs: int) -> None:
        self._database = database
        self._planner = planner
        self._agents = agents
        self._places = asyncio.Semaphore(max_runs)
        self._tasks: dict[RunId, asyncio.Task[None]] = {}
        self._orchestrators: dict[str | None, CampaignOrchestrator] = {}
        self._executing: set[RunId] = set()
        self.closing = False
        self.orchestrator = self._of(agents.reference)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of all runs at once; those that go on are found by who recovers runs."""
        self.closing = True
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    @property
    def runs(self) -> tuple[RunId, ...]:
        """The runs that this process executes or will, in the order in which they came."""
        return tuple(self._tasks)

    @property
    def executing(self) -> int:
        """How many runs go on in this process."""
        return len(self._executing)

    def start(self, run_id: RunId, reference: str | None) -> None:
        """Execute a run as soon as there is a place; one that this process has already is left alone."""
        if run_id in self._tasks or self.closing:
            return
        task = asyncio.create_task(self._execute(run_id, reference), name=f"host {run_id}")
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run_id))

    def _of(self, reference: str | None) -> CampaignOrchestrator:
        """Give the orchestrator whose agents' code a reference names."""
        if reference not in self._orchestrators:
            own = reference == self._agents.reference
            bodies = self._agents.bodies if own else self._agents.load(reference)
            self._orchestrators[reference] = CampaignOrchestrator(self._database, bodies, planner=self._planner)
        return self._orchestrators[reference]

    async def _execute(self, run_id: RunId, reference: str | None) -> None:
        async with self._places:
            self._executing.add(run_id)
            try:
                await self._of(reference).execute(run_id)
            except LeaseLostError:
                log.info("run %s goes on in another process", run_id)
            except Exception:
                log.exception("run %s could not be executed", run_id)
            finally:
                self._executing.discard(run_id)
