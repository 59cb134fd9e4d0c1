"""How a run stands when a client begins to follow it: its report, and what the list shows of it."""

from planner_graph.errors import RunNotFoundError
from planner_graph.server.frames import Frame, snapshot_frame
from planner_graph.server.hosting import RunHost
from planner_graph.server.items import run_item
from planner_graph.server.reports import Reports
from planner_graph.store.repository import Repository
from planner_graph.types import RunId


class RunSnapshots:
    """Makes the first frame of a client. It may know already what the next events tell, never less."""

    def __init__(self, reports: Reports, repository: Repository, host: RunHost) -> None:
        self._reports = reports
        self._repository = repository
        self._host = host

    async def __call__(self, run_id: RunId) -> Frame:
        """Tell how a run stands.

        Raises:
            RunNotFoundError: there is no such run.
        """
        report = await self._reports.get(run_id)
        listed = await self._repository.listed([run_id])
        if not listed:
            raise RunNotFoundError(run_id)
        return snapshot_frame(report.sequence, report.body, run_item(listed[0], self._host))
