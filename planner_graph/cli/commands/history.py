"""``planner-graph history``: show how agents did in past runs."""

import asyncio
from typing import Annotated

import typer

from planner_graph.cli import screen
from planner_graph.cli.options import AsJson, Dsn
from planner_graph.cli.performance import Detail, detail_json, detail_text, overview
from planner_graph.errors import Finding, InvalidInputError, nearest
from planner_graph.mirror.figures import performance_json
from planner_graph.mirror.history import LAST_RUNS, AgentPerformance, PerformanceTracker
from planner_graph.store.database import open_database

app = typer.Typer(add_completion=False)


@app.command()
def history(
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="Show this agent in detail.", show_default=False)
    ] = None,
    *,
    last: Annotated[
        int, typer.Option("--last", "-n", metavar="N", min=1, help="Look at the last N runs of each agent.")
    ] = LAST_RUNS,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Show how agents did in past runs."""
    if agent is not None:
        detail = asyncio.run(look_up_one(agent, last, dsn))
        if as_json:
            screen.show_json(detail_json(detail))
        else:
            screen.show(*detail_text(detail))
        return
    agents = asyncio.run(look_up_all(last, dsn))
    if as_json:
        screen.show_json({"agents": [performance_json(performance) for performance in agents]})
    elif agents:
        screen.show(overview(agents))
    else:
        screen.tell("no runs yet; start one with: planner-graph run FILE")


async def look_up_all(last: int, dsn: str | None) -> list[AgentPerformance]:
    """Read how each agent did."""
    async with open_database(dsn) as database:
        return await PerformanceTracker(database).performance(last=last)


async def look_up_one(agent: str, last: int, dsn: str | None) -> Detail:
    """Read how one agent did.

    Raises:
        InvalidInputError: no run in the database had it.
    """
    async with open_database(dsn) as database:
        tracker = PerformanceTracker(database)
        found = await tracker.performance(agent, last=last)
        if not found:
            known = await tracker.agents()
            others = "'planner-graph history' lists those that did" if known else "no agent has, so far"
            remedy = nearest(agent, known) or others
            problem = f"agent {agent!r} was in no run in the database {database.target}"
            raise InvalidInputError([Finding(problem=problem, remedy=remedy)])
        latest = found[0]
        executions = [one for one in await tracker.executions(agent, last=last) if one.work == latest.work]
        return Detail(performance=latest, executions=executions)
