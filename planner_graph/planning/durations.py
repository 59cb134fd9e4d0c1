"""How long an agent takes, as a distribution: log-normal, with the median and the P90 of its estimate."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

from planner_graph.planning.contents import Estimate
from planner_graph.planning.estimates import P90_DEVIATIONS, SHORTEST

LEAST_SPREAD = 0.1
"""Sigma below which no duration is believed to be known; else an agent that is late would always end at once."""

_FAR_OUT = 30.0
"""Standard deviations beyond which the normal distribution's tail is too thin for floating point."""

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A duration in seconds whose logarithm is normal with standard deviation ``sigma``."""

    median: float
    sigma: float

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """Give the distribution that has the median and the P90 of an estimate."""
        middle = max(estimate.seconds, SHORTEST)
        sigma = math.log(max(estimate.p90_seconds / middle, 1.0)) / P90_DEVIATIONS
        return cls(middle, max(sigma, LEAST_SPREAD))

    def left(self, elapsed: float, survivals: Iterable[float]) -> list[float]:
        """Give how much longer it takes that has taken ``elapsed`` seconds: longer still with each of these chances.

        Always above zero, however late it is. Chances lie between 0 and 1; 0.5 gives the median of what is left.

        >>> writing = LogNormal(60.0, 0.5)
        >>> [round(writing.left(elapsed, [0.5])[0], 1) for elapsed in (0.0, 60.0, 120.0, 600.0)]
        [60.0, 24.1, 22.8, 44.2]
        """
        least = SHORTEST * min(self.median, 1.0)
        return [max(self.median * math.exp(self.sigma * z) - elapsed, least) for z in self._beyond(elapsed, survivals)]

    def _beyond(self, elapsed: float, survivals: Iterable[float]) -> Iterator[float]:
        """Give standard deviations of the whole duration, given that it is over ``elapsed``."""
        if elapsed <= 0:
            yield from (-_NORMAL.inv_cdf(survival) for survival in survivals)
            return
        lasted = math.log(elapsed / self.median) / self.sigma
        if lasted < _FAR_OUT:
            chance = math.erfc(lasted / math.sqrt(2)) / 2
            yield from (-_NORMAL.inv_cdf(chance * survival) for survival in survivals)
        else:  # the tail falls like exp(-z**2 / 2)
            yield from (math.sqrt(lasted**2 - 2 * math.log(survival)) for survival in survivals)
