"""What a plan is made of: steps, edges, estimates, timings; plain frozen values that explanations and pictures read."""

import math
import operator
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, Field

from planner_graph.catalog.spec import Approval, Backoff, Isolation
from planner_graph.redaction import without_secrets
from planner_graph.types import AgentName, AgentStatus, DependencyKind, Effects, Strategy
from planner_graph.values import JsonObject, Value

SCHEMA_VERSION: Final = 1

CAMPAIGN: Final = "campaign"
"""Stands where a producer is named, for values that the campaign provides."""

ItemT = TypeVar("ItemT")


UNLESS_DEFAULT = Field(exclude_if=operator.not_)
"""What leaves a field out of a plan's JSON while it says nothing: plans that do not use it keep their hashes."""


UNLESS_IDEMPOTENT = Field(exclude_if=Effects.IDEMPOTENT.__eq__)
"""The same for a field whose default is not empty."""


def _sorted_by_key(items: dict[str, ItemT]) -> dict[str, ItemT]:
    return dict(sorted(items.items()))


ByName = Annotated[dict[str, ItemT], AfterValidator(_sorted_by_key)]
"""A mapping whose order means nothing; kept sorted, so that a plan read back from JSON reads the same in every view."""


class StepDependency(Value):
    """An edge of the DAG that is in force in this plan.

    ``via`` lists the outputs of ``agent`` that the step reads by name; empty for a dependency that is only declared.
    ``stands_in_for`` names the dependency whose fallback ``agent`` is: either of the two will do.
    """

    agent: AgentName
    kind: DependencyKind
    via: tuple[str, ...] = ()
    stands_in_for: AgentName | None = None


class Estimate(Value):
    """How long an agent is expected to take, in seconds, and where the figure comes from."""

    seconds: float
    p90_seconds: float
    source: str


class Timing(Value):
    """Where a step lies in the schedule, in seconds after the start, from the critical path method.

    ``slack_seconds`` is how much the step may slip without delaying the end.
    """

    earliest_start: float
    earliest_end: float
    latest_start: float
    latest_end: float
    slack_seconds: float
    critical: bool


class Step(Value):
    """One agent in the plan.

    ``order`` counts from 1 in execution order, ``level`` from 0 by longest path. ``parallel_group_id`` is set where the
    strategy lets the step run beside others. ``inputs`` maps each named input to the agent that gives it, or to
    ``"campaign"``; an optional input that nobody gives is absent. ``replaces`` names the agent whose fallback this step
    is: it runs only if that one failed, which is not expected, so it takes no time in the plan.
    """

    agent: AgentName
    type: str
    order: int
    level: int
    parallel_group_id: int | None
    dependencies: tuple[StepDependency, ...]
    inputs: ByName[str]
    outputs: tuple[str, ...]
    reasons: tuple[str, ...]
    estimate: Estimate
    timing: Timing
    parallel_safe: bool
    resources: ByName[float]
    max_retries: int
    backoff: Backoff
    timeout_seconds: float
    total_timeout_seconds: Annotated[float | None, UNLESS_DEFAULT] = None
    retry_on: Annotated[tuple[str, ...], UNLESS_DEFAULT] = ()
    do_not_retry: Annotated[tuple[str, ...], UNLESS_DEFAULT] = ()
    isolation: Annotated[Isolation | None, UNLESS_DEFAULT] = None
    approval: Annotated[Approval | None, UNLESS_DEFAULT] = None
    effects: Annotated[Effects, UNLESS_IDEMPOTENT] = Effects.IDEMPOTENT
    fallback: AgentName | None
    replaces: AgentName | None = None
    cost_estimate_usd: float
    configuration: JsonObject

    @property
    def waits_for(self) -> tuple[AgentName, ...]:
        """Agents that must have ended before this one may start."""
        return tuple(d.agent for d in self.dependencies if d.kind is not DependencyKind.OPTIONAL)

    @property
    def expected_seconds(self) -> float:
        """How long the step should take if nothing fails."""
        return 0.0 if self.replaces else self.estimate.seconds


class LeftOut(Value):
    """An agent of the catalog that the campaign does not need, and why."""

    agent: AgentName
    reason: str


class DroppedDependency(Value):
    """A declared dependency that is not in force in this plan, and why."""

    agent: AgentName
    depends_on: AgentName
    kind: DependencyKind
    reason: str


class Product(Value):
    """What a run is to give under one name: the first of ``outputs``, best first, that exists at its end.

    ``sources`` maps each output to the agent that gives it, or to ``"campaign"``. The result misses a ``required`` one
    of which nothing exists; without a ``main`` one the run has failed.
    """

    name: str
    outputs: tuple[str, ...]
    sources: ByName[str]
    required: bool = True
    main: bool = False

    @property
    def best_output(self) -> str | None:
        """Its best output that the plan can give; ``None`` if nothing gives any."""
        return next((output for output in self.outputs if output in self.sources), None)


class Duration(Value):
    """What the plan expects of time, in seconds.

    ``predicted`` is the makespan under the plan's strategy, ``critical_path`` the lower bound that no strategy beats,
    ``work`` the sum over all agents, ``buffer`` the allowance added for what no estimate knows.
    """

    predicted: float
    critical_path: float
    work: float
    buffer: float


class PlanContents(Value):
    """Which agents run, in which order, why, and how long it should take.

    ``steps`` are in execution order. ``products`` are what the run is to give, in the order in which they were asked
    for; ``deliverables`` maps the name of each to the agent that gives its best output, or to ``"campaign"``. Plans
    made before there were products have none. ``provided`` names the values that the campaign brings along, sorted.
    With ``fail_fast`` no further agent starts once one has failed that has no working fallback. ``secrets`` names the
    inputs, outputs, provided values and configuration keys whose values are never shown, sorted.
    ``resources`` are the capacities of pools; those in ``process_pools`` are shared by all runs of a process.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    campaign_id: str
    campaign_type: str | None
    strategy: Strategy
    steps: tuple[Step, ...]
    deliverables: ByName[str]
    provided: tuple[str, ...]
    critical_path: tuple[AgentName, ...]
    duration: Duration
    max_parallel: int | None
    resources: ByName[float]
    left_out: tuple[LeftOut, ...]
    dropped: tuple[DroppedDependency, ...]
    fail_fast: Annotated[bool, UNLESS_DEFAULT] = False
    products: Annotated[tuple[Product, ...], UNLESS_DEFAULT] = ()
    secrets: Annotated[tuple[str, ...], UNLESS_DEFAULT] = ()
    process_pools: Annotated[tuple[str, ...], UNLESS_DEFAULT] = ()

    @cached_property
    def by_agent(self) -> dict[AgentName, Step]:
        """Steps by agent name, in execution order."""
        return {step.agent: step for step in self.steps}

    @cached_property
    def parallel_groups(self) -> dict[int, tuple[AgentName, ...]]:
        """Agents that may run side by side, by group."""
        groups: dict[int, list[AgentName]] = {}
        for step in self.steps:
            if step.parallel_group_id is not None:
                groups.setdefault(step.parallel_group_id, []).append(step.agent)
        return {group: tuple(agents) for group, agents in groups.items()}

    @cached_property
    def hidden_deliverables(self) -> frozenset[str]:
        """Names in the result whose values are secret: of outputs, and of products that may be such an output."""
        products = (product.name for product in self.products if not set(self.secrets).isdisjoint(product.outputs))
        return frozenset((*self.secrets, *products))

    def for_people(self) -> Self:
        """Return the plan with placeholders in place of secret values of its configuration; itself if it has none.

        Such a plan is only shown: its hash is another one.
        """
        if not any(name in step.configuration for name in self.secrets for step in self.steps):
            return self
        steps = (
            step.model_copy(update={"configuration": without_secrets(step.configuration, self.secrets)})
            for step in self.steps
        )
        return self.model_copy(update={"steps": tuple(steps)})

    @property
    def dependencies(self) -> dict[AgentName, list[AgentName]]:
        """For each agent the names of those it depends on, in whatever way."""
        return {step.agent: [edge.agent for edge in step.dependencies] for step in self.steps}

    @property
    def agent_sequence(self) -> list[dict[str, Any]]:
        """The steps as plain JSON with names of agents, as the table's ``planned_sequence`` has them, among more."""
        return [
            {
                "agent_name": step.agent,
                "agent_type": step.type,
                "execution_order": step.order,
                "dependencies": [edge.agent for edge in step.dependencies],
                "parallel_group_id": step.parallel_group_id,
                "max_retries": step.max_retries,
                "timeout_minutes": max(1, math.ceil(step.timeout_seconds / 60)),
                "configuration": step.configuration,
                **self._rescheduling(step),
            }
            for step in self.steps
        ]

    def _rescheduling(self, step: Step) -> dict[str, bool]:
        if self.strategy is not Strategy.ADAPTIVE:
            return {}
        return {"adaptive_scheduling": step.parallel_safe, "can_reschedule": len(step.dependencies) <= 1}

    @property
    def estimated_duration(self) -> int:
        """The same as :attr:`estimated_duration_minutes`."""
        return self.estimated_duration_minutes

    @property
    def estimated_duration_minutes(self) -> int:
        """Predicted makespan plus buffer, in whole minutes, rounded down."""
        return int((self.duration.predicted + self.duration.buffer) // 60)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the fields; what was derived from them is derived anew, a changed copy has its own hash."""
        copied = super().model_copy(update=update, deep=deep)
        for name in [name for name in copied.__dict__ if name not in type(self).model_fields]:
            del copied.__dict__[name]
        return copied

    @cached_property
    def stand_ins(self) -> dict[AgentName, AgentName]:
        """For each agent that has one in this plan, the fallback that stands in for it."""
        return {step.replaces: step.agent for step in self.steps if step.replaces}

    def chain_of(self, agent: AgentName) -> tuple[AgentName, ...]:
        """Return ``agent`` and its fallbacks, one after the other."""
        chain = [agent]
        while chain[-1] in self.stand_ins:
            chain.append(self.stand_ins[chain[-1]])
        return tuple(chain)

    def unrepaired(self, statuses: Mapping[AgentName, AgentStatus]) -> list[AgentName]:
        """Return the agents that failed and for which no fallback has made up, in execution order."""
        failed = [step.agent for step in self.steps if statuses.get(step.agent) is AgentStatus.FAILED]
        return [agent for agent in failed if self.repairer(agent, statuses) is None]

    def repairer(self, agent: AgentName, statuses: Mapping[AgentName, AgentStatus]) -> AgentName | None:
        """Return the fallback that completed in the place of ``agent``, which failed; ``None`` if there is none."""
        if statuses.get(agent) is not AgentStatus.FAILED:
            return None
        return next((other for other in self.chain_of(agent) if statuses.get(other) is AgentStatus.COMPLETED), None)
