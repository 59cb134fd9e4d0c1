"""When will a run end? Worked out from its plan and from where its agents stand now.

Durations are log-normal, as the plan estimates them. What is left of the run is played through many times with
durations drawn at random; the median and the P90 of the ends are the forecast. An agent that runs has lasted for some
time already: how long it still takes is drawn from the durations longer than that, so the end is never in the past.

The draws are stratified (McKay, Beckman and Conover, Technometrics 21(2), 1979): each agent's are the midpoints of
equally likely parts of its distribution, shuffled. Each call draws the same, so that a forecast changes only because
something happened.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import add
from statistics import median, quantiles
from typing import Self

from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.dag import Dag
from planner_graph.planning.durations import LogNormal
from planner_graph.planning.queueing import Queue
from planner_graph.planning.remaining import Waits, remaining
from planner_graph.types import AgentName, AgentStatus

FREE_DRAWS, MOST_FREE = 80_000, 400
"""How many durations are drawn in all, and most for one agent, where nobody queues for anything."""

QUEUED_DRAWS, MOST_QUEUED = 10_000, 48
"""The same where a schedule within limits is to be played through, which takes longer."""

FEWEST = 10
"""Fewest durations drawn for one agent."""

SEED = 0
"""What all draws begin with; another one gives forecasts that are as good."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStanding:
    """Where an agent stands. Times are seconds, all of them counted from one moment.

    ``started_at`` is the start of its latest attempt; ``next_attempt_at`` is when one that is ``retrying`` goes on. One
    that was interrupted is taken for one that could begin anew at once.
    """

    status: AgentStatus = AgentStatus.WAITING
    started_at: float | None = None
    next_attempt_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """How long a run will still take, in seconds; zero if nothing is left to do.

    ``remaining_critical_path`` is the chain of unfinished agents that decides over the end if each takes as long as its
    median; its first one is running or starts next. ``seconds_left`` is that median for each agent that will still
    work.
    """

    p50_seconds_left: float
    p90_seconds_left: float
    remaining_critical_path: tuple[AgentName, ...]
    seconds_left: Mapping[AgentName, float]


NOTHING_LEFT = Forecast(p50_seconds_left=0.0, p90_seconds_left=0.0, remaining_critical_path=(), seconds_left={})


def forecast(
    plan: PlanContents, standings: Mapping[AgentName, AgentStanding], now: float, *, samples: int | None = None
) -> Forecast:
    """Forecast the end of a run of ``plan``; agents of which ``standings`` says nothing are waiting.

    ``samples`` is how often the rest is played through (twice at least); by default less often for large plans, so that
    it takes some milliseconds only.
    """
    known = {step.agent: standings.get(step.agent, AgentStanding()) for step in plan.steps}
    waits = remaining(plan, {agent: standing.status for agent, standing in known.items()})
    if not waits:
        return NOTHING_LEFT
    works = {step.agent: _Work.of(step, known[step.agent], now) for step in plan.steps}
    queue = _queue(plan, waits, known, works, now)
    budget, most = (QUEUED_DRAWS, MOST_QUEUED) if queue else (FREE_DRAWS, MOST_FREE)
    count = samples or min(max(budget // len(plan.steps), FEWEST), most)
    drawn = _drawn(works, waits, count, random.Random(SEED))  # noqa: S311  # must give the same each time
    middle = {agent: works[agent].left([0.5])[0] if agent in works else 0.0 for agent in waits}
    ends = [queue.end(seconds) for seconds in _one_by_one(drawn, count)] if queue else _free_ends(waits, drawn)
    path = queue.longest_chain(middle) if queue else Dag(waits).critical_path(middle).path
    return Forecast(
        p50_seconds_left=median(ends),
        p90_seconds_left=quantiles(ends, n=10)[-1],
        remaining_critical_path=tuple(agent for agent in path if agent in works),
        seconds_left={agent: seconds for agent, seconds in middle.items() if agent in works},
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What an agent has before it: a pause, then the rest of a duration of which ``elapsed`` seconds are over."""

    duration: LogNormal
    elapsed: float
    pause: float

    @classmethod
    def of(cls, step: Step, standing: AgentStanding, now: float) -> Self:
        elapsed = pause = 0.0
        if standing.status is AgentStatus.RUNNING and standing.started_at is not None:
            elapsed = max(now - standing.started_at, 0.0)
        elif standing.status is AgentStatus.RETRYING and standing.next_attempt_at is not None:
            pause = max(standing.next_attempt_at - now, 0.0)
        return cls(LogNormal.of(step.estimate), elapsed, pause)

    def left(self, survivals: Iterable[float]) -> list[float]:
        """Give the seconds until it ends: more with each of these chances."""
        return [self.pause + seconds for seconds in self.duration.left(self.elapsed, survivals)]


def _queue(
    plan: PlanContents,
    waits: Waits,
    known: Mapping[AgentName, AgentStanding],
    works: Mapping[AgentName, _Work],
    now: float,
) -> Queue | None:
    """Give the queue of the agents that are left; ``None`` if none of them can have to queue."""
    started = {agent: at.started_at - now for agent, at in known.items() if at.started_at is not None}
    at_work = [agent for agent in waits if agent in known and known[agent].status.at_work]
    pauses = {agent: works[agent].pause for agent in at_work if known[agent].status is AgentStatus.RETRYING}
    return Queue.of(plan, waits, started, [agent for agent in at_work if agent not in pauses], pauses)


def _drawn(
    works: Mapping[AgentName, _Work], waits: Iterable[AgentName], count: int, chance: random.Random
) -> dict[AgentName, list[float]]:
    """Draw ``count`` durations of each agent in ``waits``; a barrier's are all zero.

    Agents that have ended draw as well: so what the others draw stays the same while the run goes on.
    """
    strata = [(place + 0.5) / count for place in range(count)]
    orders: dict[AgentName, list[float]] = {}
    for agent in works:
        chance.shuffle(strata)
        orders[agent] = list(strata)
    return {agent: works[agent].left(orders[agent]) if agent in works else [0.0] * count for agent in waits}


def _one_by_one(drawn: Mapping[AgentName, list[float]], count: int) -> Iterator[dict[AgentName, float]]:
    """Give the durations of all agents, draw by draw."""
    for place in range(count):
        yield {agent: seconds[place] for agent, seconds in drawn.items()}


def _free_ends(waits: Waits, drawn: Mapping[AgentName, list[float]]) -> list[float]:
    """Give the end of the longest chain, draw by draw: all draws at once, agent by agent."""
    ends: dict[AgentName, list[float]] = {}
    for agent, before in waits.items():
        ends[agent] = (
            list(map(add, _latest([ends[other] for other in before]), drawn[agent])) if before else drawn[agent]
        )
    return _latest(list(ends.values()))


def _latest(times: list[list[float]]) -> list[float]:
    return times[0] if len(times) == 1 else list(map(max, *times))
