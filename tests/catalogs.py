"""Small catalogs in few words, for tests of what reads a catalog."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import AgentSpec


def spec(  # noqa: PLR0913  # options, all by keyword
    name: str,
    *,
    after: Sequence[str] | Mapping[str, Sequence[str]] = (),
    needs: Sequence[str] = (),
    uses: Sequence[str] = (),
    gives: Sequence[str] = (),
    seconds: float = 60,
    **fields: Any,
) -> AgentSpec:
    """Declare an agent: ``after`` are its dependencies, ``needs`` its required inputs, ``uses`` its other inputs."""
    inputs = [*needs, *({"name": item, "required": False} for item in uses)]
    declared = {"name": name, "dependencies": after, "inputs": inputs, "estimate_seconds": seconds, **fields}
    return AgentSpec.model_validate({**declared, "outputs": gives} if gives else declared)


def catalog(*specs: AgentSpec, select: Mapping[str, Iterable[str]] | None = None) -> Catalog:
    """Build a catalog; ``select`` maps campaign types to agents, type ``all`` selects every one unless given."""
    rules = {"all": [item.name for item in specs], **(select or {})}
    return Catalog.of(
        *specs,
        rules=[
            Rule.model_validate({"name": kind, "when": {"campaign_type": kind}, "select": list(names)})
            for kind, names in rules.items()
        ],
    )
