"""``planner-graph reconcile``: make the tables of runs equal to their checkpoints."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from planner_graph.cli import screen
from planner_graph.cli.exits import ExitCode
from planner_graph.cli.options import AsJson, Dsn
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.mirror.differences import Difference
from planner_graph.mirror.reconcile import Reconciliation, reconcile_all
from planner_graph.mirror.reconcile import reconcile as reconcile_one
from planner_graph.store.database import open_database
from planner_graph.text import printable

app = typer.Typer(add_completion=False)


@app.command()
def reconcile(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The run's id, or its beginning.", show_default=False)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Look at all runs.", show_default=False)] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what differs; change nothing.", show_default=False)
    ] = False,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Make the tables of a run equal to its checkpoint.

    The checkpoint is the truth; the tables may have fallen behind it, or run ahead, when a process was killed or the
    database was away for too long. A run that nobody executes any more is paused.
    """
    if (run is None) is not every:
        problem = "a run and --all cannot go together" if every else "neither a run nor --all is given"
        remedy = "name one run, or use --all for all of them; 'planner-graph runs' lists them"
        raise InvalidInputError([Finding(problem=problem, remedy=remedy)])
    found = asyncio.run(look_at(run, dsn, dry_run=dry_run))
    if as_json:
        screen.show_json({"dry_run": dry_run, "runs": [reconciliation_json(one) for one in found]})
    else:
        screen.show(*report(found, every=every))
    raise typer.Exit(ExitCode.COMPLETED if all(one.settled for one in found) else ExitCode.FAILED)


async def look_at(run: str | None, dsn: str | None, *, dry_run: bool) -> list[Reconciliation]:
    """Reconcile one run, or all of them."""
    async with open_database(dsn) as database:
        if run is None:
            return await reconcile_all(database, dry_run=dry_run)
        return [await reconcile_one(database, run, dry_run=dry_run)]


def report(found: Sequence[Reconciliation], *, every: bool) -> Iterator[str]:
    """Say what differed and what was done: a line for each difference, and for all runs how many there were."""
    for one in found:
        outcome = outcome_of(one)
        if outcome == "equal" and every:
            continue
        reason = one.problem or one.remark
        yield printable(f"run {one.run_id}: {outcome}" + (f": {reason}" if reason else ""))
        for difference in one.differences:
            yield printable(f"  {difference}{_undone(one, difference)}")
    if every:
        counts = Counter(map(outcome_of, found))
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        yield f"{len(found)} run{'' if len(found) == 1 else 's'}" + (f": {counted}" if counted else "")


def outcome_of(one: Reconciliation) -> str:
    """Say in a word or two what came of a run."""
    if one.problem is not None:
        return "not compared"
    if one.differences:
        return "repaired" if one.settled else "different"
    return "left alone" if one.remark else "equal"


def reconciliation_json(one: Reconciliation) -> dict[str, Any]:
    """Give what came of a run as plain values."""
    return {
        "workflow_execution_id": one.run_id,
        "outcome": outcome_of(one),
        "written": one.written,
        "settled": one.settled,
        "reason": one.problem or one.remark,
        "reason_code": one.problem_code,
        "differences": [difference.as_json() | {"text": str(difference)} for difference in one.differences],
    }


def _undone(one: Reconciliation, difference: Difference) -> str:
    if not difference.repairable:
        return " (left as it is: nobody can know which is right)"
    return "" if one.written else " (not repaired)"
