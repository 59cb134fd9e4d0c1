"""Reads estimates from past runs; this is what makes planning load a database driver, so it is loaded where needed."""

import asyncio

from planner_graph.mirror.history import PerformanceTracker
from planner_graph.planning.estimates import Estimator
from planner_graph.store.database import open_database


def read(dsn: str | None, min_runs: int) -> Estimator:
    """Give the estimator that the past runs in a database make."""

    async def look_up() -> Estimator:
        async with open_database(dsn) as database:
            return await PerformanceTracker(database).estimates(min_runs=min_runs)

    return asyncio.run(look_up())
