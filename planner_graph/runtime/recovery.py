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
"""Finds the bodies of a run, for example by its ``agents_reference``."""


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

    A run that was being paused goes on, one that was being cancelled is cancelled. A fault of one run stops no other.
    """
    repository = Repository(database)
    found = list(runs) if runs is not None else await repository.left_behind()
    places = asyncio.Semaphore(most_at_once)
    orchestrators: dict[str | None, CampaignOrchestrator] = {}

    async def one(run_id: RunId) -> Recovery:
        async with places:
            try:
                row = await repository.get_run(run_id)
                if row.agents_reference not in orchestrators:
                    orchestrators[row.agents_reference] = CampaignOrchestrator(database, agents_of(row))
                outcome = await orchestrators[row.agents_reference].execute(row.run_id, on_event=on_event)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with one run, the others go on
                return Recovery(run_id=run_id, error=error)
            return Recovery(run_id=run_id, outcome=outcome)

    return list(await asyncio.gather(*map(one, found)))
