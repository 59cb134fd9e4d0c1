"""``planner-graph run``: plan a campaign and run it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import typer

from planner_graph.agents.factory import AgentFactory
from planner_graph.campaign import Durability
from planner_graph.cli import rehearsal, screen
from planner_graph.cli.agents import anchored, require_bodies
from planner_graph.cli.files import require_folder
from planner_graph.cli.inputs import Request, load_request
from planner_graph.cli.options import (
    AgentsReference,
    AsJson,
    CampaignFile,
    CatalogFiles,
    Dsn,
    DurabilityName,
    MinRuns,
    NoBuiltin,
    NoHistory,
    OutputFolder,
    StrategyName,
)
from planner_graph.cli.rehearsal import DryRun, planned_with_history
from planner_graph.cli.running import Session, conduct
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.planning.estimates import MIN_RUNS
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.runtime.rehearsal import of_new_run
from planner_graph.store.database import open_database

app = typer.Typer(add_completion=False)


@app.command()
def run(  # noqa: PLR0913  # one parameter for each option
    file: CampaignFile,
    *,
    agents: AgentsReference = None,
    strategy: StrategyName = None,
    durability: DurabilityName = None,
    catalog: CatalogFiles = None,
    no_builtin: NoBuiltin = False,
    no_history: NoHistory = False,
    min_runs: MinRuns = None,
    dsn: Dsn = None,
    output: OutputFolder = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Plan a campaign and run it.

    Agents that ran often enough in the database are estimated from their past runs.
    Campaign and plan are stored before the first agent starts.
    After Ctrl-C or a crash, 'planner-graph resume' goes on with the run.
    """
    if no_history and min_runs is not None:
        problem = "has no effect with --no-history"
        raise InvalidInputError([Finding(problem=problem, remedy="leave one of them out", key="--min-runs")])
    request = load_request(file, catalogs=catalog, builtin=not no_builtin, agents=agents, strategy=strategy)
    factory = request.agents or AgentFactory.installed()
    require_bodies(request.plan, factory, agents)
    require_folder(output)
    folder = output.absolute() if output else None
    job = Job(
        request=request,
        durability=durability,
        factory=factory,
        reference=agents,
        min_runs=None if no_history else min_runs or MIN_RUNS,
        dsn=dsn,
        folder=folder,
    )
    if dry_run:
        with screen.only_results(wanted=as_json):
            plan = asyncio.run(planned_with_history(request, factory, dsn, job.min_runs))
        rehearsal.show(of_new_run(plan), as_json=as_json)
        return
    conduct(job.carry_out, as_json=as_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is to be run, where, and where to put what it gives.

    Agents with ``min_runs`` successful runs are estimated from these; with ``None``, nobody is.
    """

    request: Request
    durability: Durability | None
    factory: AgentFactory
    reference: str | None
    min_runs: int | None
    dsn: str | None
    folder: Path | None

    async def carry_out(self, session: Session) -> None:
        """Store the run, then execute it."""
        async with open_database(self.dsn) as database:
            planner = MasterPlanner(self.request.catalog)
            orchestrator = CampaignOrchestrator(database, self.factory, planner=planner, history_min_runs=self.min_runs)
            chosen = {"durability": self.durability} if self.durability else {}
            run_id, _ = await orchestrator.accept(
                self.request.campaign.model_copy(update=chosen),
                strategy=self.request.plan.strategy,
                agents_reference=anchored(self.reference) if self.reference else None,
                output_folder=str(self.folder) if self.folder else None,
            )
            await session.execute(orchestrator, run_id, self.folder)
