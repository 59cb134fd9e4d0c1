"""How long each agent is expected to take, and where that figure comes from."""

from typing import Protocol

from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.contents import Estimate

P90_TO_MEDIAN = 1.9
"""P90 over median of a log-normal duration with sigma 0.5, the usual spread of model calls; used without history."""


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
