"""``planner-graph plan``: make a plan and show it."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from planner_graph.cli import screen
from planner_graph.cli.inputs import history_asked_for, load_request
from planner_graph.cli.options import (
    AgentsReference,
    AsJson,
    CampaignFile,
    CatalogFiles,
    Dsn,
    MinRuns,
    NoBuiltin,
    StrategyName,
    WithHistory,
)
from planner_graph.planning.explanation import duration_text, product_lines
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.text import printable

app = typer.Typer(add_completion=False)


@app.command()
def plan(  # noqa: PLR0913  # one parameter for each option
    file: CampaignFile,
    *,
    strategy: StrategyName = None,
    catalog: CatalogFiles = None,
    no_builtin: NoBuiltin = False,
    agents: AgentsReference = None,
    history: WithHistory = False,
    min_runs: MinRuns = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say in words why each agent is in, why this order, what was dropped.")
    ] = False,
) -> None:
    """Plan a campaign and show the plan; nothing is run."""
    past = history_asked_for(wanted=history, dsn=dsn, min_runs=min_runs)
    made = load_request(
        file, catalogs=catalog, builtin=not no_builtin, agents=agents, strategy=strategy, history=past
    ).plan
    if as_json:
        screen.show_bytes(made.for_people().canonical_json() + b"\n")
    elif explain:
        screen.show(Text(printable(made.explain()), end=""))
    else:
        screen.show(*overview(made))


def overview(plan: ExecutionPlan) -> Iterator[RenderableType]:
    """Show a plan as a table with a summary below."""
    steps = screen.table(
        "#", "agent", "level", "group", "estimate", "slack", "after",
        numbers=("#", "level", "group", "estimate", "slack"), wide=("after",),
    )  # fmt: skip
    for step in plan.steps:
        slack = Text("critical", style="yellow") if step.timing.critical else duration_text(step.timing.slack_seconds)
        after = ", ".join(step.waits_for)
        group, estimate = step.parallel_group_id, duration_text(step.estimate.seconds)
        steps.add_row(*screen.cells(step.order, step.agent, step.level, group, estimate, slack, after))
    yield steps
    yield Text()
    yield from (Text(printable(line)) for line in summary(plan))


def summary(plan: ExecutionPlan) -> Iterator[str]:
    """Sum a plan up in a few lines."""
    count, duration = len(plan.steps), plan.duration
    yield f"campaign {plan.campaign_id}: {count} agent{'' if count == 1 else 's'}, strategy {plan.strategy}"
    yield (
        f"expected {duration_text(duration.predicted)} for {duration_text(duration.work)} of work, "
        f"{plan.estimated_duration_minutes} min with the buffer of {duration_text(duration.buffer)}"
    )
    yield f"critical path ({duration_text(duration.critical_path)}): {' -> '.join(plan.critical_path)}"
    yield from (f"deliverable {line}" for line in product_lines(plan))
    if plan.dropped:
        one = len(plan.dropped) == 1
        yield f"{len(plan.dropped)} {'dependency is' if one else 'dependencies are'} not in force; --explain says why"
    yield f"plan {plan.hash}"
