"""``planner-graph status``: show how a run stands."""

import asyncio

import typer

from planner_graph.cli import delivery
from planner_graph.cli.files import require_folder
from planner_graph.cli.options import AsJson, Dsn, OptionalRun, OutputFolder
from planner_graph.cli.summary import Account, read_account
from planner_graph.clock import SystemClock
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.types import RunId

app = typer.Typer(add_completion=False)


@app.command()
def status(run: OptionalRun = None, *, dsn: Dsn = None, output: OutputFolder = None, as_json: AsJson = False) -> None:
    """Show how a run stands."""
    require_folder(output)
    account = asyncio.run(look_up(run, dsn))
    if output is not None:
        account = delivery.write(account, output.absolute())
    delivery.show(account, as_json=as_json)


async def look_up(run: str | None, dsn: str | None) -> Account:
    """Read how a run stands; without ``run``, the latest one.

    Raises:
        InvalidInputError: there is no run at all.
        RunNotFoundError: there is no such run.
    """
    async with open_database(dsn) as database:
        repository = Repository(database)
        if run is None:
            latest = await repository.list_runs(limit=1)
            if not latest:
                remedy = "start one with: planner-graph run FILE"
                raise InvalidInputError([Finding(problem=f"no run in the database {database.target}", remedy=remedy)])
            run = latest[0].run_id
        row = await repository.get_run(run)
        return await read_account(repository, RunId(row.run_id), SystemClock().now())
