"""``planner-graph draw``: draw a plan."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from planner_graph.cli import screen
from planner_graph.cli.files import replace_file
from planner_graph.cli.inputs import history_asked_for, load_request
from planner_graph.cli.options import (
    AgentsReference,
    CampaignFile,
    CatalogFiles,
    Dsn,
    MinRuns,
    NoBuiltin,
    StrategyName,
    WithHistory,
)
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.planning.pictures.drawing import beyond_mermaid, to_dot, to_mermaid
from planner_graph.planning.pictures.svg import to_svg
from planner_graph.planning.plan import ExecutionPlan

app = typer.Typer(add_completion=False)


class Format(StrEnum):
    """What a picture can be written as."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


WRITERS: Mapping[Format, Callable[[ExecutionPlan], str]] = {
    Format.MERMAID: to_mermaid,
    Format.DOT: to_dot,
    Format.SVG: to_svg,
}
ENDINGS: Mapping[str, Format] = {
    ".svg": Format.SVG,
    ".dot": Format.DOT,
    ".gv": Format.DOT,
    ".mmd": Format.MERMAID,
    ".mermaid": Format.MERMAID,
}
"""File name endings that say which format is meant."""


@app.command()
def draw(  # noqa: PLR0913  # one parameter for each option
    file: CampaignFile,
    *,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format", "-f", help="By default what the output's name ends with; mermaid on screen.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Write to this file instead of the screen.", show_default=False
        ),
    ] = None,
    strategy: StrategyName = None,
    catalog: CatalogFiles = None,
    no_builtin: NoBuiltin = False,
    agents: AgentsReference = None,
    history: WithHistory = False,
    min_runs: MinRuns = None,
    dsn: Dsn = None,
) -> None:
    """Draw the plan of a campaign."""
    chosen = format_ or _format_of(output)
    past = history_asked_for(wanted=history, dsn=dsn, min_runs=min_runs)
    plan = load_request(
        file, catalogs=catalog, builtin=not no_builtin, agents=agents, strategy=strategy, history=past
    ).plan
    text = WRITERS[chosen](plan)
    edges = sum(len(step.dependencies) for step in plan.steps)
    if chosen is Format.MERMAID and (problem := beyond_mermaid(text, edges)):
        screen.tell(problem, style="yellow")
    picture = text.encode()
    if output is None:
        screen.show_bytes(picture)
    else:
        replace_file(output, picture)
        screen.tell(f"wrote {output}")


def _format_of(output: Path | None) -> Format:
    """Return the format that the name of the output asks for; Mermaid without an output, or without an ending.

    Raises:
        InvalidInputError: its ending is that of another format.
    """
    ending = output.suffix.lower() if output else ""
    if ending and ending not in ENDINGS:
        problem = f"cannot draw a {ending} file"
        remedy = f"use an ending out of {', '.join(ENDINGS)}, or name the format with --format"
        raise InvalidInputError([Finding(problem=problem, remedy=remedy, key="--output")])
    return ENDINGS[ending] if ending else Format.MERMAID
