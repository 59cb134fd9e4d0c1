"""``planner-graph resume``: go on with a run."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from planner_graph.agents.factory import AgentFactory
from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.cli import rehearsal, screen
from planner_graph.cli.agents import load, require_bodies
from planner_graph.cli.control import requester
from planner_graph.cli.files import require_folder
from planner_graph.cli.inputs import load_catalog, load_request
from planner_graph.cli.options import (
    AgentsReference,
    AsJson,
    CatalogFiles,
    Dsn,
    NoBuiltin,
    OutputFolder,
    RunArgument,
    StrategyName,
)
from planner_graph.cli.rehearsal import DryRun
from planner_graph.cli.running import Session, conduct
from planner_graph.cli.summary import how_to_go_on
from planner_graph.compiler.body import Body
from planner_graph.errors import CommandRefusedError, InvalidInputError, RunHeldError, RunNotResumableError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.runtime.rehearsal import Rehearsal, of_resume
from planner_graph.runtime.replanning import Replanned
from planner_graph.store.commands import Command
from planner_graph.store.database import Database, open_database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.types import RunStatus

app = typer.Typer(add_completion=False)


@app.command()
def resume(  # noqa: PLR0913  # one parameter for each option
    run: RunArgument,
    *,
    agents: AgentsReference = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Fence out the process that executes it: nothing it writes counts any more."),
    ] = False,
    campaign: Annotated[
        str | None,
        typer.Option(
            "--campaign",
            metavar="FILE",
            help="Go on only if this campaign, planned now, gives the plan that the run has.",
            show_default=False,
        ),
    ] = None,
    strategy: StrategyName = None,
    catalog: CatalogFiles = None,
    no_builtin: NoBuiltin = False,
    replan: Annotated[
        bool,
        typer.Option(
            "--replan",
            help="Go on under a new plan, made now from the campaign and the catalog; finished agents whose"
            " work is the same are not run again.",
        ),
    ] = False,
    dsn: Dsn = None,
    output: OutputFolder = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was paused or left behind.

    Agents that have ended are not run again. Code and output folder are those the run was started with, unless given.
    The plan is the one it was started with. Where a campaign or a catalog is given, what they give now must be the
    same; with --replan, the run goes on under that.
    """
    require_folder(output)
    sources = Sources(campaign=campaign, catalogs=tuple(catalog or ()), builtin=not no_builtin, strategy=strategy)
    resumption = Resumption(run=run, reference=agents, folder=output, take_over=take_over, sources=sources)

    if dry_run:
        with screen.only_results(wanted=as_json):
            found = asyncio.run(resumption.rehearsed(dsn, replan=replan))
        rehearsal.show(found, as_json=as_json)
        return

    async def work(session: Session) -> None:
        async with open_database(dsn) as database:
            await resumption.carry_out(session, database, replan=replan)

    conduct(work, as_json=as_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What a plan is made from; without a ``campaign``, from the one that is stored."""

    campaign: str | None
    catalogs: Sequence[str]
    builtin: bool
    strategy: str | None

    @property
    def given(self) -> bool:
        """Whether the user named any."""
        return bool(self.campaign or self.catalogs or self.strategy or not self.builtin)

    def read(self, factory: AgentFactory, reference: str | None) -> tuple[Catalog, Campaign | None]:
        """Read catalog and campaign.

        Raises:
            InvalidInputError: something is wrong with any of them.
        """
        if self.campaign is None:
            catalog = load_catalog(self.catalogs, builtin=self.builtin, installed=reference is None)
            return catalog.extended(*factory.declared) if reference else catalog, None
        request = load_request(
            self.campaign, catalogs=self.catalogs, builtin=self.builtin, agents=reference, strategy=self.strategy
        )
        return request.catalog, request.campaign


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumption:
    """A run to go on with, and how."""

    run: str
    reference: str | None
    folder: Path | None
    take_over: bool
    sources: Sources

    async def rehearsed(self, dsn: str | None, *, replan: bool) -> Rehearsal:
        """Find out what the run would do if it were resumed; nothing is written.

        Raises:
            RunHeldError: another process executes it, and it is not to be taken over.
        """
        async with rehearsal.database_as_it_is(dsn) as database:
            row, orchestrator, campaign, chosen = await self._prepare(database, replan=replan)
            vitals = await orchestrator.repository.vitals(row.run_id)
            if vitals.holder is not None and not self.take_over:
                raise RunHeldError(row.run_id, vitals.holder)
            if replan:
                found = await orchestrator.preview_replan(row.run_id, campaign, strategy=self.sources.strategy)
            else:
                found = await of_resume(database, row.run_id)
            self._require_bodies(found.plan, row, orchestrator.agents, chosen)
            return found

    async def carry_out(self, session: Session, database: Database, *, replan: bool) -> None:
        """Find the run and its agents, see to its plan, then execute it."""
        row, orchestrator, campaign, chosen = await self._prepare(database, replan=replan)
        if replan:
            await self._replan(orchestrator, row, campaign)
        self._require_bodies(await orchestrator.repository.load_plan(row.run_id), row, orchestrator.agents, chosen)
        stored = Path(row.output_folder) if row.output_folder else None
        folder = self.folder.absolute() if self.folder else stored
        await session.execute(orchestrator, row.run_id, folder, take_over=self.take_over)

    async def _prepare(
        self, database: Database, *, replan: bool
    ) -> tuple[RunRow, CampaignOrchestrator, Campaign | None, str | None]:
        """Find the run, what its plan is made from, and the code of its agents; refuse a plan that changed."""
        row = await Repository(database).get_run(self.run)
        if row.status.ended:
            raise RunNotResumableError(row.run_id, f"it has ended as {row.status.value!r}")
        if row.status is RunStatus.CANCELLING:
            refusal = CommandRefusedError(row.run_id, Command.RESUME.value, "it is being cancelled")
            refusal.add_note(f"if its process died: planner-graph recover {row.run_id}")
            raise refusal
        chosen = self.reference or row.agents_reference
        factory = load(chosen) if chosen else AgentFactory.installed()
        catalog, campaign = Catalog(), None
        if replan or self.sources.given:
            catalog, campaign = self.sources.read(factory, chosen)
        orchestrator = CampaignOrchestrator(database, factory, planner=MasterPlanner(catalog))
        if self.sources.given and not replan:
            await orchestrator.require_same_plan(row.run_id, campaign, strategy=self.sources.strategy)
        return row, orchestrator, campaign, chosen

    async def _replan(self, orchestrator: CampaignOrchestrator, row: RunRow, campaign: Campaign | None) -> None:
        replanned = await orchestrator.replan(
            row.run_id, campaign, strategy=self.sources.strategy, by=requester(), take_over=self.take_over
        )
        screen.tell(told(replanned))

    def _require_bodies(
        self, plan: ExecutionPlan, row: RunRow, bodies: Mapping[str, Body], reference: str | None
    ) -> None:
        try:
            require_bodies(plan, bodies, reference)
        except InvalidInputError as error:
            renamed = f"if they were renamed or removed: planner-graph resume {row.run_id} --replan"
            error.add_note(renamed if row.own_thread else how_to_go_on(row))
            raise


def told(replanned: Replanned) -> str:
    """Say what came of asking for a new plan."""
    if replanned.keeping is None:
        return "the plan is what it was; nothing is changed"
    kept = len(replanned.keeping.kept)
    lines = [f"the run goes on under revision {replanned.revision} of its plan:"]
    lines += [f"  {line}" for line in replanned.differences]
    lines.append(f"{kept} finished {'agent is' if kept == 1 else 'agents are'} kept")
    return "\n".join(lines)
