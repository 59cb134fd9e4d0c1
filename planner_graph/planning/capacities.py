"""The pools of a plan: what the catalog declares, lowered by what the campaign allows, or set by it alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec
from planner_graph.catalog.spelling import misspelt
from planner_graph.errors import Finding


@dataclass(frozen=True, kw_only=True)
class Capacities:
    """How much there is of each pool, and which of them all runs of a process share."""

    amounts: dict[str, float]
    process: tuple[str, ...]

    @classmethod
    def of(cls, campaign: Campaign, catalog: Catalog, agents: Iterable[AgentSpec]) -> Self:
        """Give the pools that bind ``agents``: those of the catalog that they use, and those of the campaign."""
        used = {name for spec in agents for name in spec.resources}
        declared = [pool for pool in catalog.pools.values() if pool.name in used]
        limits = campaign.limits.resources
        amounts = {pool.name: min(pool.capacity, limits.get(pool.name, pool.capacity)) for pool in declared}
        return cls(
            amounts={**limits, **amounts},
            process=tuple(sorted(pool.name for pool in declared if pool.scope == "process")),
        )


def findings(campaign: Campaign, catalog: Catalog, agents: Iterable[AgentSpec]) -> Iterator[Finding]:
    """Report limits that are none, and needs of ``agents`` that they never meet."""
    limits = campaign.limits.resources
    used = {name: None for spec in catalog.agents.values() for name in spec.resources}
    for name, amount in limits.items():
        path = ("limits", "resources", name)
        pool = catalog.pools.get(name)
        if pool is not None and amount > pool.capacity:
            problem = f"{amount:g} of {name!r} is more than the catalog's capacity of {pool.capacity:g}"
            remedy = f"a limit can only lower it: write {pool.capacity:g} or less, or raise the catalog's capacity"
            yield campaign.finding(path, problem, remedy)
        elif pool is None and name not in used and (meant := misspelt(name, {**catalog.pools, **used})):
            problem = f"no agent uses a pool {name!r}"
            yield campaign.finding(path, problem, f"remove the limit, did you mean {meant!r}?")
    for spec in agents:
        for name, amount in spec.resources.items():
            if limits.get(name, amount) < amount:
                problem = f"agent {spec.name!r} needs {amount:g} of {name!r}, but the limit is {limits[name]:g}"
                remedy = f"raise limits.resources.{name} or lower the agent's need"
                yield campaign.finding(("limits", "resources", name), problem, remedy)


def strange_values(campaign: Campaign, catalog: Catalog) -> Iterator[Finding]:
    """Report provided values that no agent reads or gives, and whose names must be misspelt."""
    known: dict[str, None] = {}
    for spec in catalog.agents.values():
        known |= dict.fromkeys([*(item.name for item in spec.inputs), *spec.outputs])
    for name in campaign.provided:
        if name not in known and (meant := misspelt(name, known)):
            problem = f"no agent reads or gives a value {name!r}"
            yield campaign.finding(("provided", name), problem, f"remove it, did you mean {meant!r}?")
