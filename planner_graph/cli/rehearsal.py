"""Shows what ``run``, ``rerun`` and ``resume`` would do, and asks before a rerun repeats effects outside of it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from planner_graph.cli import screen
from planner_graph.cli.inputs import Request
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.runtime.rehearsal import Effect, Rehearsal
from planner_graph.store.database import DSN_VARIABLE, Database, open_database
from planner_graph.store.embedded import home_folder
from planner_graph.store.upgrades import versions
from planner_graph.text import one_line
from planner_graph.types import AgentName, Effects

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Only list what would run, what would be kept, and which effects would happen; run and write nothing.",
        show_default=False,
    ),
]


@asynccontextmanager
async def database_as_it_is(dsn: str | None) -> AsyncIterator[Database]:
    """Open a database without making or upgrading its tables.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
        SchemaVersionError: its tables are missing, older or newer.
    """
    async with open_database(dsn, prepare=False) as database:
        async with database.pool.connection() as conn:
            (await versions(conn)).check()
        yield database


async def planned_with_history(
    request: Request, bodies: Mapping[str, Any], dsn: str | None, min_runs: int | None
) -> ExecutionPlan:
    """Return the plan that a run would have, estimated from past runs where there is a database that holds any."""
    private = dsn is None and not os.environ.get(DSN_VARIABLE)
    if min_runs is None or (private and not home_folder().exists()):
        return request.plan
    async with open_database(dsn, prepare=False) as database:
        async with database.pool.connection() as conn:
            found = await versions(conn)
        if found.schema is None:
            return request.plan
        found.check()
        planner = MasterPlanner(request.catalog)
        orchestrator = CampaignOrchestrator(database, bodies, planner=planner, history_min_runs=min_runs)
        planner = await orchestrator.current_planner()
    return planner.create_execution_plan(request.campaign, request.plan.strategy)


def show(rehearsal: Rehearsal, *, as_json: bool) -> None:
    """Write what would happen to standard output."""
    if as_json:
        screen.show_json(rehearsal_json(rehearsal))
    else:
        screen.show(*rehearsal_text(rehearsal))


def rehearsal_json(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return what would happen as plain values."""
    return {
        "dry_run": True,
        "workflow_execution_id": rehearsal.run_id,
        "campaign_id": rehearsal.plan.campaign_id,
        "strategy": rehearsal.plan.strategy.value,
        "plan_hash": rehearsal.plan.hash,
        "runs": _reasons_json(rehearsal.runs),
        "kept": _reasons_json(rehearsal.kept),
        "effects": [
            {
                "agent": effect.agent,
                "effects": effect.effects.value,
                "again": effect.again,
                "same_key": effect.same_key,
            }
            for effect in rehearsal.effects
        ],
        "differences": list(rehearsal.differences),
    }


def rehearsal_text(rehearsal: Rehearsal) -> Iterator[RenderableType]:
    """Return what would happen as tables for people."""
    if rehearsal.differences:
        yield Text("under another plan:")
        yield from (Text(f"  {one_line(line)}") for line in rehearsal.differences)
        yield Text()
    for title, agents in (("runs", rehearsal.runs), ("kept", rehearsal.kept)):
        table = screen.table(title, "why", wide=("why",))
        for agent, why in agents.items():
            table.add_row(*screen.cells(agent, why))
        if agents:
            yield table
            yield Text()
    effects = [line for effect in rehearsal.effects if (line := _effect_text(effect))]
    yield from (Text(line, style="bold yellow") for line in effects)
    count = len(rehearsal.runs)
    kept = f", {len(rehearsal.kept)} kept" if rehearsal.run_id else ""
    yield Text(f"dry run: {count} agent{'' if count == 1 else 's'} would run{kept}; nothing was written", style="bold")


def confirm_repetition(rehearsal: Rehearsal, *, yes: bool) -> bool:
    """Ask whether agents with external effects should be repeated; ``yes`` answers beforehand.

    Raises:
        InvalidInputError: there is no terminal to ask on.
    """
    agents = rehearsal.external_again
    if not agents or yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInputError(
            [
                Finding(
                    problem=f"{_names(agents)} changed something outside of run {rehearsal.run_id}, and would again",
                    remedy="add --yes to repeat that; --dry-run shows what would run and what is kept",
                    key="--from",
                )
            ]
        )
    screen.tell(f"{_names(agents)} changed something outside of run {rehearsal.run_id}, and would again.")
    return typer.confirm("Repeat that?", default=False, err=True)


async def confirmed(rehearsal: Rehearsal, *, yes: bool) -> bool:
    """Ask in a thread, so that Ctrl-C ends the command; see :func:`confirm_repetition`."""
    return await asyncio.to_thread(confirm_repetition, rehearsal, yes=yes)


def _reasons_json(agents: Mapping[AgentName, str]) -> list[dict[str, str]]:
    return [{"agent": agent, "reason": why} for agent, why in agents.items()]


def _names(agents: tuple[AgentName, ...]) -> str:
    return one_line(f"agent{'' if len(agents) == 1 else 's'} {', '.join(map(repr, agents))}")


def _effect_text(effect: Effect) -> str:
    """Say what of an effect is worth a line: a further one, a repeated one, but not that of each new agent."""
    agent = one_line(repr(effect.agent))
    if effect.effects is Effects.EXTERNAL:
        return f"external effect of {agent} would happen {'again' if effect.again else 'once'}"
    if not effect.again:
        return ""
    if effect.same_key:
        return f"idempotent effect of {agent} would be asked for again, with the same key"
    return f"idempotent effect of {agent} would happen again, as a new run has new keys"
