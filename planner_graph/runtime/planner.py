"""A planner with a database: plans a stored campaign for a run whose id is known, and stores both."""

import uuid
from collections.abc import Mapping
from typing import Any

from psycopg.errors import UniqueViolation

from planner_graph.compiler.body import Body
from planner_graph.compiler.identity import works_of_plan
from planner_graph.errors import RunExistsError, RunIdError, RunNotFoundError
from planner_graph.mirror.history import PerformanceTracker, estimates_of
from planner_graph.mirror.reading import get_workflow_progress
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, Strategy


class DatabasePlanner:
    """Plans campaigns that are stored in a database.

    ``planner`` is one with the built-in catalog by default. With ``agents``, agents are estimated from past runs of the
    same bodies.
    """

    def __init__(
        self, database: Database, agents: Mapping[str, Body] | None = None, *, planner: MasterPlanner | None = None
    ) -> None:
        self.database = database
        self.agents = agents or {}
        self.planner = planner or MasterPlanner()
        self.repository = Repository(database)

    async def create_execution_plan(
        self, campaign_id: str, workflow_execution_id: str, strategy: Strategy | str | None = None
    ) -> ExecutionPlan:
        """Plan a stored campaign and accept a run of it under this id; from then on it can be executed.

        Raises:
            CampaignNotFoundError: no campaign is stored under this id.
            RunIdError: the id of the run is no UUID.
            RunExistsError: there is a run with this id.
            PlanError: the campaign cannot be planned.
        """
        try:
            run_id = RunId(str(uuid.UUID(workflow_execution_id)))
        except (ValueError, AttributeError, TypeError) as error:
            raise RunIdError(workflow_execution_id) from error
        campaign = await self.repository.stored_campaign(campaign_id)
        declared = self.planner.estimator
        tracker = PerformanceTracker(self.database)
        estimator = await estimates_of(tracker, self.planner.catalog, self.agents, otherwise=declared)
        plan = self.planner.estimating_by(estimator).create_execution_plan(campaign, strategy)
        try:
            works = works_of_plan(plan, self.agents)
            await self.repository.accept_run(run_id, campaign, plan, works=works)
        except UniqueViolation as error:
            raise RunExistsError(run_id) from error
        return plan

    async def get_workflow_progress(self, workflow_execution_id: str) -> Mapping[str, Any]:
        """Report how far a run is; ``{"status": "not_found"}`` if there is none with this id."""
        try:
            return await get_workflow_progress(self.database, workflow_execution_id)
        except RunNotFoundError:
            return {"status": "not_found"}
