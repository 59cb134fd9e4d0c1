"""``planner-graph rerun``: run a part of a run again, as a new run."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from planner_graph.agents.factory import AgentFactory
from planner_graph.cli import rehearsal, screen
from planner_graph.cli.agents import anchored, load, require_bodies
from planner_graph.cli.files import require_folder
from planner_graph.cli.options import AgentsReference, AsJson, Dsn, OutputFolder, RunArgument
from planner_graph.cli.rehearsal import DryRun
from planner_graph.cli.running import Session, conduct
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.runtime.rehearsal import Rehearsal
from planner_graph.runtime.rerunning import Rerun
from planner_graph.store.database import Database, open_database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow

app = typer.Typer(add_completion=False)


@app.command()
def rerun(  # noqa: PLR0913  # one parameter for each option
    run: RunArgument,
    *,
    agent: Annotated[
        list[str],
        typer.Option(
            "--from",
            metavar="AGENT",
            help="This agent runs again, and all that depend on it. May be given several times.",
            show_default=False,
        ),
    ],
    configuration: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="KEY=VALUE",
            help="Configure that agent otherwise: JSON, else text. May be given several times.",
            show_default=False,
        ),
    ] = None,
    agents: AgentsReference = None,
    dsn: Dsn = None,
    output: OutputFolder = None,
    dry_run: DryRun = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Repeat external effects without asking; needed without a terminal.", show_default=False
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a part of a run again, as a new run.

    The new run has the plan of the other one, and keeps what its agents finished before the one that is named, and
    beside it, and what a fallback repaired. The other run stays what it is.
    """
    require_folder(output)
    job = Job(
        run=run,
        agents=tuple(agent),
        reference=agents,
        folder=output,
        configuration=read_pairs(configuration or []),
        yes=yes,
    )
    if dry_run:
        with screen.only_results(wanted=as_json):
            found = asyncio.run(job.rehearsed(dsn))
        rehearsal.show(found, as_json=as_json)
        return

    async def work(session: Session) -> None:
        await job.carry_out(session, dsn)

    conduct(work, as_json=as_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Which run, from which agents on, how these are configured, and whether external effects may be repeated."""

    run: str
    agents: tuple[str, ...]
    reference: str | None
    folder: Path | None
    configuration: dict[str, Any]
    yes: bool = False

    async def rehearsed(self, dsn: str | None) -> Rehearsal:
        """Find out what the new run would do; nothing is written."""
        async with rehearsal.database_as_it_is(dsn) as database:
            row, orchestrator, _ = await self._prepare(database)
            return await orchestrator.preview_rerun(row.run_id, self.agents, configuration=self.configuration)

    async def carry_out(self, session: Session, dsn: str | None) -> None:
        """Accept the new run, then execute it; nothing is done if the user does not want effects to be repeated."""
        async with open_database(dsn) as database:
            row, orchestrator, chosen = await self._prepare(database)
            found = await orchestrator.preview_rerun(row.run_id, self.agents, configuration=self.configuration)
            if not await rehearsal.confirmed(found, yes=self.yes):
                return
            stored = Path(row.output_folder) if row.output_folder else None
            folder = self.folder.absolute() if self.folder else stored
            begun = await orchestrator.rerun(
                row.run_id,
                self.agents,
                configuration=self.configuration,
                agents_reference=anchored(chosen) if chosen else None,
                output_folder=str(folder) if folder else None,
            )
            screen.tell(told(begun))
            await session.execute(orchestrator, begun.run_id, folder)

    async def _prepare(self, database: Database) -> tuple[RunRow, CampaignOrchestrator, str | None]:
        """Find the run and the code of its agents."""
        repository = Repository(database)
        row = await repository.get_run(self.run)
        chosen = self.reference or row.agents_reference
        factory = load(chosen) if chosen else AgentFactory.installed()
        require_bodies(await repository.load_plan(row.run_id), factory, chosen)
        return row, CampaignOrchestrator(database, factory), chosen


def read_pairs(pairs: list[str]) -> dict[str, Any]:
    """Read the values of ``--with``: JSON where they are, else text.

    >>> read_pairs(["tone=dry", "words=300", "site_url=https://example.org/?a=b"])
    {'tone': 'dry', 'words': 300, 'site_url': 'https://example.org/?a=b'}

    Raises:
        InvalidInputError: one of them has no key.
    """
    found = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not key or not separator:
            problem = f"{pair[:60]!r} is no KEY=VALUE"
            raise InvalidInputError([Finding(problem=problem, remedy="write --with tone=formal", key="--with")])
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def told(begun: Rerun) -> str:
    """Say what the new run begins with."""
    kept = begun.keeping.kept
    count = f"{len(kept)} agent{'' if len(kept) == 1 else 's'}"
    lines = [f"run {begun.run_id} keeps {count} of run {begun.rerun_of}" + (f": {', '.join(kept)}" if kept else "")]
    lines += [f"  agent {agent!r} runs again: {why}" for agent, why in begun.keeping.again.items()]
    return "\n".join(lines)
