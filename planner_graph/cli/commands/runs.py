"""``planner-graph runs``: list the runs."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from planner_graph.cli import screen
from planner_graph.cli.figures import timer
from planner_graph.cli.options import AsJson, Dsn
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.types import RunStatus

app = typer.Typer(add_completion=False)

FULL_WIDTH, DATED_WIDTH = 110, 80
"""Columns from which there is room for whole ids, and for the time of the start."""

SHORT_ID = 8
"""Digits of an id where there is no room for all."""


@app.command()
def runs(
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many to list.")] = 20,
    status: Annotated[
        RunStatus | None, typer.Option("--status", help="List only runs in this state.", show_default=False)
    ] = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """List the runs, newest first."""
    rows = asyncio.run(look_up(limit, status, dsn))
    if as_json:
        screen.show_json({"runs": [run_json(row) for row in rows]})
    elif rows:
        screen.show(overview(rows, screen.console().width))
    else:
        screen.tell("no runs yet; start one with: planner-graph run FILE")


async def look_up(limit: int, status: RunStatus | None, dsn: str | None) -> list[RunRow]:
    """Read the latest runs."""
    async with open_database(dsn) as database:
        return await Repository(database).list_runs(limit, status)


def overview(rows: Iterable[RunRow], width: int) -> RenderableType:
    """Give a table with a line for each run, no wider than ``width`` columns; times of day are local.

    Where room is scarce, runs are named by the first digits of their ids, which every command takes, and the time of
    the start is left out.
    """
    short, dated = width < FULL_WIDTH, width >= DATED_WIDTH
    names = ["run", "status", "agents", *(["started"] if dated else []), "time", "campaign"]
    table = screen.table(*names, numbers=("agents", "time"), wide=("campaign",))
    for row in rows:
        cells = {
            "run": row.run_id[:SHORT_ID] if short else row.run_id,
            "status": row.status.value,
            "agents": f"{len(row.completed_agents)}/{row.total_agents}",
            "started": f"{(row.started_at or row.created_at).astimezone():%Y-%m-%d %H:%M:%S}",
            "time": timer((row.ended_at - row.started_at).total_seconds()) if row.ended_at and row.started_at else None,
            "campaign": row.campaign_key,
        }
        table.add_row(*screen.cells(*(cells[name] for name in names)))
    return table


def run_json(row: RunRow) -> dict[str, Any]:
    """Give a run as plain values; times are ISO 8601 in UTC."""
    return {
        "workflow_execution_id": row.run_id,
        "campaign_id": row.campaign_key,
        "campaign_name": row.campaign_name,
        "strategy": row.strategy.value,
        "status": row.status.value,
        "reason": row.status_reason,
        "total_agents": row.total_agents,
        "completed_agents": list(row.completed_agents),
        "failed_agents": list(row.failed_agents),
        "created_at": row.created_at.isoformat(),
        "started_at": row.started_at.isoformat() if row.started_at else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }
