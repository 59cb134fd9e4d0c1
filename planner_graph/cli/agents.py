"""Loads the agents' code; this is what makes a command import LangChain, so it is imported only where needed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from planner_graph.agents.factory import AgentFactory
from planner_graph.cli import screen
from planner_graph.errors import AgentBindingError, Finding, InvalidInputError
from planner_graph.planning.plan import ExecutionPlan

MOST_NAMED = 20
"""Names of agents that a remedy lists."""


def load(reference: str) -> AgentFactory:
    """Import the agents that ``--agents`` names; what their modules print goes to standard error.

    Raises:
        InvalidInputError: they cannot be imported, or their declarations are wrong.
    """
    with _as_findings(), screen.only_results():
        return AgentFactory.load(reference)


def installed() -> AgentFactory:
    """Bind the agents that installed packages offer.

    Raises:
        InvalidInputError: two packages offer the same agent.
    """
    with _as_findings():
        return AgentFactory.installed()


@contextmanager
def _as_findings() -> Iterator[None]:
    try:
        yield
    except AgentBindingError as error:
        if isinstance(error.__cause__, InvalidInputError):
            raise error.__cause__ from error
        problem, _, remedy = str(error).partition("; ")
        raise InvalidInputError([Finding(problem=problem, remedy=remedy or "fix it or name another")]) from error


def require_bodies(plan: ExecutionPlan, agents: Mapping[str, Any], reference: str | None) -> None:
    """Refuse a plan that names agents without code.

    Raises:
        InvalidInputError: some have none; all of them are named.
    """
    unbound = [step.agent for step in plan.steps if step.agent not in agents]
    if not unbound:
        return
    names = ", ".join(map(repr, unbound))
    there = ", ".join(map(repr, list(agents)[:MOST_NAMED])) or "nothing"
    remedy = (
        f"add it there, beside {there}"
        if reference
        else "name it: --agents package.module:name or --agents file.py:name"
    )
    where = f"{reference!r} has" if reference else "no installed package has"
    count = f"{len(unbound)} agent{'' if len(unbound) == 1 else 's'}"
    problem = f"{where} {'no ' if reference else ''}code for {count} of the plan: {names}"
    raise InvalidInputError([Finding(problem=problem, remedy=remedy, key="--agents")])


def anchored(reference: str) -> str:
    """Give ``reference`` so that it can be resolved from any folder: a path becomes absolute."""
    place, separator, attribute = reference.rpartition(":")
    return f"{Path(place).resolve()}{separator}{attribute}" if place.endswith(".py") else reference
