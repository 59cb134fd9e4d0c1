"""``planner-graph resume``: go on with a run."""

from pathlib import Path
from typing import Annotated

import typer

from planner_graph.agents.factory import AgentFactory
from planner_graph.catalog.catalog import Catalog
from planner_graph.cli.agents import load, require_bodies
from planner_graph.cli.files import require_folder
from planner_graph.cli.options import AgentsReference, AsJson, Dsn, OutputFolder, RunArgument
from planner_graph.cli.running import Session, conduct
from planner_graph.errors import RunNotResumableError
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.store.database import Database, open_database
from planner_graph.store.repository import Repository

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
    dsn: Dsn = None,
    output: OutputFolder = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was paused or left behind.

    Agents that have ended are not run again. Code and output folder are those the run was started with, unless given.
    """
    require_folder(output)
    folder = output.absolute() if output else None

    async def work(session: Session) -> None:
        async with open_database(dsn) as database:
            await find_and_execute(session, database, run, agents, folder, take_over=take_over)

    conduct(work, as_json=as_json)


async def find_and_execute(  # noqa: PLR0913  # each is an option of the command
    session: Session,
    database: Database,
    run: str,
    reference: str | None,
    folder: Path | None,
    *,
    take_over: bool,
) -> None:
    """Find the run and its agents, then execute it."""
    repository = Repository(database)
    row = await repository.get_run(run)
    if row.status.ended:
        reason = f"it has ended as {row.status.value!r}; 'planner-graph status {row.run_id}' shows how"
        raise RunNotResumableError(row.run_id, reason)
    chosen = reference or row.agents_reference
    factory = load(chosen) if chosen else AgentFactory.installed()
    require_bodies(await repository.load_plan(row.run_id), factory, chosen)
    stored = Path(row.output_folder) if row.output_folder else None
    orchestrator = CampaignOrchestrator(database, factory, planner=MasterPlanner(Catalog()))
    await session.execute(orchestrator, row.run_id, folder or stored, take_over=take_over)
