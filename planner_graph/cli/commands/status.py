"""``planner-graph status``: show how a run stands."""

import asyncio

import typer

from planner_graph.cli import delivery
from planner_graph.cli.account import Account, find_run, read_account
from planner_graph.cli.files import require_folder
from planner_graph.cli.options import AsJson, Dsn, OptionalRun, OutputFolder
from planner_graph.clock import SystemClock
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository

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
    """Read how a run stands; without ``run``, the latest one."""
    async with open_database(dsn) as database:
        row = await find_run(Repository(database), run)
        return await read_account(database, row.run_id, SystemClock().now())
