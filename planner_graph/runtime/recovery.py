"""Goes on with runs whose process died."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from planner_graph.compiler.body import Body
from planner_graph.runtime.execution import OnEvent, RunOutcome
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.types import RunId

MOST_AT_ONCE = 8
"""Runs that are gone on with at the same time, unless said otherwise."""

AgentsOf = Callable[[RunRow], Mapping[str, Body]]
"""Finds the bodies of a run, for example by its ``agents_reference``; runs with the same mapping share a mirror."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """What came of going on with a run: its outcome, or the error that stood in the way."""

    run_id: RunId
    outcome: RunOutcome | None = None
    error: Exception | None = None


async def recover(
    database: Database,
    agents_of: AgentsOf,
    *,
    runs: Iterable[RunId] | None = None,
    most_at_once: int = MOST_AT_ONCE,
    on_event: OnEvent = None,
) -> list[Recovery]:
    """Go on with ``runs``, else with all that were left behind: only their unfinished agents run again.

    A run that was being paused is paused, one that was being cancelled is cancelled. A fault of one run stops no other.
    """
    return await Rescue(database, agents_of, most_at_once=most_at_once, on_event=on_event).carry_out(runs)


class Rescue:
    """Goes on with runs whose process died, and can be asked to stop.

    ``begun`` are the runs it has come to so far, ``left`` those that it did not begin with as it was asked to stop.
    """

    def __init__(
        self,
        database: Database,
        agents_of: AgentsOf,
        *,
        most_at_once: int = MOST_AT_ONCE,
        on_event: OnEvent = None,
    ) -> None:
        self.begun: list[RunId] = []
        self.left: list[RunId] = []
        self._database = database
        self._agents_of = agents_of
        self._on_event = on_event
        self._repository = Repository(database)
        self._places = asyncio.Semaphore(most_at_once)
        self._orchestrators: list[CampaignOrchestrator] = []
        self._stopped = False

    async def carry_out(self, runs: Iterable[RunId] | None = None) -> list[Recovery]:
        """Do as :func:`recover`; gives nothing of runs that are ``left``."""
        found = list(runs) if runs is not None else await self._repository.left_behind()
        recoveries = await asyncio.gather(*map(self._turn, found))
        return [recovery for recovery in recoveries if recovery is not None]

    def pause_all(self, reason: str) -> None:
        """Pause all that go on at the moment, and begin with no further one. For signal handlers."""
        self._stopped = True
        for orchestrator in self._orchestrators:
            orchestrator.pause_all(reason)

    async def _turn(self, run_id: RunId) -> Recovery | None:
        async with self._places:
            try:
                row = await self._repository.get_run(run_id)
                if self._stopped:
                    self.left.append(run_id)
                    return None
                self.begun.append(run_id)
                outcome = await self._orchestrator(row).recover(row.run_id, on_event=self._on_event)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with one run, the others go on
                return Recovery(run_id=run_id, error=error)
            return Recovery(run_id=run_id, outcome=outcome)

    def _orchestrator(self, row: RunRow) -> CampaignOrchestrator:
        """Give who executes a run: one for all that have the same agents."""
        agents = self._agents_of(row)
        made = next((one for one in self._orchestrators if one.agents is agents), None)
        if made is None:
            made = CampaignOrchestrator(self._database, agents)
            self._orchestrators.append(made)
        return made
