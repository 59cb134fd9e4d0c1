"""Forecasts of runs that go on, at the price that many readers can be given them for.

A forecast plays the rest of a run through many times, which takes longer than everything else in a report. So whoever
asks first gets a rough one at once. When somebody asks again, a worker makes a good one, which everybody gets after
that.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from planner_graph.planning.contents import PlanContents
from planner_graph.planning.forecast import AgentStanding, Forecast, forecast
from planner_graph.server.cache import Recent
from planner_graph.types import AgentName, RunId

Standings = Mapping[AgentName, AgentStanding]

GOOD_SECONDS = 10.0
"""For how long a forecast is good enough while nothing happens in the run."""

MOST_RUNS = 1_000
"""Runs whose forecasts are kept."""

MOST_WAITING = 50
"""Good forecasts that are asked of the worker at a time; beyond that the rough ones must do."""

ROUGH_WORK, FEWEST = 60, 4
"""How many durations a rough forecast draws in all, and fewest for one agent."""

MOST_AT_ONCE = 40
"""Steps of a plan of which a rough forecast takes so short that the event loop can make it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    sequence: int
    made_at: float
    outlook: Forecast
    good: bool

    def at(self, now: float) -> Forecast | None:
        """Give the forecast as it is some seconds later, if it is still good: nothing has happened in the run since."""
        passed = now - self.made_at
        if passed > min(GOOD_SECONDS, self.outlook.p50_seconds_left):
            return None
        return replace(
            self.outlook,
            p50_seconds_left=max(self.outlook.p50_seconds_left - passed, 0.0),
            p90_seconds_left=max(self.outlook.p90_seconds_left - passed, 0.0),
        )


class Outlooks:
    """The latest forecasts, by run; good ones are made by ``workers``."""

    def __init__(self, workers: Executor) -> None:
        self._workers = workers
        self._known: Recent[RunId, _Known] = Recent(MOST_RUNS)
        self._making: dict[RunId, asyncio.Task[None]] = {}

    async def of(  # noqa: PLR0913  # what a forecast takes, and which one it is
        self, run_id: RunId, sequence: int, plan: PlanContents, standings: Standings, now: float, *, moving: bool
    ) -> Forecast:
        """Give a forecast of a run; ``sequence`` is that of its latest event, ``now`` is Unix time.

        While a run is not ``moving``, what is left of it stays the same.
        """
        known = self._known.get(run_id)
        if known is not None and known.sequence == sequence:
            outlook = known.at(now) if moving else known.outlook
            if not known.good:
                self._improve(run_id, sequence, plan, standings, now)
            if outlook is not None:
                return outlook
        rough = await self._rough(plan, standings, now)
        self._known.put(run_id, _Known(sequence=sequence, made_at=now, outlook=rough, good=False))
        return rough

    def _improve(self, run_id: RunId, sequence: int, plan: PlanContents, standings: Standings, now: float) -> None:
        """Have a good forecast made, unless that is under way or there is too much to do."""
        if run_id in self._making or len(self._making) >= MOST_WAITING:
            return

        async def make() -> None:
            good = await self._work(plan, standings, now, None)
            known = self._known.get(run_id)
            if known is None or known.sequence <= sequence:
                self._known.put(run_id, _Known(sequence=sequence, made_at=now, outlook=good, good=True))

        task = asyncio.create_task(make())
        self._making[run_id] = task
        task.add_done_callback(lambda _: self._making.pop(run_id))

    async def _rough(self, plan: PlanContents, standings: Standings, now: float) -> Forecast:
        samples = max(ROUGH_WORK // max(len(plan.steps), 1), FEWEST)
        if len(plan.steps) <= MOST_AT_ONCE:
            return forecast(plan, standings, now, samples=samples)
        return await self._work(plan, standings, now, samples)

    async def _work(self, plan: PlanContents, standings: Standings, now: float, samples: int | None) -> Forecast:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, lambda: forecast(plan, standings, now, samples=samples))
