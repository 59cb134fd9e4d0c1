"""How long each agent is expected to take, and where that figure comes from."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Protocol

from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.contents import Estimate
from planner_graph.types import AgentName

P90_TO_MEDIAN = 1.9
"""P90 over median of a log-normal duration with sigma 0.5, the usual spread of model calls; used without history."""

P90_DEVIATIONS = statistics.NormalDist().inv_cdf(0.9)
"""Standard deviations between the median and the P90 of a normal distribution."""

USUAL_SIGMA, USUAL_WEIGHT = 0.5, 10
"""The usual spread of the logarithm of a duration, and how many runs it outweighs until history says otherwise."""

SHORTEST = 0.001
"""Seconds below which no agent is expected to stay."""

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
        """Estimate from the agent's last runs, or as ``otherwise`` does if there are too few."""
        durations = self._durations.get(spec.name, ())
        if len(durations) < self._min_runs:
            return self._otherwise.estimate(spec)
        runs = "run" if len(durations) == 1 else f"{len(durations)} runs"
        return estimate_from(durations, f"median of the last {runs}")


def estimate_from(durations: Sequence[float], source: str) -> Estimate:
    """Estimate from the durations of past runs, in seconds, at least one: their median, and the P90 of the next run.

    A few runs say little about the tenth that takes longest, and their own P90 is too low more often than not. So the
    P90 is that of a log-normal distribution, whose spread starts out as the usual one and becomes that of the runs as
    they grow in number; it allows for the median's being uncertain, too. Rounded to microseconds, in which plans
    reckon.
    """
    count, median = len(durations), statistics.median(durations)
    logarithms = [math.log(max(seconds, SHORTEST)) for seconds in durations]
    mean = math.fsum(logarithms) / count
    squares = math.fsum((value - mean) ** 2 for value in logarithms)
    variance = (squares + USUAL_WEIGHT * USUAL_SIGMA**2) / (count - 1 + USUAL_WEIGHT)
    p90 = median * math.exp(P90_DEVIATIONS * math.sqrt(variance * (1 + 1 / count)))
    return Estimate(seconds=round(median, 6), p90_seconds=round(p90, 6), source=source)
