"""Reads from the tables how runs stand."""

from datetime import UTC, datetime

from planner_graph.mirror.progress import ProgressReport, progress_report
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository


async def get_workflow_progress(database: Database, run: str, *, now: datetime | None = None) -> ProgressReport:
    """Report how far a run is, when it will end, and who waits for whom; ``run`` is its id or the beginning of it.

    Raises:
        RunNotFoundError: there is no such run.
        AmbiguousRunError: there is more than one.
    """
    repository = Repository(database)
    row = await repository.get_run(run)
    plan, attempts = await repository.load_plan(row.run_id), await repository.agent_runs(row.run_id)
    return progress_report(plan, row, attempts, now or datetime.now(UTC))
