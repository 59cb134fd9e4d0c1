"""``planner-graph cancel``: end a run before its end."""

import typer

from planner_graph.cli.control import Reason, send
from planner_graph.cli.options import AsJson, Dsn, RunArgument
from planner_graph.store.commands import Command

app = typer.Typer(add_completion=False)


@app.command()
def cancel(run: RunArgument, *, reason: Reason = None, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """End a run before its end.

    No further agent starts; those that run are stopped soon. A cancelled run cannot be resumed.
    """
    send(run, Command.CANCEL, reason, dsn, as_json=as_json)
