"""``planner-graph catalog``: list, show and check the agents that exist."""

from collections.abc import Iterator, Sized
from dataclasses import asdict
from typing import Annotated, Any

import typer
import yaml
from rich.console import RenderableType
from rich.text import Text

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import AgentSpec
from planner_graph.cli import screen
from planner_graph.cli.exits import ExitCode
from planner_graph.cli.inputs import check_catalog, load_catalog
from planner_graph.cli.options import AsJson, CatalogFiles, NoBuiltin
from planner_graph.errors import CatalogError, Finding, nearest
from planner_graph.planning.explanation import duration_text
from planner_graph.text import printable
from planner_graph.types import AgentName, DependencyKind

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def catalog_commands() -> None:
    """List, show and check the agents that exist."""


@app.command("list")
def list_agents(*, catalog: CatalogFiles = None, no_builtin: NoBuiltin = False, as_json: AsJson = False) -> None:
    """List all agents, rules and pools."""
    made = load_catalog(catalog, builtin=not no_builtin)
    if as_json:
        screen.show_json(made.for_people())
    else:
        screen.show(*overview(made))


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent's name.", show_default=False)],
    *,
    catalog: CatalogFiles = None,
    no_builtin: NoBuiltin = False,
    as_json: AsJson = False,
) -> None:
    """Show everything that is declared about one agent."""
    made = load_catalog(catalog, builtin=not no_builtin)
    spec = made.agents.get(AgentName(name))
    if spec is None:
        remedy = nearest(name, made.agents) or "'planner-graph catalog list' lists the agents"
        raise CatalogError([Finding(problem=f"unknown agent {name!r}", remedy=remedy)])
    if as_json:
        screen.show_json(made.for_people()["agents"][name])
    else:
        screen.show(*details(spec, made))


@app.command()
def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="Catalogs to check, laid over the built-in one in this order.",
            show_default=False,
        ),
    ] = None,
    *,
    no_builtin: NoBuiltin = False,
    as_json: AsJson = False,
) -> None:
    """Check catalogs for everything that can be wrong with them."""
    made, findings = check_catalog(files, builtin=not no_builtin)
    if as_json:
        screen.show_json({"agents": len(made.agents), "findings": [asdict(finding) for finding in findings]})
        raise typer.Exit(ExitCode.BAD_INPUT if findings else ExitCode.COMPLETED)
    if findings:
        raise CatalogError(findings)
    screen.show(f"the catalog is sound: {count(made.agents, 'agent')}, {count(made.rules, 'rule')}")


def count(things: Sized, noun: str) -> str:
    """Say how many there are.

    >>> count([], "rule"), count([1], "rule"), count([1, 2], "rule")
    ('no rules', '1 rule', '2 rules')
    """
    return f"{len(things) or 'no'} {noun}{'' if len(things) == 1 else 's'}"


def overview(catalog: Catalog) -> Iterator[RenderableType]:
    """Show all agents, rules and pools as tables."""
    agents = screen.table("agent", "estimate", "after", "outputs", numbers=("estimate",), wide=("after", "outputs"))
    for spec in catalog.agents.values():
        after = ", ".join(
            dependency.agent + ("" if dependency.kind is DependencyKind.HARD else f" ({dependency.kind})")
            for dependency in spec.dependencies
        )
        agents.add_row(*screen.cells(spec.name, duration_text(spec.estimate_seconds), after, ", ".join(spec.outputs)))
    yield agents
    if catalog.rules:
        rules = screen.table("rule", "when", "agents", wide=("when", "agents"))
        for rule in catalog.rules.values():
            rules.add_row(*screen.cells(rule.name, _occasion(rule), ", ".join(rule.select)))
        yield Text()
        yield rules
    if catalog.pools:
        pools = screen.table("pool", "capacity", "scope", numbers=("capacity",))
        for pool in catalog.pools.values():
            pools.add_row(*screen.cells(pool.name, f"{pool.capacity:g}", pool.scope))
        yield Text()
        yield pools


def _occasion(rule: Rule) -> str:
    """Say when a rule applies; of several words one is enough, of several agents all must be there."""
    when = rule.when.model_dump(mode="json", exclude_none=True)
    joints = dict.fromkeys(when, " or ") | {"agents": " and "}
    parts = (f"{key} {joints[key].join(value) if isinstance(value, list) else value}" for key, value in when.items())
    return ", ".join(parts) or "always"


def details(spec: AgentSpec, catalog: Catalog) -> Iterator[RenderableType]:
    """Show one agent as it would stand in a catalog file, and where it comes from."""
    fields: dict[str, Any] = {**catalog.for_people()["agents"][spec.name]}
    del fields["name"]
    text = yaml.safe_dump({spec.name: fields}, sort_keys=False, allow_unicode=True, width=78, default_flow_style=None)
    yield Text(printable(text.rstrip()))
    rules = [rule.name for rule in catalog.rules.values() if spec.name in rule.select]
    yield Text(printable(f"\nselected by: {', '.join(rules) or 'no rule; a deliverable or an input may call for it'}"))
    yield Text(printable(f"declared in: {catalog.file_of(f'agents.{spec.name}') or 'Python'}"))
