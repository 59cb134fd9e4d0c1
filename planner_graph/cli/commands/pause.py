"""``planner-graph pause``: let a run pause."""

import typer

from planner_graph.cli.control import Reason, send
from planner_graph.cli.options import AsJson, Dsn, RunArgument
from planner_graph.store.commands import Command

app = typer.Typer(add_completion=False)


@app.command()
def pause(run: RunArgument, *, reason: Reason = None, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """Let a run pause.

    No further agent starts; those that run may end, for a while. Whichever process executes the run hears of it
    within a second. Asking twice changes nothing.
    """
    send(run, Command.PAUSE, reason, dsn, as_json=as_json)
