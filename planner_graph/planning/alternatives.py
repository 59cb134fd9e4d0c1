"""Inputs of which one is enough: which of them an agent really depends on, once it is known what exists in a plan.

An agent that can work from any of several texts marks them as ``one_of``. If nothing gives any of them, the first is
treated as required, which pulls its producer into the plan. If only one exists, or if all others are made from one, the
agent cannot do without that one and depends on it as on any required input. Otherwise it takes what there is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.spec import AgentSpec, Dependency
from planner_graph.types import AgentName, DependencyKind


def resolved(catalog: Catalog, agents: Iterable[AgentName], gives: Mapping[str, str]) -> Catalog:
    """Give the catalog with the inputs required that the ``agents`` of a plan cannot do without.

    ``gives`` maps each value that exists in the plan to the agent that gives it, or to what is no agent.
    """
    needed = {name: _indispensable(catalog.agents[name], gives, catalog) for name in agents}
    return requiring(catalog, {name: item for name, item in needed.items() if item is not None}, gives)


def requiring(catalog: Catalog, unmet: Mapping[AgentName, str], producers: Mapping[str, str]) -> Catalog:
    """Give the catalog with the input required that is named for each agent."""
    changed = {name: _requiring(catalog.agents[name], item, producers.get(item)) for name, item in unmet.items()}
    return catalog.model_copy(update={"agents": {**catalog.agents, **changed}}) if changed else catalog


def unmet(catalog: Catalog, agents: Iterable[AgentName], gives: Collection[str]) -> Iterator[tuple[AgentName, str]]:
    """Give each of the ``agents`` that has none of its alternatives, with the first of them."""
    for name in agents:
        choices = _choices(catalog.agents[name])
        if choices and not any(choice in gives for choice in choices):
            yield name, choices[0]


def _choices(spec: AgentSpec) -> list[str]:
    return [item.name for item in spec.inputs if item.one_of]


def _indispensable(spec: AgentSpec, gives: Mapping[str, str], catalog: Catalog) -> str | None:
    """Name the alternative without which there would be none: the only one, or the one that all others need."""
    choices = _choices(spec)
    there = [choice for choice in choices if choice in gives]
    if not there:
        return choices[0] if choices else None
    givers = {gives[choice] for choice in there}
    if not all(giver in catalog.agents for giver in givers):
        return None  # the campaign provides one of them
    for choice in there:
        if all(giver == gives[choice] or gives[choice] in _needs(giver, gives, catalog) for giver in givers):
            return choice
    return None


def _needs(name: str, gives: Mapping[str, str], catalog: Catalog) -> set[str]:
    """Give all agents without which ``name`` cannot run, directly or through others."""
    found: set[str] = set()
    pending = [name]
    while pending:
        spec = catalog.agents[AgentName(pending.pop())]
        hard = [dependency.agent for dependency in spec.dependencies if dependency.kind is DependencyKind.HARD]
        read = [gives[item.name] for item in spec.inputs if item.required and item.name in gives]
        fresh = [other for other in (*hard, *read) if other in catalog.agents and other not in found]
        found.update(fresh)
        pending += fresh
    return found


def _requiring(spec: AgentSpec, name: str, producer: str | None) -> AgentSpec:
    """Give ``spec`` with one input required, and with the dependency on its producer as hard as that takes."""
    inputs = tuple(
        item.model_copy(update={"required": item.required or item.name == name, "one_of": False})
        for item in spec.inputs
    )
    dependencies = tuple(
        Dependency(agent=dependency.agent) if dependency.agent == producer else dependency
        for dependency in spec.dependencies
    )
    return spec.model_copy(update={"inputs": inputs, "dependencies": dependencies})
