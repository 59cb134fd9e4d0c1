"""The plans of runs, read once: a plan never changes, and its hash names it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from planner_graph.planning.plan import ExecutionPlan
from planner_graph.server.cache import Recent
from planner_graph.store.repository import Repository
from planner_graph.types import RunId

MOST_STEPS = 4_000
"""Steps of all plans that are kept; a step takes some 10 kB."""

MOST_DRAWN = 64
"""Pictures and other views of plans that are kept."""


class Plans:
    """Plans by their hash, and what they are shown as; large ones are drawn by ``workers``."""

    def __init__(self, repository: Repository, workers: Executor) -> None:
        self._repository = repository
        self._workers = workers
        self._known: Recent[str, ExecutionPlan] = Recent(MOST_STEPS, lambda plan: len(plan.steps))
        self._drawn: Recent[tuple[str, str], bytes] = Recent(MOST_DRAWN)

    async def get(self, run_id: RunId, plan_hash: str) -> ExecutionPlan:
        """Give the plan of a run, whose hash is known; it is shown as it is stored, so the hash is not worked out.

        Raises:
            RunNotFoundError: there is no such run.
        """
        plan = self._known.get(plan_hash)
        if plan is None:
            plan = await self._repository.load_plan(run_id, verify=False)
            self._known.put(plan_hash, plan)
        return plan

    async def drawn(self, plan_hash: str, view: str, draw: Callable[[], bytes]) -> bytes:
        """Give what ``draw`` makes of the plan with this hash, made once for each ``view`` of it."""
        made = self._drawn.get((plan_hash, view))
        if made is None:
            made = await asyncio.get_running_loop().run_in_executor(self._workers, draw)
            self._drawn.put((plan_hash, view), made)
        return made
