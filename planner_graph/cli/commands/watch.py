"""``planner-graph watch``: follow a run while it goes on."""

from typing import Annotated

import typer

from planner_graph.cli import delivery, interruptible, screen
from planner_graph.cli.account import Account
from planner_graph.cli.exits import ExitCode, exit_code
from planner_graph.cli.options import Dsn, OptionalRun
from planner_graph.cli.watching import Watch, watcher
from planner_graph.clock import SystemClock
from planner_graph.store.database import open_database

app = typer.Typer(add_completion=False)


@app.command()
def watch(
    run: OptionalRun = None,
    *,
    after: Annotated[
        int,
        typer.Option("--after", metavar="N", min=0, help="Leave out events up to this number."),
    ] = 0,
    dsn: Dsn = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON object for each event, one a line.", show_default=False)
    ] = False,
) -> None:
    """Follow a run while it goes on, whoever executes it.

    Ctrl-C ends only the watching. A paused run is watched on, as it may be resumed.
    """
    clock = SystemClock()
    watching = Watch(watcher=watcher(clock, after=after, as_json=as_json), clock=clock)
    try:
        account = interruptible.run(follow(watching, run, dsn))
    except interruptible.Interrupted as stop:
        if watching.run_id:
            screen.tell(
                f"stopped watching; the run is left alone. Watch it again: planner-graph watch {watching.run_id}"
            )
        raise typer.Exit(ExitCode.STOPPED) from stop
    if not as_json:
        delivery.show(account, as_json=False)
    raise typer.Exit(exit_code(account.row.status))


async def follow(watching: Watch, run: str | None, dsn: str | None) -> Account:
    """Follow a run in its database."""
    async with open_database(dsn) as database:
        return await watching.follow(database, run)
