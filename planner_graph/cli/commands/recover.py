"""``planner-graph recover``: go on with runs whose process died."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import typer

from planner_graph.agents.factory import AgentFactory
from planner_graph.cli import interruptible, screen
from planner_graph.cli.agents import load
from planner_graph.cli.exits import ExitCode, exit_code
from planner_graph.cli.options import AgentsReference, AsJson, Dsn
from planner_graph.cli.running import STOPPED, stopping_text
from planner_graph.compiler.body import Body
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.runtime.brake import Grace, StopKind
from planner_graph.runtime.recovery import Recovery, Rescue
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.types import RunId

app = typer.Typer(add_completion=False)


@app.command()
def recover(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Ids of runs, or the beginnings of ids.", show_default=False),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Go on with all that were left behind.")] = False,
    agents: AgentsReference = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Go on with runs whose process died.

    Only their unfinished agents run again, with the code that each run was started with, unless --agents is given.
    """
    if bool(runs) == everything:
        problem = "name runs or give --all" if not runs else "has no effect together with names of runs"
        raise InvalidInputError([Finding(problem=problem, remedy="planner-graph recover --all", key="--all")])
    job = Job(names=runs, reference=agents, dsn=dsn)
    try:
        found = interruptible.run(job.carry_out(), job.pause)
    except interruptible.Interrupted as stop:
        screen.tell("stopped; go on with what was not begun: planner-graph recover --all")
        for run_id in job.begun:
            screen.tell(f"go on with what was begun: planner-graph resume {run_id}")
        if stop.busy:
            interruptible.leave(ExitCode.STOPPED)
        raise typer.Exit(ExitCode.STOPPED) from stop
    _show(found, as_json=as_json)
    if job.left:
        screen.tell(f"stopped before {', '.join(job.left)}; go on: planner-graph recover --all")
    elif not found:
        screen.tell("no run was left behind")
    raise typer.Exit(_worst(found) or (ExitCode.STOPPED if job.left else ExitCode.COMPLETED))


@dataclass(kw_only=True)
class Job:
    """The runs that a command goes on with, all that were left behind if there are no ``names``."""

    names: Iterable[str] | None
    reference: str | None
    dsn: str | None
    rescue: Rescue | None = None
    factories: dict[str | None, AgentFactory] = field(default_factory=dict)

    @property
    def begun(self) -> list[RunId]:
        """The runs it has come to."""
        return self.rescue.begun if self.rescue else []

    @property
    def left(self) -> list[RunId]:
        """The runs that it did not begin with as it was stopped."""
        return self.rescue.left if self.rescue else []

    async def carry_out(self) -> list[Recovery]:
        """Go on with them."""
        async with open_database(self.dsn) as database:
            repository = Repository(database)
            runs = [(await repository.get_run(name)).run_id for name in self.names] if self.names else None
            self.rescue = Rescue(database, self._agents_of)
            return await self.rescue.carry_out(runs)

    def pause(self) -> bool:
        """Let those that go on pause; gives ``False`` if there are none."""
        if self.rescue is None:
            return False
        self.rescue.pause_all(STOPPED)
        screen.tell(stopping_text(StopKind.PAUSE, Grace()).replace("\n", "; "))
        return True

    def _agents_of(self, row: RunRow) -> Mapping[str, Body]:
        chosen = self.reference or row.agents_reference
        if chosen not in self.factories:
            self.factories[chosen] = load(chosen) if chosen else AgentFactory.installed()
        return self.factories[chosen]


def _show(found: list[Recovery], *, as_json: bool) -> None:
    if as_json:
        screen.show_json({"runs": [_json(recovery) for recovery in found]})
    else:
        for recovery in found:
            screen.show(f"run {recovery.run_id}: {_says(recovery)}")


def _says(recovery: Recovery) -> str:
    if recovery.outcome is None:
        return str(recovery.error)
    reason = f": {recovery.outcome.reason}" if recovery.outcome.reason else ""
    return f"{recovery.outcome.status.value}{reason}"


def _json(recovery: Recovery) -> dict[str, str | None]:
    outcome = recovery.outcome
    return {
        "workflow_execution_id": recovery.run_id,
        "status": outcome.status.value if outcome else None,
        "reason": outcome.reason if outcome else None,
        "error": str(recovery.error) if recovery.error else None,
    }


def _worst(found: list[Recovery]) -> ExitCode:
    """Give the exit code that says most: a run that could not be gone on with counts as failed."""
    codes = [exit_code(recovery.outcome.status) if recovery.outcome else ExitCode.FAILED for recovery in found]
    order = (ExitCode.FAILED, ExitCode.PARTIAL_SUCCESS, ExitCode.STOPPED)
    return next((code for code in order if code in codes), ExitCode.COMPLETED)
