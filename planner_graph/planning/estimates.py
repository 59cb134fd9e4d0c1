"""How long each agent is expected to take, and where that figure comes from."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Protocol

from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.contents import Estimate
from planner_graph.types import AgentName

P90_TO_MEDIAN = 1.9
"""P90 over median of a log-normal duration with sigma 0.5, the usual spread of model calls; used without history."""

MIN_RUNS = 5
"""Fewest runs of an agent from which anything may be concluded, unless a setting says otherwise."""


class Estimator(Protocol):
    """Gives the expected duration of an agent."""

    def estimate(self, spec: AgentSpec) -> Estimate:
        """Give the expected duration of one successful run of the agent."""
        ...


class DeclaredEstimates:
    """Estimates as the catalog declares them."""

    def estimate(self, spec: AgentSpec) -> Estimate:
        """Give the spec's own figure as the median."""
        seconds = spec.estimate_seconds
        p90_seconds = max(seconds, round(seconds * P90_TO_MEDIAN, 3))
        return Estimate(seconds=seconds, p90_seconds=p90_seconds, source="declared in the catalog")


class HistoricalEstimates:
    """Estimates from how long agents really took; as ``otherwise`` says for those that ran too seldom.

    ``durations`` are those of each agent's last successful runs, in seconds, in any order. An agent with fewer than
    ``min_runs`` of them is estimated by ``otherwise``, by default as the catalog declares. The same durations give the
    same estimates, and so the same plan.
    """

    def __init__(
        self,
        durations: Mapping[AgentName, Sequence[float]],
        *,
        min_runs: int = MIN_RUNS,
        otherwise: Estimator | None = None,
    ) -> None:
        if min_runs < 1:
            raise ValueError(f"min_runs is {min_runs!r}; at least one run is needed to estimate from")
        self._durations = {agent: tuple(seconds) for agent, seconds in durations.items()}
        self._min_runs = min_runs
        self._otherwise = otherwise or DeclaredEstimates()

    def estimate(self, spec: AgentSpec) -> Estimate:
        """Give the median and the P90 of the agent's last runs, or what is declared if there are too few."""
        durations = self._durations.get(spec.name, ())
        if len(durations) < self._min_runs:
            return self._otherwise.estimate(spec)
        runs = "run" if len(durations) == 1 else f"{len(durations)} runs"
        return estimate_from(durations, f"median of the last {runs}")


def estimate_from(durations: Sequence[float], source: str) -> Estimate:
    """Estimate from the durations of past runs, in seconds, at least one: their median and their P90.

    Rounded to microseconds, in which plans reckon.
    """
    ordered = sorted(durations)
    median = statistics.median(ordered)
    p90 = statistics.quantiles(ordered, n=10, method="inclusive")[-1] if len(ordered) > 1 else median * P90_TO_MEDIAN
    return Estimate(seconds=round(median, 6), p90_seconds=round(max(median, p90), 6), source=source)
