"""Says in words why agents of a run are not at work yet, and whom each of them waits for."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise

from typing_extensions import TypedDict  # pydantic asks for this one, for the server's documentation

from planner_graph.catalog.pool import rate_window
from planner_graph.mirror.standings import AgentNow
from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.remaining import will_work
from planner_graph.planning.scheduler import UNSAFE_POOL, needs
from planner_graph.types import AgentName, AgentStatus, DependencyKind, RunStatus, Strategy

MOST_NAMED = 3
"""How many agents one reason names; of more it says how many there are."""

_STANDSTILL: Mapping[RunStatus, str] = {
    RunStatus.PENDING: "ready, the run has not started",
    RunStatus.PAUSED: "ready, the run is paused",
    RunStatus.PAUSING: "ready, the run is being paused",
    RunStatus.CANCELLING: "ready, the run is being cancelled",
}


class Blocked(TypedDict):
    """Why an agent is not at work: the unfinished agents that it waits for, and all of it in words."""

    waits_for: list[str]
    reason: str


def blocked(
    plan: PlanContents, run_status: RunStatus, agents: Mapping[AgentName, AgentNow], now: datetime
) -> dict[str, Blocked]:
    """Give for each agent that has neither ended nor is running why that is; in execution order."""
    return _Situation(plan, run_status, agents, now).blocked()


class _Situation:
    """What there is to know in order to say why somebody waits."""

    def __init__(
        self, plan: PlanContents, run_status: RunStatus, agents: Mapping[AgentName, AgentNow], now: datetime
    ) -> None:
        self.plan = plan
        self.run_status = run_status
        self.agents = agents
        self.now = now
        self.needed = will_work(plan, {agent: here.status for agent, here in agents.items()})
        self.busy = [here.step for here in agents.values() if here.status is AgentStatus.RUNNING]
        self.unfinished = [here.step for here in agents.values() if not here.status.ended]
        self.first_level = min((step.level for step in self.unfinished), default=0)
        self.before = {late.agent: early.agent for early, late in pairwise(self.unfinished)}
        self.used = self._used()

    def blocked(self) -> dict[str, Blocked]:
        """Give why each agent waits that does."""
        return {
            step.agent: self._why(self.agents[step.agent])
            for step in self.unfinished
            if self.agents[step.agent].status is not AgentStatus.RUNNING
        }

    def _why(self, here: AgentNow) -> Blocked:
        step = here.step
        if here.status is AgentStatus.RETRYING and _pause_is_over(here, self.now) and (lacks := self._lacks(step)):
            return Blocked(waits_for=[], reason=f"retrying: attempt {here.attempt + 1} {lacks}")
        if here.status in {AgentStatus.RETRYING, AgentStatus.INTERRUPTED}:
            return Blocked(waits_for=[], reason=self._doing(here))
        if step.agent not in self.needed and (unneeded := self._unneeded(step)):
            return unneeded
        waiting = [edge for edge in step.dependencies if edge.kind is not DependencyKind.OPTIONAL]
        waiting = [edge for edge in waiting if self._is_awaited(edge.agent)]
        if waiting:
            named = [f"{edge.agent!r} ({edge.kind.value}), which {self._of(edge.agent)}" for edge in waiting]
            return Blocked(waits_for=[edge.agent for edge in waiting], reason=f"waits for {_listed(named)}")
        return self._out_of_turn(step) or Blocked(waits_for=[], reason=self._ready(step))

    def _is_awaited(self, agent: AgentName) -> bool:
        """Tell whether an agent has yet to end; fallbacks that nobody needs so far are not worth a word."""
        here = self.agents[agent]
        return not here.status.ended and not (here.step.replaces and agent not in self.needed)

    def _unneeded(self, step: Step) -> Blocked | None:
        """Say why a step will not do anything, as things stand."""
        if step.replaces:
            replaced = self.agents[step.replaces]
            if replaced.status.ended:
                reason = f"will be skipped: {step.replaces!r}, for which it would stand in, {_ended(replaced)}"
                return Blocked(waits_for=[], reason=reason)
            reason = f"stands in for {step.replaces!r} if that fails, which {self._of(step.replaces)}"
            return Blocked(waits_for=[step.replaces], reason=reason)
        hard = [edge.agent for edge in step.dependencies if edge.kind is DependencyKind.HARD]
        for agent in hard:
            if agent not in self.needed and self.agents[agent].status is not AgentStatus.COMPLETED:
                awaited = [other for other in step.waits_for if self._is_awaited(other)]
                return Blocked(
                    waits_for=list(awaited), reason=f"will be skipped: hard dependency {agent!r} {self._of(agent)}"
                )
        return None

    def _out_of_turn(self, step: Step) -> Blocked | None:
        """Say whom the strategy lets go first."""
        if self.plan.strategy is Strategy.SEQUENTIAL and step.agent in self.before:
            before = self.before[step.agent]
            return Blocked(waits_for=[before], reason=f"waits for its turn, which comes after {before!r}")
        if self.plan.strategy is Strategy.PARALLEL and step.level > self.first_level:
            first = [other.agent for other in self.unfinished if other.level == self.first_level]
            reason = f"waits for level {self.first_level} to end: {_listed([repr(agent) for agent in first])}"
            return Blocked(waits_for=list(first), reason=reason)
        return None

    def _ready(self, step: Step) -> str:
        """Say what a step lacks to start whose dependencies have all ended."""
        if self.run_status in _STANDSTILL:
            return _STANDSTILL[self.run_status]
        return f"ready, {self._lacks(step) or 'starts next'}"

    def _lacks(self, step: Step) -> str | None:
        """Say what a step waits for that others hold at present."""
        places = self.plan.max_parallel
        if places is not None and len(self.busy) >= places:
            return f"waits for one of {places} places (max_parallel)"
        for pool, amount in needs(step).items():
            capacity = 1.0 if pool == UNSAFE_POOL else self.plan.resources.get(pool)
            if capacity is None or self.used.get(pool, 0.0) + amount <= capacity:
                continue
            if pool == UNSAFE_POOL:
                other = next(other.agent for other in self.busy if not other.parallel_safe)
                return f"waits until {other!r} has ended: neither is parallel safe"
            return f"waits for a free slot of {pool!r}"
        return None

    def _used(self) -> dict[str, float]:
        """Give what is used up of each pool: by those who are at work, of a rate by those who started lately."""
        used: dict[str, float] = {}
        for here in self.agents.values():
            for pool, amount in needs(here.step).items():
                window = rate_window(pool)
                lately = window is not None and here.started_at is not None and here.seconds(self.now) < window
                if lately or (window is None and here.status is AgentStatus.RUNNING):
                    used[pool] = used.get(pool, 0.0) + amount
        return used

    def _of(self, agent: AgentName) -> str:
        """Say what another agent is doing, after its name."""
        here = self.agents[agent]
        if here.status.ended:
            return _ended(here)
        if here.status is AgentStatus.WAITING:
            return "waits itself" if agent in self.needed else "will be skipped"
        return f"is {self._doing(here)}"

    def _doing(self, here: AgentNow) -> str:
        match here.status:
            case AgentStatus.RUNNING:
                return f"running for {span(here.seconds(self.now))}"
            case AgentStatus.RETRYING:
                left = (here.next_attempt_at - self.now).total_seconds() if here.next_attempt_at else 0.0
                soon = f"in {span(left)}" if left > 0 else "now"
                kind = (here.error or {}).get("type") or "an error"
                return f"retrying: attempt {here.attempt + 1} {soon} after {kind}"
            case _:
                return f"interrupted, to begin anew: {here.reason or 'the run was stopped'}"


def _pause_is_over(here: AgentNow, now: datetime) -> bool:
    """Tell whether the pause before the next attempt of an agent is over, so that it waits for its turn."""
    return here.next_attempt_at is not None and here.next_attempt_at <= now


def span(seconds: float) -> str:
    """Write a length of time in words.

    >>> [span(seconds) for seconds in (0.2, 12.3, 185.0, 3725.0)]
    ['0.2 s', '12 s', '3 min 5 s', '1 h 2 min']
    """
    if seconds < 1:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _ended(here: AgentNow) -> str:
    return f"was {here.status.value}" if here.status is AgentStatus.SKIPPED else here.status.value


def _listed(items: list[str]) -> str:
    return "; ".join(_cut(items))


def _cut(items: list[str]) -> Iterator[str]:
    yield from items[:MOST_NAMED]
    if len(items) > MOST_NAMED:
        yield f"and {len(items) - MOST_NAMED} more"
