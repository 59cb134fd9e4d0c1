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
        screen.show(overview(rows))
    else:
        screen.tell("no runs yet; start one with: planner-graph run FILE")


async def look_up(limit: int, status: RunStatus | None, dsn: str | None) -> list[RunRow]:
    """Read the latest runs."""
    async with open_database(dsn) as database:
        return await Repository(database).list_runs(limit, status)


def overview(rows: Iterable[RunRow]) -> RenderableType:
    """Give a table with a line for each run; times of day are local."""
    table = screen.table(
        "run", "status", "agents", "started", "time", "campaign", numbers=("agents", "time"), wide=("campaign",)
    )
    for row in rows:
        done = f"{len(row.completed_agents)}/{row.total_agents}"
        started = f"{(row.started_at or row.created_at).astimezone():%Y-%m-%d %H:%M:%S}"
        time = timer((row.ended_at - row.started_at).total_seconds()) if row.ended_at and row.started_at else None
        table.add_row(*screen.cells(row.run_id, row.status.value, done, started, time, row.campaign_key))
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
