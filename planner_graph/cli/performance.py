"""Says how agents did in past runs: as tables for people, as plain values for machines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from planner_graph.cli import screen
from planner_graph.cli.figures import average, compact, dollars, percentage, timer
from planner_graph.cli.styles import AGENT_STYLES
from planner_graph.mirror.figures import execution_json, performance_json
from planner_graph.mirror.history import AgentPerformance, PastExecution, PastUsage

MOST_LISTED = 20
"""Most runs of one agent that are listed one by one."""

WORK_DIGITS = 8
"""Digits of the key of an agent's work that are shown."""

ID_DIGITS = 8
"""Digits of a run's id that are shown; they are enough to name it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """What there is to say about one agent; ``executions`` are its latest runs, latest first."""

    performance: AgentPerformance
    executions: Sequence[PastExecution]


def overview(agents: Sequence[AgentPerformance]) -> RenderableType:
    """Give a table with a line for each agent; columns for what models used, in an average run, if any was called.

    Where other code ran under the same name, or gave other outputs, each has a line of its own.
    """
    with_usage = any(performance.usage for performance in agents)
    used = ("tokens", "cost") if with_usage else ()
    columns = ("runs", "success", "attempts", "median", "P90", "wait", *used)
    table = screen.table("agent", *columns, numbers=columns, wide=("agent",))
    lines = Counter(performance.agent for performance in agents)
    for performance in agents:
        duration, usage = performance.duration, performance.usage
        figures: list[object] = [
            performance.runs,
            percentage(performance.success_rate),
            average(performance.mean_attempts),
            duration and timer(duration.median),
            duration and timer(duration.p90),
            performance.queue_wait and timer(performance.queue_wait.median),
        ]
        if with_usage:
            figures += [usage and compact(usage.mean_tokens), usage and dollars(usage.mean_cost_usd)]
        name = performance.agent + (code_text(performance) if lines[performance.agent] > 1 else "")
        table.add_row(*screen.cells(name, *figures))
    return table


def code_text(performance: AgentPerformance) -> str:
    """Say which code the figures are those of."""
    return f" (code {performance.work[:WORK_DIGITS]})" if performance.work else " (code not known)"


def detail_text(detail: Detail) -> Iterator[RenderableType]:
    """Give the figures of one agent, and below them its latest runs."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in figures_of(detail.performance):
        grid.add_row(*screen.cells(name, value))
    yield grid
    if not detail.executions:
        return
    yield Text()
    yield runs_table(detail.executions[:MOST_LISTED])
    hidden = len(detail.executions) - MOST_LISTED
    if hidden > 0:
        yield Text(f"and {hidden} before; --json lists them all", style="dim")


def figures_of(performance: AgentPerformance) -> Iterator[tuple[str, str]]:
    """Give the figures of one agent, each with its name; those that nothing is known of are left out."""
    yield "agent", performance.agent + (code_text(performance) if performance.work else "")
    yield "runs", runs_text(performance)
    if performance.mean_attempts is not None:
        yield "attempts", f"{average(performance.mean_attempts)} a run, {performance.most_attempts} at most"
    for name, spread in (("duration", performance.duration), ("queue wait", performance.queue_wait)):
        if spread:
            yield name, f"median {timer(spread.median)}, P90 {timer(spread.p90)}"
    if performance.usage:
        yield from usage_figures(performance.usage)
    if performance.last_run_at:
        yield "last run", f"{performance.last_run_at.astimezone():%Y-%m-%d %H:%M:%S}"
    failure = performance.latest_failure
    if failure:
        yield "latest error", f"{error_text(failure)} (run {failure.run_id})"


def runs_text(performance: AgentPerformance) -> str:
    """Say how many runs there were, and how they went."""
    text = str(performance.runs)
    if performance.runs:
        text += f", {performance.succeeded} successful ({percentage(performance.success_rate)})"
    return text + (f", skipped in {performance.skipped} more" if performance.skipped else "")


def usage_figures(usage: PastUsage) -> Iterator[tuple[str, str]]:
    """Give what an agent used, each figure with its name."""
    split = f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    yield "tokens", f"{usage.mean_tokens:,.0f} a run, {usage.total_tokens:,} together ({split})"
    yield "model calls", f"{average(usage.calls / usage.runs)} a run, {usage.calls:,} together"
    if usage.cost_usd is not None:
        text = f"{dollars(usage.mean_cost_usd)} a run, {dollars(usage.cost_usd)} together"
        unpriced = usage.runs - usage.priced_runs
        yield "cost", text + (f"; that of {unpriced} more is not known" if unpriced else "")


def runs_table(executions: Iterable[PastExecution]) -> RenderableType:
    """Give a table with a line for each run."""
    table = screen.table(
        "run", "status", "attempts", "time", "wait", "error", numbers=("attempts", "time", "wait"), wide=("error",)
    )
    for execution in executions:
        status = Text(execution.status.value, style=AGENT_STYLES.get(execution.status, "dim"))
        wait = None if execution.queue_seconds is None else timer(execution.queue_seconds)
        figures = (execution.attempts, timer(execution.seconds), wait, error_text(execution))
        table.add_row(*screen.cells(execution.run_id[:ID_DIGITS], status, *figures))
    return table


def error_text(execution: PastExecution) -> str:
    """Write what went wrong in an execution; nothing if nothing did."""
    error = execution.error or {}
    return ": ".join(str(error[key]) for key in ("type", "message") if error.get(key))


def detail_json(detail: Detail) -> dict[str, Any]:
    """Give the figures of one agent as plain values, and the runs they are taken from, latest first."""
    return {**performance_json(detail.performance), "latest_runs": [execution_json(run) for run in detail.executions]}
