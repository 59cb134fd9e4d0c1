"""Reads from the tables how runs stand."""

from datetime import UTC, datetime

from planner_graph.mirror.progress import ProgressReport, progress_report
from planner_graph.store import reading
from planner_graph.store.database import Database


async def get_workflow_progress(database: Database, run: str, *, now: datetime | None = None) -> ProgressReport:
    """Report how far a run is, when it will end, and who waits for whom; ``run`` is its id or the beginning of it.

    All of it is as the tables were at one moment.

    Raises:
        RunNotFoundError: there is no such run.
        AmbiguousRunError: there is more than one.
    """
    async with reading.snapshot(database) as conn:
        row = await reading.find_run(conn, run)
        plan, attempts = await reading.load_plan(conn, row.run_id), await reading.agent_runs(conn, row.run_id)
    return progress_report(plan, row, attempts, now or datetime.now(UTC))
