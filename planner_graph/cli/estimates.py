"""Reads estimates from past runs; this is what makes planning load a database driver, so it is loaded where needed."""

import asyncio

from planner_graph.agents.factory import AgentFactory
from planner_graph.catalog.catalog import Catalog
from planner_graph.mirror.history import PerformanceTracker, estimates_of
from planner_graph.planning.estimates import Estimator
from planner_graph.store.database import open_database


def read(dsn: str | None, min_runs: int, catalog: Catalog, agents: AgentFactory | None) -> Estimator:
    """Give the estimator that the past runs in a database make of the code that ``run`` would run."""

    async def look_up() -> Estimator:
        async with open_database(dsn) as database:
            bodies = agents if agents is not None else AgentFactory.installed()
            return await estimates_of(PerformanceTracker(database), catalog, bodies, min_runs=min_runs)

    return asyncio.run(look_up())
