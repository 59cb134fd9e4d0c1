"""The command ``planner-graph``: finds the command asked for, and turns errors into one message and an exit code."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any, ClassVar, TextIO

import typer
import typer.main

from planner_graph.cli import screen
from planner_graph.cli.exits import BROKEN_PIPE, ExitCode
from planner_graph.cli.lazy import LazyGroup
from planner_graph.errors import InvalidInputError, PlannerGraphError


class Commands(LazyGroup):
    """All commands, and the one place where their errors end."""

    summaries: ClassVar[Mapping[str, str]] = {
        "plan": "Plan a campaign and show the plan; nothing is run.",
        "draw": "Draw the plan of a campaign.",
        "run": "Plan a campaign and run it.",
        "resume": "Go on with a run that was paused or left behind.",
        "rerun": "Run a part of a run again, as a new run.",
        "pause": "Let a run pause.",
        "cancel": "End a run before its end.",
        "approve": "Answer an agent that asks.",
        "reject": "Answer no to an agent that asks; see 'approve'.",
        "recover": "Go on with runs whose process died.",
        "status": "Show how a run stands.",
        "watch": "Follow a run while it goes on, whoever executes it.",
        "runs": "List the runs, newest first.",
        "reconcile": "Make the tables of a run equal to its checkpoint.",
        "serve": "Serve runs over HTTP: REST, live events and the dashboard.",
        "history": "Show how agents did in past runs.",
        "catalog": "List, show and check the agents that exist.",
        "db": "Check the database, bring its tables up to date, or remove what is old.",
        "token": "Create, list and revoke the tokens that open the server.",
    }

    def invoke(self, ctx: Any) -> Any:
        """Run the command asked for."""
        with errors_explained(debug=ctx.params["debug"]):
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 completed, 1 failed, 2 bad input, 3 partial success, 4 paused or cancelled.",
)


def show_version(wanted: bool) -> None:  # noqa: FBT001  # Typer calls it with the option's value
    """Write the program's version and end."""
    if wanted:
        screen.show_bytes(f"planner-graph {version('planner-graph')}\n".encode())
        raise typer.Exit


@app.callback()
def program(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="PLANNER_GRAPH_DEBUG", help="Show the traceback of an unexpected error."),
    ] = False,
) -> None:
    """Plan a campaign of agents, run it on Postgres, and go on after a crash."""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        tolerate_any_text(stream)
    logging.getLogger("psycopg").addHandler(logging.NullHandler())  # what matters of it ends as an error here
    typer.main.get_command(app).main(prog_name="planner-graph")


@contextmanager
def errors_explained(*, debug: bool) -> Iterator[None]:
    """Turn an error that ends the command into one message on standard error and the exit code that fits it."""
    try:
        yield
    except typer.TyperException:
        raise
    except BrokenPipeError as error:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # what is still buffered must not fail at exit
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from error
    except PlannerGraphError as error:
        explain(error)
        raise typer.Exit(ExitCode.BAD_INPUT) from error
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # the last line: whatever went wrong, nobody should have to read a traceback
        explain_unexpected(error, debug=debug)
        raise typer.Exit(ExitCode.FAILED) from error


def explain(error: PlannerGraphError) -> None:
    """Say what is wrong, and what to do."""
    if isinstance(error, InvalidInputError):
        screen.complain_of(error.findings)
    else:
        problem, _, remedy = str(error).rpartition("; ")
        screen.complain(problem or remedy, remedy if problem else "")
    for note in notes(error):
        screen.tell(note)


def explain_unexpected(error: Exception, *, debug: bool) -> None:
    """Say what went wrong in one line, or with all details if asked for."""
    if debug:
        screen.tell("".join(traceback.format_exception(error)).rstrip())
    screen.complain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    for note in notes(error):
        screen.tell(note)
    if not debug:
        screen.tell("set PLANNER_GRAPH_DEBUG=1 to see where it happened")


def notes(error: Exception) -> list[str]:
    """Give what was added to an error on its way."""
    return list(getattr(error, "__notes__", ()))


def tolerate_any_text(stream: TextIO) -> None:
    """Let a terminal that cannot show a character show its escape instead of failing."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="backslashreplace")
