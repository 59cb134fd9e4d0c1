"""``planner-graph serve``: REST, live events and the dashboard."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from planner_graph.cli import lazy
from planner_graph.cli.agents import anchored
from planner_graph.cli.files import require_folder
from planner_graph.cli.inputs import load_catalog
from planner_graph.cli.options import AgentsReference, CatalogFiles, Dsn, NoBuiltin
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.server.settings import LOOPBACK, ServerSettings, origin_of

app = typer.Typer(add_completion=False)

EXTRA = frozenset({"fastapi", "uvicorn", "httptools", "prometheus_client", "limits", "websockets"})
"""Packages that only the extra brings."""


@app.command()
def serve(  # noqa: PLR0913  # one parameter for each option
    *,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 8124,
    agents: AgentsReference = None,
    catalog: CatalogFiles = None,
    no_builtin: NoBuiltin = False,
    dsn: Dsn = None,
    auth: Annotated[
        bool | None,
        typer.Option(
            "--auth/--no-auth",
            help="Whether clients need a token. By default they do, unless only this machine reaches the server.",
            show_default=False,
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin",
            metavar="URL",
            help="Pages of this server may call, too, as https://plans.example.org. May be given several times.",
            show_default=False,
        ),
    ] = None,
    max_runs: Annotated[
        int, typer.Option("--max-runs", metavar="N", min=1, help="Most runs that are executed at a time.")
    ] = 8,
    no_recover: Annotated[
        bool, typer.Option("--no-recover", help="Leave alone, at the start, runs that were left behind.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write the deliverables of each run to a folder of its own in this one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve runs over HTTP: REST, live events and the dashboard.

    Ctrl-C lets running agents end and pauses their runs; once more leaves the runs at once, for 'recover'.
    """
    require_folder(output)
    settings = ServerSettings(
        host=host,
        port=port,
        auth=host not in LOOPBACK if auth is None else auth,
        origins=origins(origin or ()),
        max_runs=max_runs,
        recover=not no_recover,
        output_folder=str(output.absolute()) if output else None,
    )
    declared = load_catalog(catalog, builtin=not no_builtin, installed=agents is None)
    raise typer.Exit(_module().serve(settings, declared, anchored(agents) if agents else None, dsn))


def origins(given: Iterable[str]) -> tuple[str, ...]:
    """Give origins as browsers write them.

    Raises:
        InvalidInputError: some are none.
    """
    read = {text: origin_of(text) for text in given}
    remedy = "write scheme, host and, if it is a special one, port: https://plans.example.org"
    findings = [
        Finding(problem=f"{text!r} is no origin", remedy=remedy, key="--origin")
        for text, origin in read.items()
        if origin is None
    ]
    if findings:
        raise InvalidInputError(findings)
    return tuple(origin for origin in read.values() if origin is not None)


def _module() -> Any:
    """Import what serves.

    Raises:
        InvalidInputError: the extra is not installed.
    """
    try:
        return lazy.module("serving")
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        problem = f"the package {error.name!r} is not installed"
        raise InvalidInputError([Finding(problem=problem, remedy="pip install 'planner-graph[server]'")]) from error
