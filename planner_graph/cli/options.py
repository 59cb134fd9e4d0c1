"""Arguments and options that several commands share, so that they read and work the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from planner_graph.campaign import Durability
from planner_graph.planning.estimates import MIN_RUNS
from planner_graph.planning.strategy import SCHEDULES

CampaignFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help="The campaign, a YAML or JSON file; - is standard input.", show_default=False),
]
CatalogFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--catalog",
        metavar="FILE",
        help="Lay this catalog over the built-in one; - is standard input. May be given again; later ones win.",
        show_default=False,
    ),
]
NoBuiltin = Annotated[
    bool, typer.Option("--no-builtin", help="Leave the built-in marketing catalog out.", show_default=False)
]
StrategyName = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help=f"How the agents are ordered: {' or '.join(SCHEDULES)}. By default what the campaign says, else adaptive.",
        show_default=False,
    ),
]
DurabilityName = Annotated[
    Durability | None,
    typer.Option(
        "--durability",
        help="When checkpoints are stored. sync: before an agent starts that reads them. async: beside the agents."
        " exit: when the run ends or stops. By default what the campaign says, else async.",
        show_default=False,
    ),
]
AgentsReference = Annotated[
    str | None,
    typer.Option(
        "--agents",
        metavar="MODULE:NAME",
        help="Where the agents' code is: package.module:name or path/to/file.py:name. What its functions declare"
        " is laid over the catalog. By default the agents that installed packages offer.",
        show_default=False,
    ),
]
Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="DSN",
        help="The PostgreSQL database, as postgresql://user@host/name. By default what PLANNER_GRAPH_DSN says, else"
        " a private server that is started when it is needed.",
        show_default=False,
    ),
]
WithHistory = Annotated[
    bool,
    typer.Option("--history", help="Take estimates from past runs: of agents that ran often enough in the database."),
]
NoHistory = Annotated[
    bool, typer.Option("--no-history", help="Take all estimates from the catalog, none from past runs.")
]
MinRuns = Annotated[
    int | None,
    typer.Option(
        "--min-runs",
        metavar="N",
        min=1,
        help=f"How often an agent must have succeeded to be estimated from its past runs.  [default: {MIN_RUNS}]",
        show_default=False,
    ),
]
OutputFolder = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="DIR", help="Write the deliverables and plan.svg to this folder.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document, for machines.", show_default=False)]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or its beginning.", show_default=False)]
OptionalRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="The run's id, or its beginning. By default the latest run.", show_default=False
    ),
]
