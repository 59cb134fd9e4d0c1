"""Reports on how runs progress, for any number of readers: each is worked out once, and shared while it is true."""

from dataclasses import dataclass

from pydantic_core import to_json

from planner_graph.clock import Clock
from planner_graph.mirror.progress import progress_report
from planner_graph.mirror.standings import agents_now, standings
from planner_graph.server.cache import Recent
from planner_graph.server.outlooks import Outlooks
from planner_graph.server.plans import Plans
from planner_graph.store import reading
from planner_graph.store.repository import Repository
from planner_graph.store.rows import Mark
from planner_graph.types import RunId, RunStatus

MOST_BYTES = 32 * 2**20
"""What the reports that are kept take together."""

MOVING_SECONDS, RESTING_SECONDS = 1.0, 10.0
"""For how long a report is shared while nothing happens in the run: one that goes on, whose forecast moves with the
time, and one that waits, of which a better forecast may be there by then. That of one that has ended stays true."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a run stands, as JSON, and after which event."""

    sequence: int
    body: bytes


class Reports:
    """Makes reports, or gives those that it has."""

    def __init__(self, repository: Repository, plans: Plans, outlooks: Outlooks, clock: Clock) -> None:
        self._repository = repository
        self._plans = plans
        self._outlooks = outlooks
        self._clock = clock
        self._known: Recent[tuple[Mark, int], Report] = Recent(MOST_BYTES, lambda report: len(report.body))

    async def get(self, run: str) -> Report:
        """Report on the run with this id, or the one whose id begins with these digits.

        Raises:
            RunNotFoundError, AmbiguousRunError: there is no such run, or more than one.
        """
        mark = await self._repository.mark(run)
        moment = self._moment(mark.status)
        report = self._known.get((mark, moment))
        if report is None:
            mark, report = await self._made(mark.run_id)
            self._known.put((mark, moment), report)
        return report

    def _moment(self, status: RunStatus) -> int:
        """Number the spans of time during which a report is shared."""
        if status.ended:
            return 0
        return int(self._clock.now().timestamp() / (MOVING_SECONDS if status.going_on else RESTING_SECONDS))

    async def _made(self, run_id: RunId) -> tuple[Mark, Report]:
        """Make a report; also gives what tells whether it is still true."""
        async with reading.snapshot(self._repository.database) as conn:
            mark, row = await reading.mark(conn, run_id), await reading.find_run(conn, run_id)
            attempts = await reading.agent_runs(conn, run_id)
        plan, now = await self._plans.get(mark.run_id, row.plan_hash), self._clock.now()
        outlook = None
        if not row.status.ended:
            at = standings(agents_now(plan, row, attempts).values())
            outlook = await self._outlooks.of(
                mark.run_id, mark.last_sequence, plan, at, now.timestamp(), moving=row.status.going_on
            )
        body = to_json(progress_report(plan, row, attempts, now, outlook=outlook))
        return mark, Report(mark.last_sequence, body)
