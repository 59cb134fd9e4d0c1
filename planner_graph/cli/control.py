"""Sends commands to runs, for the commands ``pause`` and ``cancel``."""

import asyncio
import getpass
import socket
from typing import Annotated

import typer

from planner_graph.cli import screen
from planner_graph.store.commands import Answer, Command
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.types import RunId

Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the run.", show_default=False)
]


def send(run: str, command: Command, reason: str | None, dsn: str | None, *, as_json: bool) -> None:
    """Ask for something of a run and show what comes of it."""
    run_id, answer = asyncio.run(_ask(run, command, reason, dsn))
    if as_json:
        screen.show_json({"workflow_execution_id": run_id, "status": answer.status.value, "says": answer.says})
    else:
        screen.show(f"run {run_id}: {answer.says}")


def requester() -> str:
    """Give who asks: user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


async def _ask(run: str, command: Command, reason: str | None, dsn: str | None) -> tuple[RunId, Answer]:
    async with open_database(dsn) as database:
        repository = Repository(database)
        row = await repository.get_run(run)
        return row.run_id, await repository.command(row.run_id, command, by=requester(), reason=reason)
